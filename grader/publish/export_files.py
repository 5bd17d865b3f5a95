"""Results in the forms that leave: the leaderboard's files, and what other systems and students are given."""

from pathlib import Path

from grader.grading.ranking import Entry, standings
from grader.ledger.results_folder import OpenResults
from grader.publish import gradebooks
from grader.publish.feedback import feedback
from grader.publish.leaderboard_files import write_leaderboard
from grader.publish.pseudonyms import shown_names
from project.support.errors import UserError
from project.support.files import write_atomically

FILES = {"csv": "leaderboard.csv", "json": "leaderboard.json", "markdown": "leaderboard.md"}


def write_export(
    opened: OpenResults, form: str, out: Path | None, gradebook: Path | None, column: str | None, language: str
) -> tuple[Path, list[str]]:
    """Write results in one form. Returns where they are, and the graded students who have no row in the gradebook.

    Args:
        form: One of FILES, or gradescope, canvas, moodle, feedback.
        out: A file, or for gradescope and feedback a folder; by default in the results folder.
        gradebook: For canvas and moodle: the system's own file, to be filled in.
        column: For canvas and moodle: the heading of the column to fill in, or its beginning.
        language: Of the feedback: en or ko.

    Raises:
        UserError: A file cannot be read or written, or the gradebook has no such column.
    """
    entries = standings(opened.ledger, opened.rules)
    told = feedbacks(opened, entries, language)
    target = out or opened.folder / FILES.get(form, f"{form}.csv" if form in ("canvas", "moodle") else form)
    texts, left_out = {}, list[str]()
    if form == "canvas":
        texts[target], left_out = gradebooks.canvas(entries, gradebook, column or "Fifteen Epochs")
    elif form == "moodle":
        texts[target], left_out = gradebooks.moodle(entries, gradebook, column or "Grade", told)
    elif form == "gradescope":
        texts = {
            target / entry.student / "results.json": gradebooks.gradescope(entry, opened.rules, told[entry.student])
            for entry in entries
        }
    elif form == "feedback":
        texts = {target / f"{student}.md": text for student, text in told.items()}
    else:
        write_leaderboard(opened, entries)
        texts = {target: (opened.folder / FILES[form]).read_text(encoding="utf-8")}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
    except OSError as error:
        raise UserError(f"--out {target}: cannot be written ({error})") from None
    return target, left_out


def feedbacks(opened: OpenResults, entries: list[Entry], language: str) -> dict[str, str]:
    """The text for each student, by id."""
    rules, ranked = opened.rules, sum(entry.rank is not None for entry in entries)
    shown = shown_names(entries, rules.site.names, opened.secret)
    return {entry.student: feedback(entry, rules, ranked, shown[entry.student], language) for entry in entries}
