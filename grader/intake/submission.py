"""Takes a submission in: a folder, zip or tar becomes a dictionary of files in memory. Nothing touches the disk."""

import hashlib
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from grader.intake.strict_yaml import StrictYamlError, load

MAX_FILES = 200
MAX_FILE_BYTES = 2 * 10**6
MAX_TOTAL_BYTES = 10 * 10**6
MAX_DEPTH = 6
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError, ValueError)
WRAPPER_MARK = "config.yaml"  # the folder that holds it is the submission
IGNORED = ("__MACOSX", "__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini")


class Unusable(Exception):
    """A submission that cannot be taken in; the message is the reason, in one line."""


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    Attributes:
        source: Where it was found.
        student: An id that is safe as a file name: a-z, 0-9, hyphen and underscore, 1 to 64 characters.
        name: The student's name as given, without control characters.
        files: Contents by relative path.
        unusable: Why it could not be taken in, if so.
    """

    source: Path
    student: str
    name: str
    files: dict[str, bytes] = field(repr=False)
    unusable: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of paths and contents: the same files give the same digest, however they were packed."""
        digest = hashlib.sha256(self.unusable.encode())
        for path in sorted(self.files):
            name, content = path.encode(), self.files[path]
            digest.update(b"%d %d " % (len(name), len(content)) + name + content)
        return digest.hexdigest()

    @property
    def modules(self) -> dict[str, bytes]:
        """The student's own Python files, by file name."""
        return {path: content for path, content in self.files.items() if path.endswith(".py")}

    @property
    def tier(self) -> str:
        """`verified` where all code that runs is ours, `audited` where the student's own runs too."""
        return "audited" if self.modules else "verified"


def find_submissions(folder: Path) -> list[Path]:
    """The submissions in a folder: the folders and archives in it, or itself where it is one."""
    if not folder.is_dir() or (folder / WRAPPER_MARK).exists():
        return [folder]
    found = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    return [entry for entry in found if entry.is_dir() or entry.name.lower().endswith(ARCHIVES)]


def take_in(source: Path) -> Submission:
    """Read a submission. One that cannot be read comes back with `unusable` set, so that it gets a verdict too."""
    fallback = safe_id(source.name.split(".")[0]) or "unnamed"
    try:
        files = unwrapped(read_all(source))
    except Unusable as error:
        return Submission(source, fallback, fallback, {}, str(error))
    except DAMAGED as error:
        said = printable(str(error).partition("\n")[0]) or type(error).__name__
        return Submission(source, fallback, fallback, {}, f"cannot be read: {said}")
    try:
        identity = load(files.get("student.yaml", b""))
        student, name = str(identity["id"]), str(identity["name"])
    except (StrictYamlError, KeyError, TypeError):
        return Submission(source, fallback, fallback, files)  # what is wrong with student.yaml, the checks say
    return Submission(source, safe_id(student) or fallback, printable(name) or student, files)


def safe_id(text: str) -> str:
    """Lower-case ASCII letters, digits, hyphens and underscores; what else there is becomes a hyphen."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-_")[:64]


def printable(text: str, length: int = 80) -> str:
    """Text without control and formatting characters (which can hide or reverse what follows), on one line."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return " ".join(kept.split())[:length]


def read_all(source: Path) -> dict[str, bytes]:
    """All files of a folder or archive, within the limits. Raises Unusable."""
    files: dict[str, bytes] = {}
    folded: set[str] = set()
    total = 0
    for name, size, read in entries(source):
        path = PurePosixPath(name)
        if any(part in IGNORED for part in path.parts) or path.name.startswith("._"):
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
            raise Unusable(f"{printable(name)!r} points out of the submission")
        if len(path.parts) > MAX_DEPTH:
            raise Unusable(f"{printable(name)!r} lies deeper than {MAX_DEPTH} folders")
        if str(path).lower() in folded:
            raise Unusable(f"{printable(name)!r} is there twice (upper and lower case are not told apart)")
        if len(files) == MAX_FILES:
            raise Unusable(f"more than {MAX_FILES} files")
        # What an archive says of a size may be a lie: read no more than that, and see whether there is more.
        content = read(MAX_FILE_BYTES + 1) if size <= MAX_FILE_BYTES else b""
        total += len(content)
        if size > MAX_FILE_BYTES or len(content) > MAX_FILE_BYTES:
            raise Unusable(
                f"{printable(name)!r} is larger than {MAX_FILE_BYTES // 10**6} MB; hand in no weights and no data"
            )
        if total > MAX_TOTAL_BYTES:
            raise Unusable(f"larger than {MAX_TOTAL_BYTES // 10**6} MB; hand in no weights and no data")
        folded.add(str(path).lower())
        files[str(path)] = content
    return files


def unwrapped(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files without the folders around them: the shallowest config.yaml marks where the submission begins."""
    marks = sorted((p for p in files if PurePosixPath(p).name == WRAPPER_MARK), key=lambda p: p.count("/"))
    if not marks:
        return files
    prefix = marks[0].removesuffix(WRAPPER_MARK)
    return {path.removeprefix(prefix): content for path, content in files.items() if path.startswith(prefix)}


Entries = Iterator[tuple[str, int, Callable[[int], bytes]]]  # name, claimed size, read(limit)


def entries(source: Path) -> Entries:
    """The files of a folder or archive. Raises Unusable for links and devices, and DAMAGED for what cannot be read."""
    if source.is_symlink():
        raise Unusable("is a link; hand in the files themselves")
    if source.is_dir():
        return folder_entries(source)
    if source.name.lower().endswith(".zip"):
        return zip_entries(source)
    if source.name.lower().endswith(ARCHIVES):
        return tar_entries(source)
    raise Unusable("neither a folder nor a zip or tar archive")


def folder_entries(folder: Path) -> Entries:
    for parent, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(parent, name)
            relative, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise Unusable(f"{printable(relative)!r} is a link or a device; hand in plain files")
            yield relative, path.lstat().st_size, lambda limit: read_regular(path, limit)


def read_regular(path: Path, limit: int) -> bytes:
    """Up to `limit` bytes of a regular file; a link that took its place meanwhile is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit)


def zip_entries(source: Path) -> Entries:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise Unusable(f"{printable(info.filename)!r} is a link or a device; hand in plain files")
            if info.flag_bits & 1:
                raise Unusable("the zip is encrypted")
            yield info.filename, info.file_size, lambda limit: archive.open(info).read(limit)


def tar_entries(source: Path) -> Entries:
    with tarfile.open(source) as archive:
        for count, info in enumerate(archive):
            if count > 10 * MAX_FILES:
                raise Unusable(f"more than {MAX_FILES} files")
            if info.isdir():
                continue
            if not info.isreg():
                raise Unusable(f"{printable(info.name)!r} is a link or a device; hand in plain files")
            yield info.name.removeprefix("./"), info.size, lambda limit: archive.extractfile(info).read(limit)
