"""A results folder in one file: copied while others write, and brought back whole or not at all.

The file is a tar without compression. Folders come before what is in them; the last member lists the SHA-256 of every file, by
which a file that was cut off or damaged is told. It holds the key, the labels and whatever students handed in, so that only its
owner may read it.
"""

import hashlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

from grader.ledger.results_folder import LEDGER, SECRET, mendable, no_results, pages_locked
from grader.ledger.rounds import PRACTICE
from grader.ledger.schema import PUT_BACK, stored_version
from grader.safe_text import printable
from project.support.errors import UserError
from project.support.files import open_atomically, output

LIST = ".backup.json"  # the last member; no other name begins with a dot
FORM = 1  # of the list
BESIDE_A_LEDGER = [f"{LEDGER}-{name}" for name in ("journal", "wal", "shm")]  # SQLite's, of what is being written
MOST_OF_A_LIST = 10**9  # bytes
CHUNK = 2**20
# What tarfile and json raise of a damaged file.
DAMAGE = (tarfile.TarError, EOFError, ValueError, LookupError, RecursionError, OverflowError, MemoryError)


class Copied(NamedTuple):
    """What a backup holds.

    Attributes:
        files: How many.
        links: Paths that were left out, since they are links.
    """

    files: int
    links: list[Path]


def rounds_in(results: Path) -> list[Path]:
    """The folders in it that have a ledger: its own, and that of practice."""
    return [folder for folder in (results, results / PRACTICE) if (folder / LEDGER).is_file()]


def back_up(results: Path, archive: Path, derived: Collection[str]) -> Copied:
    """Write a results folder, both rounds of it, into one file; until that is complete, the old one stays.

    Others may go on grading and reading meanwhile: the ledger is copied first and as it is at one moment, and the files that it tells
    of are there by then. Only who publishes or withdraws waits. The ledger is not migrated. Left out are names with a dot in
    front, which are locks and files that somebody is at writing, and links.

    Args:
        derived: Names in a round's folder of what is made of the rest anew.

    Raises:
        UserError: There are no results, a ledger is damaged or without its key, or something cannot be read or written.
    """
    if not (rounds := rounds_in(results)):
        raise no_results(results)
    if archive.resolve().is_relative_to(results.resolve()):
        raise UserError(f"--out {archive}: lies in {results}, where it is lost with the rest; take another folder")
    for each in rounds:
        if not (each / SECRET).is_file():
            raise UserError(f"{each}: secret.json is gone, which splits and trainings were drawn from; {PUT_BACK}")
    sums, links = dict[str, str](), list[Path]()
    left_out = {each / name for each in rounds for name in (*derived, *BESIDE_A_LEDGER)}
    with ExitStack() as held:
        for each in rounds:  # nobody is erased between a ledger's copy and that of the files
            held.enter_context(mendable(each))
            held.enter_context(pages_locked(each))
        ledgers = {each / LEDGER: snapshot(each / LEDGER) for each in rounds}
        with (
            output("--out", archive),
            open_atomically(archive, 0o600) as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as packed,
        ):
            for path, about in paths_in(results, left_out):
                name = path.relative_to(results).as_posix()
                if stat.S_ISLNK(about.st_mode):
                    links.append(path)
                elif stat.S_ISDIR(about.st_mode):
                    packed.addfile(header(name, about, tarfile.DIRTYPE))
                elif path in ledgers:
                    sums[name] = add(packed, header(name, about), io.BytesIO(ledgers[path]), len(ledgers[path]))
                elif stat.S_ISREG(about.st_mode) and (digest := add_file(packed, name, path)):
                    sums[name] = digest
            said = json.dumps({"form": FORM, "sha256": sums}).encode()
            add(packed, tarfile.TarInfo(LIST), io.BytesIO(said), len(said))
    return Copied(len(sums), links)


def snapshot(path: Path) -> bytes:
    """A ledger as it is at one moment, in the version in which it is stored. Raises UserError where it is damaged, or no ledger."""
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as ledger,
        closing(sqlite3.connect(":memory:")) as copy,
    ):
        ledger.backup(copy)
        if stored_version(copy, path) is None or copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise UserError(f"{path}: is damaged; {PUT_BACK}")
        return copy.serialize()


