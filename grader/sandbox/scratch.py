"""Folders for what is in the making. What a killed process left of them, the next one removes."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "fifteen-epochs-scratch-"
LOCK, FILES = "lock", "files"  # in each folder: what its process holds as long as it lives, and what the folder is for


class Scratch:
    """A new folder within `parent`, by default the system's temporary one.

    Attributes:
        path: The folder to use, empty at first.
    """

    def __init__(self, parent: Path | None = None):
        parent = (parent or Path(tempfile.gettempdir())).resolve()  # links below are a program's
        sweep(parent)
        while True:
            self.root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
            with suppress(FileNotFoundError):  # where another process's sweep was faster than the lock
                self.lock = os.open(self.root / LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
                fcntl.flock(self.lock, fcntl.LOCK_EX)
                if (self.root / LOCK).exists():
                    break
                os.close(self.lock)
        self.path = self.root / FILES
        self.path.mkdir()

    def remove(self) -> None:
        remove(self.root)
        os.close(self.lock)


def sweep(parent: Path) -> None:
    """Remove what killed processes left: folders of this user that are empty, or whose lock nobody holds."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is gone, in use, or not such a folder
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with suppress(OSError):
                folder.rmdir()
            lock = os.open(folder / LOCK, os.O_WRONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
            finally:
                os.close(lock)


def remove(root: Path) -> None:
    """Remove a scratch folder, however deep or locked what a program left in it is; its lock last, so that a sweep can
    finish what is cut short here."""
    for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        if root.exists():
            subprocess.run([*command, str(root / FILES), str(root)], stderr=subprocess.DEVNULL)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """The folder of a new Scratch, removed at the end."""
    scratch = Scratch(parent)
    try:
        yield scratch.path
    finally:
        scratch.remove()
