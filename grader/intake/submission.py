"""Takes a submission in: a folder, zip, tar or git repository becomes a dictionary of files in memory.

Nothing is written to the disk, and nothing is believed: no name, no size, nor how much an archive unpacks to.
"""

import hashlib
import io
import lzma
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Self

from grader.intake import git_repositories
from grader.intake.reports import DOCUMENTS, HOLD_PICTURES, Reports, read_reports, suffix
from grader.intake.strict_yaml import StrictYamlError, load, load_texts
from grader.safe_text import normal, printable
from project.training.known_settings import without_editor_line

MAX_FILES = 200
MAX_FILE_BYTES = 2 * 10**6
MAX_TOTAL_BYTES = 10 * 10**6  # of all files but the documents
MAX_DOCUMENT_BYTES = 20 * 10**6  # of all documents; a notebook holds its pictures
MAX_LEFT_OUT = 5  # documents that are larger
MAX_ARCHIVE_BYTES = 2 * MAX_TOTAL_BYTES + MAX_DOCUMENT_BYTES  # of an archive, and of what a tar unpacks to
MAX_DEPTH = 6
# How much an archive may say of itself, for the time to read it may grow with the square of that.
MAX_NAMES = 10_000
MAX_NAME = 1000  # characters
MAX_PART = 255  # bytes of a file's or folder's name, which is all that Linux stores
MAX_EXTRA = 1000  # bytes of a field in a zip
MAX_HEADER = 4000  # bytes of an extended header in a tar
MAX_HEADERS = 100_000  # bytes of all of them
SINCE_1980 = 1980  # the year of what says no time in a zip
NO_DATA = "hand in no weights and no data"
ONE_NAME = "upper and lower case, and ways to compose letters, are not told apart"
NOT_PACKED = "neither a folder nor a zip or tar archive"
LONE_NOTEBOOK = "a notebook alone, neither a folder nor a zip or tar archive"
UNUSUAL = "is packed in an unusual way; pack it anew, as a zip"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
UNREAD = (".7z", ".alz", ".egg", ".rar", ".bz2", ".gz", ".xz", ".zst", ".zipx")  # archives that are not opened here
DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError),
    *(MemoryError, OverflowError, LookupError),
)
WRAPPER_MARK = "config.yaml"  # the folder that holds it is the submission
OF_WITHDRAWN = re.compile("withdrawn(-[0-9]+)?")  # ids of the ledger's own, of whoever has withdrawn
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
        too_large: Documents that are too large to be among the files.
        told: Whether where it was found tells whose it is, so that student.yaml need not.
        changed: When the newest file in an archive was changed, by the clock of who packed it, and, where that is known,
            with its time zone. None for a folder, also where an archive and documents lie in it, and where the archive does
            not say.
    """

    source: Path
    student: str
    name: str
    files: Mapping[str, bytes] = field(repr=False)
    unusable: str = ""
    too_large: tuple[str, ...] = ()
    told: bool = False
    changed: datetime | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of paths and contents: the same files give the same digest, however they were packed.

        Where editors find a schema, which is another place wherever the file lies, changes nothing.
        """
        digest = hashlib.sha256(self.unusable.encode())
        for path, content in sorted(self.files.items()):
            content = without_editor_line(content) if path == WRAPPER_MARK else content
            name = path.encode()
            digest.update(b"%d %d " % (len(name), len(content)) + name + content)
        return digest.hexdigest()

    @cached_property
    def config(self) -> Any:
        """What config.yaml says, plain data. Raises StrictYamlError."""
        return load(self.files.get("config.yaml", b""))

    @property
    def without_documents(self) -> Self:
        """What a training needs of it, which may have a long way to go."""
        return replace(self, files={name: text for name, text in self.files.items() if suffix(name) not in DOCUMENTS})

    @cached_property
    def reports(self) -> Reports:
        """Where its report and conclusion are."""
        return read_reports(self.files)

    @property
    def modules(self) -> dict[str, bytes]:
        """The student's own Python files, by file name."""
        return {path: content for path, content in self.files.items() if path.endswith(".py")}

    @property
    def tier(self) -> str:
        """`verified` where all code that runs is ours, `audited` where the student's own runs too."""
        return "audited" if self.modules else "verified"


