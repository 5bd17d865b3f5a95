"""What was handed in, kept beside the results that it got: one zip for each digest, never unpacked."""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from project.support.errors import UserError, note
from project.support.files import open_atomically, write_atomically

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
)  # what zipfile raises of it


def keep(results: Path, digest: str, files: Mapping[str, bytes]) -> None:
    """Keep a submission's files, unless they are kept already."""
    archive = place(results, digest)
    if kept(results, digest) == files and archive.exists():
        return
    archive.parent.mkdir(exist_ok=True)
    with open_atomically(archive) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)


def kept(results: Path, digest: str) -> dict[str, bytes]:
    """All files of a submission at once, by name; empty where none were kept, or, with a note, where they are damaged."""
    archive = place(results, digest)
    if not archive.exists():
        return {}
    content = archive.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return {name: packed.read(name) for name in packed.namelist()}
    except DAMAGE as error:
        note(f"{archive}: is damaged ({error}); a run over its submission keeps it anew")
        return {}


def keep_code(results: Path, digest: str, code: Mapping[str, bytes]) -> None:
    """Keep a submission's modules as a training sees them, by file name. They are UTF-8."""
    texts = {path: content.decode() for path, content in code.items()}
    write_atomically(place(results, digest, "code.json"), json.dumps(texts, ensure_ascii=False))


def kept_for_training(results: Path, digest: str) -> dict[str, bytes]:
    """All files of a submission, with its modules as a training sees them. Raises UserError where any of that is gone."""
    files, path = kept(results, digest), place(results, digest, "code.json")
    if not files:
        archive = place(results, digest)
        raise UserError(f"{archive}: is missing or damaged; a run over the submission writes it anew")
    modules = {name for name in files if name.endswith(".py")}
    if not modules:
        return files
    try:
        code = {str(name): str(text).encode() for name, text in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError):
        code = {}
    if code.keys() != modules:
        raise UserError(f"{path}: is missing or damaged; a run over the submission writes it anew")
    return files | code


def kept_text(files: Mapping[str, bytes], name: str) -> str:
    """A text among the files, as far as it is UTF-8; empty where it is missing."""
    return files.get(name, b"").decode("utf-8", "replace")


def keep_document_texts(results: Path, digest: str, texts: Mapping[str, str]) -> None:
    """Keep what could be read of a submission's documents, by file name."""
    write_atomically(place(results, digest, "json"), json.dumps(texts, ensure_ascii=False))


def document_texts(results: Path, digest: str) -> dict[str, str] | None:
    """What could be read of a submission's documents, by file name; None where nobody has tried."""
    try:
        found = json.loads(place(results, digest, "json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {str(name): str(text) for name, text in found.items()} if isinstance(found, dict) else None


def place(results: Path, digest: str, kind: str = "zip") -> Path:
    return results / "submissions" / f"{digest}.{kind}"
