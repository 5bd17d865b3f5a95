"""Whether results are out: until somebody releases them, what is to be handed out lies in a folder beside."""

import shutil
from pathlib import Path

from grader.ledger.decision_kinds import RELEASE
from grader.ledger.decisions import CLASS
from grader.ledger.results_folder import OpenResults
from grader.rules import Rules

DRAFT = "draft"  # folder in the results folder
SITE = "site"
EXPORTS = {"canvas": "canvas.csv", "moodle": "moodle.csv", "gradescope": "gradescope", "feedback": "feedback"} | {
    f"{system}-feedback": f"{system}-feedback.zip" for system in ("canvas", "moodle")
}  # by form


def is_released(opened: OpenResults, rules: Rules | None = None) -> bool:
    """Whether pages and feedback may be handed out now, or by other rules; a practice board is for all nights before that."""
    return (
        opened.secret.part == "practice"
        or (rules or opened.rules).site.release == "at_once"
        or CLASS in opened.ledger.decisions.in_force(RELEASE)
    )


def said_of_release(opened: OpenResults, other: Rules) -> list[str]:
    """What other rules do to what is published, in a line; nothing where that stays as it is."""
    match is_released(opened), is_released(opened, other):
        case False, True:
            return ["note    these rules publish the results at once, which nobody has released yet"]
        case True, False:
            return ["note    these rules take out what is published, until `release`"]
    return []


def place_to_publish(opened: OpenResults) -> Path:
    """The folder in which pages and exports belong now."""
    return opened.folder if is_released(opened) else opened.folder / DRAFT


def page_to_publish(opened: OpenResults) -> Path:
    """The first of the pages."""
    return place_to_publish(opened) / SITE / "index.html"


def said_of_page(opened: OpenResults) -> str:
    """What to do with the first of the pages."""
    page = page_to_publish(opened)
    if is_released(opened):
        return f"{page} is the page to publish."
    return f"{page} is a draft, until `python -m grader release {opened.folder}`."


def settle(opened: OpenResults) -> None:
    """Take out of the published folder what is no longer released, or remove the drafts of what is."""
    draft = opened.folder / DRAFT
    if is_released(opened):
        shutil.rmtree(draft, ignore_errors=True)
        return
    draft.mkdir(exist_ok=True)
    for name in (SITE, *EXPORTS.values()):
        if (out := opened.folder / name).exists():
            take_away(draft / name)
            out.rename(draft / name)


def take_away(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
