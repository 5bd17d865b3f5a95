"""The file system of its own that a program in a sandbox writes to: in memory, limited by the kernel, and gone afterwards.

So whatever takes room counts: files without a name, what was set aside, what is only mapped. The grader holds it by a
descriptor of its folder, which outlives the program's walls, and copies what is to be kept once nothing runs any more.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from grader.sandbox.resource_limits import ResourceLimits

PAGE, CHUNK = 4096, 1 << 20
LONGEST = 1000  # bytes of the path of a file that is copied: ours have a hundred
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
        """Copy its files into a folder, up to the limits; False where there are more.

        Only regular files and folders are copied, and no link is followed. Each name of a file counts, since it becomes a
        file of its own. Raises OSError where the disk of the target is full or failing.
        """
        bytes_left, entries_left = limits.output_bytes, limits.output_files
        pending = [Path()]
        while pending:
            folder = pending.pop()
            for name in self.names(folder):
                path = folder / name
                entries_left -= 1
                if entries_left < 0:
                    return False
                if len(os.fsencode(path)) > LONGEST:
                    continue
                try:
                    if self.is_folder(path):
                        (target / path).mkdir(exist_ok=True)
                        pending.append(path)
                    else:
                        bytes_left -= self.copy_file(path, target / path, bytes_left)
                except OSError as error:  # such as a file that nobody may read
                    if error.errno in OURS:
                        raise
                if bytes_left < 0:
                    return False
        return True

    def names(self, folder: Path) -> list[str]:
        """What is in a folder; nothing where nobody may look."""
        try:
            with self.opened(folder, FOLDER) as descriptor:
                return sorted(os.listdir(descriptor))
        except PermissionError:
            return []

    def is_folder(self, path: Path) -> bool:
        with self.opened(path.parent, FOLDER) as parent:
            return stat.S_ISDIR(os.stat(path.name, dir_fd=parent, follow_symlinks=False).st_mode)

    def copy_file(self, path: Path, target: Path, most: int) -> int:
        """Copy a regular file, or so many bytes and one more. Returns the bytes; none for anything else, such as a pipe."""
        copied = 0
        with self.opened(path, FILE) as descriptor:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                with open(target, "wb") as file:
                    while copied <= most and (chunk := os.read(descriptor, min(CHUNK, most + 1 - copied))):
                        copied += file.write(chunk)
        return copied

    @contextmanager
    def opened(self, path: Path, how: int) -> Iterator[int]:
        """Open a file or folder of it, from one folder to the next, so that no link leads out of it."""
        descriptor = os.dup(self.descriptor)
        try:
            for number, name in enumerate(path.parts, start=1):
                inner = os.open(name, how if number == len(path.parts) else FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def close(self) -> None:
        os.close(self.descriptor)
