"""A pull request into a class's repository: it may change one student's folder, and nothing else."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from grader.intake.file_dates import inside
from grader.intake.names import parts_of, squeezed
from grader.safe_text import normal, printable
from project.support.errors import UserError
from project.support.wording import counted

MOST_PARTS = 8  # of a name within another


def changed_paths(listed: bytes) -> list[str]:
    """The paths in what `git diff --name-only -z` wrote."""
    return [path.decode("utf-8", "surrogateescape") for path in listed.split(b"\0") if path]


def check_new(root: Path, folder: str, changed: Collection[str]) -> None:
    """Raises UserError where a folder is new, and in its name stands that of another beside it, or the other way round: it may be
    one more of that student's, by whoever. Nobody else's is named in what is said.

    Args:
        root: The repository with the pull request.
        folder: The one that the request changes, from the root.
        changed: All paths that it changes, from there; a folder with any other file is not new.
    """
    path, known = root / folder, {*changed}
    if any(
        each.relative_to(root).as_posix() not in known
        for each in inside(path)
        if each.is_symlink() or not each.is_dir()
    ):
        return
    name, runs = squeezed(path.name), runs_in(path.name)
    others = (each.name for each in path.parent.iterdir() if each.is_dir() and normal(each.name) != normal(path.name))
    if any(squeezed(each) in runs or name in runs_in(each) for each in others):
        told = f"{printable(path.name)}, which has the name of a folder in it that is there, or stands in that one's"
        raise UserError(f"the pull request adds the folder {told}; put your files into yours, or ask for another name")


def runs_in(name: str) -> set[str]:
    """All that a folder may be called in a name, in letters and digits."""
    text = normal(name)
    parts = parts_of(text)
    return {squeezed(text[begin:end]) for at, (begin, _) in enumerate(parts) for _, end in parts[at : at + MOST_PARTS]}


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
