"""What was handed in, kept beside the results that it got: one zip for each digest, never unpacked."""

import zipfile
from pathlib import Path


def keep(results: Path, digest: str, files: dict[str, bytes]) -> None:
    """Keep a submission's files, unless they are kept already."""
    archive = place(results, digest)
    if archive.exists():
        return
    archive.parent.mkdir(exist_ok=True)
    temporary = archive.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            packed.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    temporary.replace(archive)


def kept(results: Path, digest: str) -> dict[str, bytes]:
    """The files of a submission by their names; empty where none were kept."""
    try:
        with zipfile.ZipFile(place(results, digest)) as packed:
            return {name: packed.read(name) for name in packed.namelist()}
    except FileNotFoundError:
        return {}


def kept_text(files: dict[str, bytes], name: str) -> str:
    """A text among the files, as far as it is UTF-8; empty where it is missing."""
    return files.get(name, b"").decode("utf-8", "replace")


def place(results: Path, digest: str) -> Path:
    return results / "submissions" / f"{digest}.zip"
