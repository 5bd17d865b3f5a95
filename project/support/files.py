"""Writing files so that nobody finds half of one."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o666) -> None:
    """Write a file so that a kill in the middle leaves the old one or none, never half of it.

    Args:
        mode: Of a file that others are not to read; what the user's mask takes away is not in it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
