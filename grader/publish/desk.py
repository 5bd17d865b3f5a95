"""What an instructor does with results: points for texts, a look at near-copies, and files for other systems."""

import getpass
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grader.grading.ranking import Standing, standings
from grader.ledger.ledger import Ledger, now
from grader.ledger.results_folder import RULES_FILE, locked, stored_secret
from grader.publish import gradebooks
from grader.publish.feedback import feedback
from grader.publish.pseudonyms import shown_names
from grader.publish.publishing import publish
from grader.review.points import Given, give
from grader.review.similarity import as_csv, similar
from grader.review.walkthrough import review
from grader.rules import Rules
from project.support.errors import UserError
from project.support.files import write_atomically

FILES = {"csv": "leaderboard.csv", "json": "leaderboard.json", "markdown": "leaderboard.md"}


@dataclass(frozen=True)
class Desk:
    """An open results folder, held against other graders."""

    results: Path
    ledger: Ledger
    rules: Rules

    @property
    def standings(self) -> list[Standing]:
        return standings(self.ledger, self.rules)


@contextmanager
def opened(results: Path, wait: bool = False) -> Iterator[Desk]:
    """A results folder to work with. Raises UserError where there is none, or, without `wait`, a grader is at work in it."""
    if not (results / "ledger.sqlite").is_file():
        raise UserError(f"{results}: no results there; `python -m grader run FOLDER --out {results}` makes them")
    with locked(results, wait):
        ledger = Ledger(results / "ledger.sqlite")
        try:
            yield Desk(results, ledger, Rules.load(results / RULES_FILE))
        finally:
            ledger.close()


def show_leaderboard(results: Path) -> str:
    """Write the leaderboard's files and pages anew, and return the table."""
    with opened(results) as desk:
        return publish(desk.ledger, results)


def give_bonus(results: Path, given: list[Given], by: str | None) -> str:
    """Note points and publish them. Returns the leaderboard."""
    with opened(results) as desk:
        give(desk.ledger, desk.rules, given, by or getpass.getuser(), now())
        return publish(desk.ledger, results)


def review_texts(results: Path, by: str | None, again: bool) -> int:
    """Walk through reports and conclusions, then publish the points. Returns how many students got some."""
    with opened(results) as desk:
        try:
            return review(desk.ledger, results, desk.rules, desk.standings, by or getpass.getuser(), again)
        finally:
            publish(desk.ledger, results)


def list_similar(results: Path) -> str:
    """Write `similar.csv` beside the leaderboard, and return its pairs as lines."""
    with opened(results) as desk:
        pairs = similar(results, desk.standings)
    write_atomically(results / "similar.csv", as_csv(pairs))
    lines = [
        f"{pair.first}  {pair.second}  share {pair.share:.0%} of their {pair.what}  {pair.example}" for pair in pairs
    ]
    return "\n".join(lines) or "No two submissions are alike."


def write_export(
    results: Path, form: str, out: Path | None, gradebook: Path | None, column: str | None, language: str
) -> Path:
    """Write results in one form, and return where they are.

    Args:
        form: One of FILES, or gradescope, canvas, moodle, feedback.
        out: A file, or for gradescope and feedback a folder; by default below `results`.
        gradebook: For canvas and moodle: the system's own file, to be filled in.
        column: For canvas: the heading of the assignment's column, or its beginning.
        language: Of the feedback: en or ko.
    """
    with opened(results) as desk:
        found = desk.standings
        told = feedbacks(desk, found, language)
    if form in FILES:
        source = results / FILES[form]
        if out is None:
            return source
        shutil.copyfile(source, out)
        return out
    target = out or results / (f"{form}.csv" if form in ("canvas", "moodle") else form)
    if form == "canvas":
        made = gradebooks.canvas(found, gradebooks.read_gradebook(gradebook), column or "Fifteen Epochs")
        write_atomically(target, made)
    elif form == "moodle":
        write_atomically(target, gradebooks.moodle(found, gradebooks.read_gradebook(gradebook), told))
    elif form == "feedback":
        write_folder(target, {f"{student}.md": text for student, text in told.items()})
    else:
        files = {
            f"{standing.entry.student}/results.json": gradebooks.gradescope(
                standing, desk.rules, told[standing.entry.student]
            )
            for standing in found
        }
        write_folder(target, files)
    return target


def feedbacks(desk: Desk, found: list[Standing], language: str) -> dict[str, str]:
    ranked = sum(standing.entry.rank is not None for standing in found)
    entries = [standing.entry for standing in found]
    shown = shown_names(entries, desk.rules.site.names, stored_secret(desk.results, None))
    return {
        standing.entry.student: feedback(standing, desk.rules, ranked, shown[standing.entry.student], language)
        for standing in found
    }


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write these files below a folder; those of an earlier time stay where they have other names."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
