"""Folders for what is in the making. What a killed process left of them, the next one removes."""

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "fifteen-epochs-"
LOCK = ".lock"  # held as long as the process lives


class Scratch:
    """A folder of this process, removed at its end, or by another one's beginning.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        sweep(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        unseen = self.path / f"{LOCK}.new"
        self.lock = os.open(unseen, os.O_WRONLY | os.O_CREAT, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        unseen.rename(self.path / LOCK)  # held before another process's sweep can see it

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def sweep(parent: Path) -> None:
    """Remove what is nobody's any more: folders of this user whose lock can be had."""
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK, os.O_WRONLY | os.O_NOFOLLOW)
        except OSError:  # another user's, another kind of folder, or one that is being made
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            subprocess.run(["rm", "-rf", str(folder)], stderr=subprocess.DEVNULL)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder, removed at the end however deep or locked what a program left in it is."""
    folder = Path(tempfile.mkdtemp(prefix="fifteen-epochs-", dir=parent))
    try:
        yield folder
    finally:
        for command in (["rm", "-rf"], ["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            if folder.exists():
                subprocess.run([*command, str(folder)], stderr=subprocess.DEVNULL)
