"""What was handed in, kept beside the results that it got: one zip for each digest, never unpacked."""

import zipfile
from collections.abc import Mapping
from pathlib import Path


def keep(results: Path, digest: str, files: Mapping[str, bytes]) -> None:
    """Keep a submission's files, unless they are kept already."""
    archive = place(results, digest)
    if archive.exists() and zipfile.is_zipfile(archive):  # a power cut may have left half of it
        return
    archive.parent.mkdir(exist_ok=True)
    temporary = archive.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
    temporary.replace(archive)


def kept(results: Path, digest: str) -> dict[str, bytes]:
    """All files of a submission at once, by name; empty where none were kept."""
    try:
        with zipfile.ZipFile(place(results, digest)) as packed:
            return {name: packed.read(name) for name in packed.namelist()}
    except FileNotFoundError:
        return {}


def kept_text(files: Mapping[str, bytes], name: str) -> str:
    """A text among the files, as far as it is UTF-8; empty where it is missing."""
    return files.get(name, b"").decode("utf-8", "replace")


def place(results: Path, digest: str) -> Path:
    return results / "submissions" / f"{digest}.zip"
