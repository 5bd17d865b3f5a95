"""Git repositories: only their `submission/` folder is taken.

Git runs in a sandbox only, since a repository's own configuration can make it start programs.
"""

from pathlib import Path

FOLDER = "submission"


def has_files(path: Path) -> bool:
    """Whether a folder is a checked-out repository, whose files can simply be read."""
    return path.is_dir() and (path / ".git").exists()


def is_packed(path: Path) -> bool:
    """Whether only git can read a repository: a bare one or a bundle."""
    if path.is_dir():
        return (path / "HEAD").is_file() and (path / "objects").is_dir() and not has_files(path)
    return path.name.lower().endswith(".bundle")
