"""What was handed in, kept beside the results that it got: one zip for each digest, never unpacked."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path


class Kept(Mapping[str, bytes]):
    """The files of a submission by their names, read anew at each look; empty where none were kept."""

    def __init__(self, results: Path, digest: str):
        self.archive = place(results, digest)

    def __getitem__(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(self.archive) as packed:
                return packed.read(name)
        except FileNotFoundError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        try:
            with zipfile.ZipFile(self.archive) as packed:
                return iter(packed.namelist())
        except FileNotFoundError:
            return iter(())

    def __len__(self) -> int:
        return sum(1 for _ in self)


def keep(results: Path, digest: str, files: Mapping[str, bytes]) -> Kept:
    """Keep a submission's files, unless they are kept already."""
    archive = place(results, digest)
    if not archive.exists() or not zipfile.is_zipfile(archive):  # a power cut may have left half of it
        archive.parent.mkdir(exist_ok=True)
        temporary = archive.with_suffix(".tmp")
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in sorted(files):
                info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                packed.writestr(info, files[name], zipfile.ZIP_DEFLATED)
        temporary.replace(archive)
    return Kept(results, digest)


def kept(results: Path, digest: str) -> dict[str, bytes]:
    """All files of a submission at once."""
    return dict(Kept(results, digest))


def kept_text(files: Mapping[str, bytes], name: str) -> str:
    """A text among the files, as far as it is UTF-8; empty where it is missing."""
    return files.get(name, b"").decode("utf-8", "replace")


def place(results: Path, digest: str) -> Path:
    return results / "submissions" / f"{digest}.zip"
