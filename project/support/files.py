"""Writing files so that nobody ever finds half of one."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from project.support.errors import UserError


@contextmanager
def open_atomically(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write: an error, a kill or a power cut in the middle leaves the old one or none.

    `mode` is its permissions, less those that the umask takes away. Raises OSError also for a folder or a device.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EISDIR, "no regular file", str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a text as `open_atomically` does."""
    with open_atomically(path, mode) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def output(option: str, path: Path) -> Iterator[None]:
    """Raise UserError in place of an error of writing what the user asked for."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{option} {path}: cannot be written ({error.strerror})") from None
