"""Archives and folders that are not what they seem."""

import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hostile.cases import DEMANDING, Case


def zipped(add: Callable[[zipfile.ZipFile], None], before: Callable[[bytes], bytes] = bytes) -> Callable[[Path], Path]:
    """A source: the submission as a zip, with something added, and its bytes changed in the end."""

    def source(folder: Path) -> Path:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
            add(archive)
        target = folder.with_suffix(".zip")
        target.write_bytes(before(buffer.getvalue()))
        return target

    return source


def twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.yaml", "x: 1")


def tarred(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w", suffix: str = ".tar") -> Callable[[Path], Path]:
    """A source: the submission as a tar, with members added."""

    def source(folder: Path) -> Path:
        target = folder.with_suffix(suffix)
        with tarfile.open(target, mode) as archive:
            archive.add(folder, ".")
            for info, content in members:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return target

    return source


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def lying_header(content: bytes) -> bytes:
    """The size of each member as 10 bytes, in the zip's list of contents."""
    start = content.index(b"PK\x01\x02")
    changed = bytearray(content)
    while (place := changed.find(b"PK\x01\x02", start)) >= 0:
        changed[place + 24 : place + 28] = struct.pack("<I", 10)
        start = place + 4
    return bytes(changed)


def encrypted(content: bytes) -> bytes:
    changed = bytearray(content)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := changed.find(mark, place + 1)) >= 0:
            changed[place + offset] |= 1
    return bytes(changed)


def in_folder(make: Callable[[Path], None]) -> Callable[[Path], Path]:
    def source(folder: Path) -> Path:
        make(folder)
        return folder

    return source


def neighbour(folder: Path) -> None:
    other = folder.parent.parent / "neighbour"
    other.mkdir()
    (other / "mine.py").write_text("secret = 1\n")
    (folder / "mine.py").symlink_to(other / "mine.py")


def wrapped(folder: Path) -> Path:
    target = folder.with_suffix(".tar.gz")
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, "assignment 3/final (2)/submission")
    return target


def nested(folder: Path) -> Path:
    inner = zipped(lambda archive: None)(folder)
    target = folder.parent / "outer.zip"
    with zipfile.ZipFile(target, "w") as archive:
        archive.write(inner, "inner.zip")
    return target


CASES = [
    Case("../ in a zip", "rejected", "points out", source=zipped(lambda z: z.writestr("../evil.py", "x = 1"))),
    Case("an absolute member of a zip", "rejected", "points out", source=zipped(lambda z: z.writestr("/etc/x.py", ""))),
    Case("../ in a tar", "rejected", "points out", source=tarred((member("../../evil.py"), b"x = 1"))),
    Case("backslashes for folders", "rejected", "points out", source=zipped(lambda z: z.writestr("..\\evil.py", ""))),
    Case(
        "a link to a host's file in a tar",
        "rejected",
        "a link or a device",
        source=tarred((member("a.py", tarfile.SYMTYPE, "/etc/passwd"), b"")),
    ),
    Case(
        "a hard link in a tar",
        "rejected",
        "a link or a device",
        source=tarred((member("a.py", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    ),
    Case("a link to a neighbour's file", "rejected", "a link or a device", source=in_folder(neighbour)),
    Case(
        "a FIFO in a folder",
        "rejected",
        "a link or a device",
        source=in_folder(lambda folder: os.mkfifo(folder / "mine.py")),
    ),
    Case("a FIFO in a tar", "rejected", "a link or a device", source=tarred((member("a", tarfile.FIFOTYPE), b""))),
    Case("a device in a tar", "rejected", "a link or a device", source=tarred((member("a", tarfile.CHRTYPE), b""))),
    Case("a zip bomb", "rejected", "larger than", source=zipped(lambda z: z.writestr("data.py", bytes(10**8)))),
    Case(
        "a zip bomb that lies about its size",
        "rejected",
        "",
        source=zipped(lambda z: z.writestr("data.py", bytes(10**8)), lying_header),
    ),
    Case(
        "a tar that unpacks to 200 MB",
        "rejected",
        "unpacks to more than",
        source=tarred((member("a.py"), bytes(2 * 10**8)), mode="w:gz", suffix=".tar.gz"),
    ),
    Case(
        "a million tiny files (scaled: 5,000)",
        "rejected",
        "more than 200 files",
        source=zipped(lambda z: [z.writestr(f"{number}.py", "") for number in range(5000)] and None),
    ),
    Case(
        "folders in each other, 60 deep",
        "rejected",
        "deeper than",
        source=zipped(lambda z: z.writestr("a/" * 60 + "x.py", "")),
    ),
    Case("a name twice", "rejected", "there twice", source=zipped(twice)),
    Case(
        "names that differ in case", "rejected", "there twice", source=zipped(lambda z: z.writestr("Config.YAML", ""))
    ),
    Case("an archive in an archive", "rejected", "is missing", source=nested),
    Case("an encrypted zip", "rejected", "encrypted", source=zipped(lambda z: None, encrypted)),
    Case(
        "a truncated zip", "rejected", "cannot be read", source=zipped(lambda z: None, lambda content: content[:-200])
    ),
    Case(
        "a truncated tar.gz",
        "rejected",
        "cannot be read",
        source=lambda folder: cut(tarred(mode="w:gz", suffix=".tar.gz")(folder)),
    ),
    Case(
        "a terminal's control codes in a name",
        "rejected",
        "cannot be printed",
        source=zipped(lambda z: z.writestr("a\x1b[2J.py", "")),
    ),
    Case(
        "a name from right to left",
        "rejected",
        "cannot be printed",
        source=zipped(lambda z: z.writestr("a\u202eyp.exe", "")),
    ),
    Case(
        "a name that is no UTF-8",
        "rejected",
        "cannot be printed",
        source=in_folder(lambda folder: open(os.fsencode(folder) + b"/\xff.py", "w").close()),
    ),
    Case("no configuration", "rejected", "config.yaml: is missing", files={"config.yaml": None}),
    Case(
        "no report where it is demanded",
        "rejected",
        "REPORT.md: is missing",
        files={"REPORT.md": None},
        rules=DEMANDING,
    ),
    Case("an empty archive", "rejected", "is missing", source=lambda folder: empty(folder)),
]
HONEST = [Case("control: a wrapper folder in a tar.gz", "passed", source=wrapped)]


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-100])
    return path


def empty(folder: Path) -> Path:
    target = folder.with_suffix(".zip")
    zipfile.ZipFile(target, "w").close()
    return target
