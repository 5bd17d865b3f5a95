"""What was handed in, kept beside the results that it got: one zip for each digest, never unpacked."""

import zipfile
from collections.abc import ItemsView, Iterator, Mapping
from pathlib import Path


class Kept(Mapping[str, bytes]):
    """The files of a submission by their names, not in memory; empty where none were kept.

    Each look reads the archive: whoever needs more than one file takes them all, by `read`.
    """

    def __init__(self, results: Path, digest: str):
        self.archive = place(results, digest)

    def read(self) -> dict[str, bytes]:
        try:
            with zipfile.ZipFile(self.archive) as packed:
                return {name: packed.read(name) for name in packed.namelist()}
        except FileNotFoundError:
            return {}

    def items(self) -> ItemsView[str, bytes]:
        return self.read().items()

    def __getitem__(self, name: str) -> bytes:
        return self.read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.read())

    def __len__(self) -> int:
        return len(self.read())


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
    return Kept(results, digest).read()


def kept_text(files: Mapping[str, bytes], name: str) -> str:
    """A text among the files, as far as it is UTF-8; empty where it is missing."""
    return files.get(name, b"").decode("utf-8", "replace")


def place(results: Path, digest: str) -> Path:
    return results / "submissions" / f"{digest}.zip"