def take_in(source: Path, packed: Path | None = None, student: str = "", name: str = "") -> Submission:
    """Read a submission. One that cannot be read comes back with `unusable` set, so that it gets a verdict too.

    Args:
        packed: What to read in place of `source`: the tar of a repository that only git can read.
        student, name: Whose it is, where that is known from elsewhere. Otherwise student.yaml says so.
    """
    try:
        files, too_large, changed = read_all(packed or source)
        files = unwrapped(files)
    except Unusable as error:
        return unusable(source, str(error), student, name)
    except DAMAGED as error:
        said = printable(str(error).partition("\n")[0]) or type(error).__name__
        return unusable(source, f"cannot be read: {said}", student, name)
    try:
        own_id, own_name = identity(files)
    except StrictYamlError:  # the checks say what is wrong with it
        own_id = own_name = ""
    else_id, else_name = named_by_source(source)
    student = student or safe_id(own_id) or else_id
    own_name = printable(own_name)
    name = name or own_name or else_name or student
    return Submission(source, student, name, files, too_large=too_large, changed=changed)


def digest_of(source: str) -> str:
    """The digest of a submission's files; empty where they cannot be read."""
    submission = take_in(Path(source))
    return "" if submission.unusable else submission.digest


def identity(files: Mapping[str, bytes]) -> tuple[str, str]:
    """The id and name in student.yaml, as they were written; empty where there is none. Raises StrictYamlError."""
    told = load_texts(files.get("student.yaml", b""))
    told = told if isinstance(told, dict) else {}
    own_id, own_name = (text.strip() if isinstance(text := told.get(key), str) else "" for key in ("id", "name"))
    return own_id, own_name


def unusable(source: Path, reason: str, student: str = "", name: str = "") -> Submission:
    """A submission that cannot be taken in."""
    else_id, else_name = named_by_source(source)
    student = student or else_id
    return Submission(source, student, name or else_name or student, {}, reason)


def named_by_source(source: Path) -> tuple[str, str]:
    """An id by where a submission was found, and the student's name if that is a folder's."""
    student, name = named_by_folder(os.path.basename(os.path.abspath(source))) if source.is_dir() else ("", "")
    stem = stem_of(source)
    return student or safe_id(stem) or named_by_folder(stem)[0] or "unnamed", name


def stem_of(source: Path) -> str:
    """What a file or folder is called, without what says of which kind a file is: `minji.kim` of `minji.kim.tar.gz`."""
    name = source.name
    kinds = () if source.is_dir() else (*ARCHIVES, *UNREAD, ".bundle", *DOCUMENTS)
    while kind := next((kind for kind in kinds if name.lower().endswith(kind)), ""):
        name = name[: -len(kind)]
    return name


def named_by_folder(name: str) -> tuple[str, str]:
    """Id and name of the student whom a folder's name in Hangul or another script tells; empty where it may be an id.

    Such a name is no id, so one is drawn from it, the same on every machine.
    """
    if not any(letter.isalnum() and not ascii_of(letter) for letter in name):
        return "", ""
    name = unicodedata.normalize("NFC", name)
    return "s-" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8], printable(name)


def ascii_of(letter: str) -> bytes:
    return unicodedata.normalize("NFKD", letter).encode("ascii", "ignore")


def safe_id(text: str) -> str:
    """Text as at most 64 lower-case ASCII letters, digits, hyphens and underscores; anything else becomes a hyphen.

    It is never the number of somebody who has withdrawn, nor one behind which a number makes that.
    """
    ascii_text = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    found = re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-_")[:64]
    return f"id-{found}"[:64] if OF_WITHDRAWN.fullmatch(found) else found


def read_all(source: Path) -> tuple[dict[str, bytes], tuple[str, ...], datetime | None]:
    """All files of a folder or archive, within the limits, the documents that are not, and when the newest was changed.

    Raises Unusable.
    """
    files: dict[str, bytes] = {}
    too_large: list[str] = []
    times: list[datetime] = []
    left = {True: MAX_DOCUMENT_BYTES, False: MAX_TOTAL_BYTES}  # bytes, of documents and of other files
    for name, read, changed in entries(source):
        times += [changed] if changed and changed.year > SINCE_1980 else []
        if len(name) > MAX_NAME:
            raise Unusable(f"{printable(name)!r}: a name of more than {MAX_NAME} characters")
        path = PurePosixPath(name)
        if is_ignored(path):
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
            raise Unusable(f"{printable(name)!r} points out of the submission")
        if not name.isprintable() or "\N{REPLACEMENT CHARACTER}" in name:
            raise Unusable(f"{printable(name)!r} has a name with characters that cannot be printed")
        if any(len(part.encode()) > MAX_PART for part in path.parts):
            raise Unusable(f"{printable(name)!r}: a file's or folder's name of more than {MAX_PART} bytes in UTF-8")
        if len(path.parts) > MAX_DEPTH:
            raise Unusable(f"{printable(name)!r} lies deeper than {MAX_DEPTH} folders")
        if alike(str(path)) in map(alike, files):
            raise Unusable(f"{printable(name)!r} is there twice ({ONE_NAME})")
        if len(files) == MAX_FILES:
            raise Unusable(f"more than {MAX_FILES} files")
        document = suffix(name) in HOLD_PICTURES
        content = read((left[True] if document else MAX_FILE_BYTES) + 1)  # whatever an archive says of the size
        if document and len(content) > left[True]:
            if len(too_large) == MAX_LEFT_OUT:
                raise Unusable(f"{printable(name)!r} is larger than {MAX_DOCUMENT_BYTES // 10**6} MB, as are others")
            too_large.append(path.name)
            continue
        files[str(path)] = content
        left[document] -= len(content)
        if not document and len(content) > MAX_FILE_BYTES:
            raise Unusable(f"{printable(name)!r} is larger than {MAX_FILE_BYTES // 10**6} MB; {NO_DATA}")
        if left[False] < 0:
            raise Unusable(f"larger than {MAX_TOTAL_BYTES // 10**6} MB; {NO_DATA}")
    return files, tuple(too_large), max(times, default=None)


