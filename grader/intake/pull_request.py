"""A pull request into a class's repository: it may change one student's folder, and nothing else."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from grader.safe_text import normal
from project.support.errors import UserError
from project.support.wording import counted


def changed_paths(listed: bytes) -> list[str]:
    """The paths in what `git diff --name-only -z` wrote."""
    return [path.decode("utf-8", "surrogateescape") for path in listed.split(b"\0") if path]


def own_folder(changed: Iterable[str], pattern: str) -> str:
    """The one student's folder in which all these paths lie. Nobody else's is named in what is said.

    Args:
        changed: Paths from the repository's root, with slashes.
        pattern: Where students' folders are, such as `students/*`; a `*` is for a part of one name.

    Raises:
        UserError: They lie in no student's folder, in several, or elsewhere, too.
    """
    levels = pattern.strip("/").split("/")
    folders: dict[str, str] = {}
    elsewhere = 0
    for path in changed:
        parts = path.split("/")
        if len(parts) > len(levels) and all(map(fnmatchcase, map(normal, parts), levels)):
            folder = "/".join(parts[: len(levels)])
            folders.setdefault(normal(folder), folder)
        else:
            elsewhere += 1
    if not folders:
        raise UserError(f"the pull request changes no folder like {pattern}; put your files into yours")
    if len(folders) > 1:
        raise UserError(
            f"the pull request changes {len(folders)} folders like {pattern}; leave all but yours as they were"
        )
    if elsewhere:
        (folder,) = folders
        raise UserError(
            f"the pull request changes {counted(elsewhere, 'file')} outside of {folder}; leave them as they were"
        )
    return next(iter(folders.values()))
