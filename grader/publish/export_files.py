"""Results in the forms that leave: the leaderboard's files, and what other systems and students are given."""

import shutil
from pathlib import Path

from grader.grading.ranking import Standing, standings
from grader.ledger.results_folder import OpenResults
from grader.publish import gradebooks
from grader.publish.feedback import feedback
from grader.publish.pseudonyms import shown_names
from grader.rules import Rules
from project.support.files import write_atomically

FILES = {"csv": "leaderboard.csv", "json": "leaderboard.json", "markdown": "leaderboard.md"}


def write_export(
    opened: OpenResults, form: str, out: Path | None, gradebook: Path | None, column: str | None, language: str
) -> Path:
    """Write results in one form, and return where they are.

    Args:
        form: One of FILES, or gradescope, canvas, moodle, feedback.
        out: A file, or for gradescope and feedback a folder; by default in the results folder.
        gradebook: For canvas and moodle: the system's own file, to be filled in.
        column: For canvas: the heading of the assignment's column, or its beginning.
        language: Of the feedback: en or ko.
    """
    results, rules = opened.folder, opened.rules
    found = standings(opened.ledger, rules)
    told = feedbacks(found, rules, opened.secret, language)
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
                standing, rules, told[standing.entry.student]
            )
            for standing in found
        }
        write_folder(target, files)
    return target


def feedbacks(found: list[Standing], rules: Rules, secret: int, language: str) -> dict[str, str]:
    ranked = sum(standing.entry.rank is not None for standing in found)
    entries = [standing.entry for standing in found]
    shown = shown_names(entries, rules.site.names, secret)
    return {
        standing.entry.student: feedback(standing, rules, ranked, shown[standing.entry.student], language)
        for standing in found
    }


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write these files below a folder; those of an earlier time stay where they have other names."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
