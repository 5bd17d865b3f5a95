"""The file system of its own that a program in a sandbox writes to: in memory, limited by the kernel, and gone afterwards.

So whatever takes room counts: files without a name, what was set aside, what is only mapped. The grader holds it by a
descriptor of its folder, which outlives the program's walls, and copies what is to be kept once nothing runs any more.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from grader.sandbox.resource_limits import ResourceLimits

PAGE, CHUNK = 4096, 1 << 20
PRIVATE = {"/tmp": 2 * 10**9, "/dev/shm": 10**9}  # places of a program's own, and their bytes
PRIVATE_FILES = 20_000  # in each of them: an inode without a byte takes a kilobyte of the kernel's memory
LONGEST = 1000  # bytes of the path of a file that is copied: ours have a hundred
DEEPEST = 20  # folders within one another: ours have three
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
OURS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what fails where the copy is written


class Size(NamedTuple):
    """What a program's file system holds: a little more than it may write, so that a full one is beyond the limit."""

    bytes: int
    inodes: int


def size_for(limits: ResourceLimits) -> Size:
    return Size(limits.output_bytes + PAGE, limits.output_files + 2)  # one is the folder itself


class Disk:
    """A program's file system.

    Args:
        descriptor: Of its folder; `close` closes it, and with it goes what is left there.
    """

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def used(self) -> tuple[int, int]:
        """Bytes, and number of files and folders."""
        told = os.fstatvfs(self.descriptor)
        return (told.f_blocks - told.f_bfree) * told.f_frsize, told.f_files - told.f_ffree - 1

    def copy(self, target: Path, limits: ResourceLimits) -> bool:
        """Copy its files into a folder, up to the limits; False where there are more, or deeper ones.

        Only regular files and folders are copied, and no link is followed. Each name of a file counts, since it becomes a
        file of its own. Raises OSError where the disk of the target is full or failing.
        """
        try:
            copy_folder(self.descriptor, Path(), target, Left(limits.output_bytes, limits.output_files))
        except TooMuch:
            return False
        return True

    def close(self) -> None:
        os.close(self.descriptor)


@dataclass
class Left:
    """What may still be copied."""

    bytes: int
    entries: int

    def take(self, bytes: int = 0, entries: int = 0) -> None:
        """Raises TooMuch where that is more than there is."""
        self.bytes -= bytes
        self.entries -= entries
        if self.bytes < 0 or self.entries < 0:
            raise TooMuch


class TooMuch(Exception):
    """More than may be copied."""


def copy_folder(folder: int, inside: Path, target: Path, left: Left) -> None:
    """Copy what is in an open folder.

    Each folder is opened once, from the one above it: the work does not grow with the depth, and no link leads out.

    Args:
        inside: Its path within what is copied.
        target: Where all is copied to.
    """
    with os.scandir(folder) as found:
        entries = sorted(islice(found, left.entries + 1), key=lambda entry: entry.name)
    for entry in entries:
        left.take(entries=1)
        path = inside / entry.name
        if len(os.fsencode(path)) > LONGEST:
            continue
        try:
            if not entry.is_dir(follow_symlinks=False):
                with opened(entry.name, FILE, folder) as file:
                    left.take(copy_file(file, target / path, left.bytes))
            elif len(path.parts) > DEEPEST:
                raise TooMuch
            else:
                (target / path).mkdir(exist_ok=True)
                with opened(entry.name, FOLDER, folder) as inner:
                    copy_folder(inner, path, target, left)
        except OSError as error:  # such as a file that nobody may read
            if error.errno in OURS:
                raise


def copy_file(descriptor: int, target: Path, most: int) -> int:
    """Copy a regular file, or so many bytes and one more. Returns the bytes; none for anything else, such as a pipe."""
    copied = 0
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with open(target, "wb") as file:
            while copied <= most and (chunk := os.read(descriptor, min(CHUNK, most + 1 - copied))):
                copied += file.write(chunk)
    return copied


@contextmanager
def opened(name: str, how: int, folder: int) -> Iterator[int]:
    """Open a file or folder in an open folder."""
    descriptor = os.open(name, how, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
