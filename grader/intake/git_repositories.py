"""Git repositories: only their `submission/` folder is taken, and git itself runs in a sandbox.

A repository's own configuration can make git start programs, so it is never asked outside of one.
"""

from pathlib import Path

FOLDER = "submission"


def is_repository(path: Path) -> bool:
    """Whether a path is a git repository: one with files, a bare one, or a bundle."""
    return has_files(path) or is_packed(path)


def has_files(path: Path) -> bool:
    """Whether a folder is a checked-out repository, whose files can simply be read."""
    return path.is_dir() and (path / ".git").exists()


def is_packed(path: Path) -> bool:
    """Whether only git can read a repository: a bare one or a bundle."""
    if path.is_dir():
        return (path / "HEAD").is_file() and (path / "objects").is_dir() and not has_files(path)
    return path.name.lower().endswith(".bundle")