def paths_in(folder: Path, left_out: Collection[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """All below a folder, each folder before what is in it.

    In reverse order of names: of what the grader writes in two places, `withheld` comes last and says that `data` is complete, so
    it has to be read first.
    """
    try:
        found = sorted(folder.iterdir(), reverse=True)
    except FileNotFoundError:  # somebody has just removed it
        return
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    for path in found:
        if path.name.startswith(".") or path in left_out:
            continue
        try:
            about = path.lstat()
        except FileNotFoundError:
            continue
        yield path, about
        if stat.S_ISDIR(about.st_mode):
            yield from paths_in(path, left_out)


def header(name: str, about: os.stat_result, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """What the archive says of a file or folder: neither its owner nor more of its rights than reading, writing, executing."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, about.st_mode & 0o777, int(about.st_mtime)
    return info


class Summed:
    """A file that is read once, and the SHA-256 of what was read."""

    def __init__(self, file: BinaryIO):
        self.file, self.sum, self.count = file, hashlib.sha256(), 0

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.sum.update(content)
        self.count += len(content)
        return content


def add(packed: tarfile.TarFile, info: tarfile.TarInfo, file: BinaryIO, size: int) -> str:
    """Add so many bytes of a file. Returns their SHA-256. Raises UserError where it has become shorter."""
    summed, info.size = Summed(file), size
    try:
        packed.addfile(info, summed)  # type: ignore[arg-type]  # it is read, and no more
    except OSError:
        if summed.count < size:
            raise UserError(f"{printable(info.name)}: changed while it was copied; call `backup` again") from None
        raise
    return summed.sum.hexdigest()


def add_file(packed: tarfile.TarFile, name: str, path: Path) -> str | None:
    """Add a file as long as it is now. Returns its SHA-256; None where somebody has just removed it."""
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    with file:
        about = os.fstat(file.fileno())
        return add(packed, header(name, about), file, about.st_size)


def bring_back(archive: Path, results: Path) -> int:
    """Make a results folder of what `back_up` wrote. Returns how many files it has; after any error there is none.

    Raises:
        UserError: The file is no backup, or a damaged one; the folder is there already, or cannot be written.
    """
    if os.path.lexists(results):
        raise UserError(f"--out {results}: is there already; move it away, or take another folder")
    try:
        file = open(archive, "rb")
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror})") from None
    with (
        file,
        output("--out", results),
        tempfile.TemporaryDirectory(prefix=f".{results.name}-", dir=results.parent) as beside,
    ):
        folder = Path(beside) / results.name
        folder.mkdir()
        try:
            with tarfile.open(fileobj=file, mode="r:") as packed:
                count = unpack(packed, folder)
        except DAMAGE as error:
            said = printable(" ".join(str(error).split()), 100)
            raise UserError(f"{archive}: is no backup, or a damaged one ({said}); take another copy") from None
        folder.rename(results)
    return count


def unpack(packed: tarfile.TarFile, folder: Path) -> int:
    """Write all members into an empty folder. Raises one of DAMAGE where they are not what `back_up` wrote."""
    folders, found, listed = {""}, dict[str, str](), None
    for member in packed:
        name, parent = member.name, member.name.rpartition("/")[0]
        if listed is not None:
            raise ValueError(f"{name} comes after the end")
        if name == LIST and member.size <= MOST_OF_A_LIST:
            listed = read_list(content_of(packed, member).read())
            continue
        parts = name.split("/")
        strange = any(not part or part.startswith(".") or part in BESIDE_A_LEDGER or "\0" in part for part in parts)
        if strange or parent not in folders:
            raise ValueError(f"{name} is no path of a backup")
        if member.size < 0 or name in found or name in folders:
            raise ValueError(f"{name} is there twice")
        if member.type == tarfile.DIRTYPE:
            (folder / name).mkdir()
            (folder / name).chmod(0o700 | member.mode & 0o777)
            folders.add(name)
        elif member.type == tarfile.REGTYPE and not member.issparse():
            found[name] = write(content_of(packed, member), folder / name, member.mode & 0o777)
        else:
            raise ValueError(f"{name} is neither a file nor a folder")
    if listed is None:
        raise EOFError("its end is missing")
    if listed != found:
        odd = min(name for name, _ in listed.items() ^ found.items())
        raise ValueError(f"{odd} is not as it was written")
    if not any({f"{place}{LEDGER}", f"{place}{SECRET}"} <= found.keys() for place in ("", f"{PRACTICE}/")):
        raise LookupError("it has no ledger with its key")
    return len(found)


def read_list(content: bytes) -> dict[str, str]:
    """SHA-256 by path, as the last member lists them. Raises ValueError or LookupError where it lists none."""
    said = json.loads(content)
    if not isinstance(said, dict) or not isinstance(said.get("sha256"), dict):
        raise ValueError("its list of files is none")
    if said["form"] != FORM:
        raise ValueError("a newer version of the grader wrote it")
    return {str(name): str(sha256) for name, sha256 in said["sha256"].items()}


def content_of(packed: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    file = packed.extractfile(member)
    if file is None:
        raise ValueError(f"{member.name} is no file")
    return file  # type: ignore[return-value]  # which reads bytes


def write(source: BinaryIO, path: Path, mode: int) -> str:
    """Write a new file with these rights. Returns its SHA-256."""
    summed = Summed(source)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while content := summed.read(CHUNK):
            file.write(content)
        os.fchmod(file.fileno(), mode)
    return summed.sum.hexdigest()