def is_ignored(path: PurePosixPath) -> bool:
    """Whether a system has added it."""
    return any(part in IGNORED for part in path.parts) or path.name.startswith("._")


def unwrapped(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files without the folders around them: the shallowest config.yaml marks where the submission begins."""
    prefix = wrapper(files)
    return {path.removeprefix(prefix): content for path, content in files.items() if path.startswith(prefix)}


def wrapper(paths: Iterable[str]) -> str:
    """The folders around a submission, as its paths begin. Raises Unusable where two could be it."""
    marks = sorted(path for path in paths if PurePosixPath(path).name == WRAPPER_MARK)
    depth = min((path.count("/") for path in marks), default=0)
    mark, *others = [path for path in marks if path.count("/") == depth] or [""]
    if others:
        raise Unusable(f"{printable(mark)!r} and {printable(others[0])!r} lie equally deep; leave the one that counts")
    return mark.removesuffix(WRAPPER_MARK)


Entries = Iterator[tuple[str, Callable[[int], bytes], datetime | None]]  # name, read(limit), when it was changed


def entries(source: Path) -> Entries:
    """The files of a folder or archive. Raises Unusable for links and devices, and DAMAGED for what cannot be read."""
    if source.is_symlink():
        raise Unusable("is a link; hand in the files themselves")
    if git_repositories.has_files(source):
        if not (source / git_repositories.FOLDER).exists():
            raise Unusable(f"the repository has no {git_repositories.FOLDER}/ folder")
        return entries(source / git_repositories.FOLDER)
    if source.is_dir():
        archive, beside = archive_in(source)
        return with_documents(archive, beside) if archive else folder_entries(source)
    if not source.is_file() or not source.name.lower().endswith(ARCHIVES):
        unread = next((suffix for suffix in UNREAD if source.name.lower().endswith(suffix)), "")
        if unread:
            raise Unusable(f"a {unread} archive cannot be read here")
        raise Unusable(LONE_NOTEBOOK if source.suffix.lower() == ".ipynb" else NOT_PACKED)
    if source.stat().st_size > MAX_ARCHIVE_BYTES:
        raise Unusable(f"larger than {MAX_ARCHIVE_BYTES // 10**6} MB; {NO_DATA}")
    return zip_entries(source) if source.name.lower().endswith(".zip") else tar_entries(source)


def archive_in(folder: Path) -> tuple[Path | None, list[Path]]:
    """The archive in a folder that holds nothing else but documents, and these: some systems make a folder for each student.

    One that is not read here is it where it lies alone.
    """
    inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.name not in IGNORED]
    documents, others = list[Path](), list[Path]()
    for entry in inside:
        (documents if suffix(entry.name) in DOCUMENTS and not entry.is_dir() else others).append(entry)
    kinds = ARCHIVES if documents else (*ARCHIVES, *UNREAD)
    is_it = len(others) == 1 and others[0].name.lower().endswith(kinds) and not others[0].is_dir()
    return (others[0], documents) if is_it else (None, [])


def with_documents(archive: Path, documents: Sequence[Path]) -> Entries:
    """The files of an archive, and what lies beside it, too, unless it is the same as in the archive.

    With documents nothing tells when the newest file was changed: a date of what lies beside is the download's.

    Raises:
        Unusable: A document is another one in the archive, so that nobody knows which is meant.
    """
    names = []
    for name, read, changed in entries(archive):
        names += [path.as_posix()] if not is_ignored(path := PurePosixPath(name)) else []
        yield name, read, None if documents else changed
    if documents:
        around = wrapper(names)
        inside: dict[str, bytes] = {}
        beside = {alike(f"{around}{each.name}") for each in documents}
        for name, read, _ in entries(archive):
            if (place := alike(PurePosixPath(name).as_posix())) in beside:
                inside[place] = document_digest(read)
        for name, read, _ in folder_entries(archive.parent):
            if archive.parent / name in documents:
                if not (other := inside.get(alike(f"{around}{name}"))):
                    yield f"{around}{name}", read, None
                elif other != document_digest(read):
                    raise Unusable(f"{printable(name)!r} is there twice, in the archive and beside it; leave one")


def alike(path: str) -> str:
    """A path as it is compared with others: case and normal form make no other one."""
    return normal(path).lower()


def document_digest(read: Callable[[int], bytes]) -> bytes:
    return hashlib.sha256(read(MAX_DOCUMENT_BYTES + 1)).digest()


def folder_entries(folder: Path) -> Entries:
    def unread(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=unread):
        for name in sorted([*folders, *names]):
            path = Path(parent, name)
            relative, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise Unusable(f"{printable(relative)!r} is a link or a device; hand in plain files")
            yield relative, lambda limit: read_regular(path, limit), None


def read_regular(path: Path, limit: int) -> bytes:
    """Up to `limit` bytes of a regular file; a link that took its place meanwhile is not followed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        return file.read(limit)


def zip_entries(source: Path) -> Entries:
    content = source.read_bytes()
    for number, listed in enumerate(re.finditer(b"PK\1\2", content)):  # before zipfile looks at each of millions
        extra = content[listed.start() + 30 : listed.start() + 32]
        if number == MAX_NAMES or int.from_bytes(extra, "little") > MAX_EXTRA:
            raise Unusable(UNUSUAL)
    with opened_zip(content) as archive:
        packed = 0
        for info in archive.infolist():
            name = info.filename.replace("\\", "/")  # as some programs on Windows divide names
            if name.endswith("/"):
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise Unusable(f"{printable(info.filename)!r} is a link or a device; hand in plain files")
            if info.flag_bits & 1:
                raise Unusable("the zip is encrypted")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Unusable("the zip is compressed in an unusual way; zip it anew")
            packed += info.compress_size
            if packed > len(content):  # files that lie in each other
                raise Unusable(UNUSUAL)
            yield name, lambda limit: archive.open(info).read(limit), moment(datetime, *info.date_time)


def opened_zip(content: bytes) -> zipfile.ZipFile:
    """The zip; where it does not say how its names are encoded, in what all of them can be: what macOS writes, or Korean Windows."""
    for encoding in ("utf-8", "cp949"):
        with suppress(UnicodeDecodeError):
            return zipfile.ZipFile(io.BytesIO(content), metadata_encoding=encoding)
    return zipfile.ZipFile(io.BytesIO(content))


def tar_entries(source: Path) -> Entries:
    class Header(tarfile.TarInfo):
        """Extended headers must be short and few: until Python 3.11.10, reading one took the square of its length."""

        left = MAX_HEADERS

        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            header = super().frombuf(buf, encoding, errors)
            if not header.isreg():
                Header.left -= header.size
                if not 0 <= header.size <= MAX_HEADER or Header.left < 0:
                    raise Unusable(UNUSUAL)
            return header

    with tarfile.open(fileobj=io.BytesIO(unpacked(source)), mode="r:", tarinfo=Header) as archive:
        for info in archive:
            if info.size < 0 or info.issparse():  # the one would be read again without end, the other byte by byte
                raise Unusable(UNUSUAL)
            if info.isdir():
                continue
            if not info.isreg():
                raise Unusable(f"{printable(info.name)!r} is a link or a device; hand in plain files")
            file = archive.extractfile(info)
            assert file is not None
            yield info.name.removeprefix("./"), file.read, moment(datetime.fromtimestamp, info.mtime, UTC)


def moment(make: Callable[..., datetime], *arguments: Any) -> datetime | None:
    """A time as an archive says it; None where no calendar has it."""
    try:
        return make(*arguments)
    except (ValueError, OverflowError, OSError):
        return None


def unpacked(source: Path) -> bytes:
    """A tar's bytes, decompressed. Raises Unusable before they become too many, whatever the archive says of itself."""
    name, packed = source.name.lower(), source.read_bytes()
    if not name.endswith((".gz", ".tgz", ".xz", ".txz")):
        return packed
    decompressor = zlib.decompressobj(wbits=31) if name.endswith("gz") else lzma.LZMADecompressor(memlimit=2**28)
    content = decompressor.decompress(packed, MAX_ARCHIVE_BYTES + 1)
    if len(content) > MAX_ARCHIVE_BYTES:
        raise Unusable(f"unpacks to more than {MAX_ARCHIVE_BYTES // 10**6} MB; {NO_DATA}")
    if not decompressor.eof:
        raise EOFError("it ends too early")
    return content
