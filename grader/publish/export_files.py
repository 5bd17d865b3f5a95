"""Results in the forms that leave: the leaderboard's files, and what other systems and students are given."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.grading.grades import highest_total
from grader.grading.kept_roster import kept_roster
from grader.grading.ranking import Entry, for_students, standings
from grader.grading.staff import said_of_staff
from grader.ledger.results_folder import OpenResults
from grader.publish import canvas, moodle
from grader.publish.feedback import feedback
from grader.publish.gradebooks import Filled
from grader.publish.gradescope import autograder, final_results, results_json
from grader.publish.leaderboard_files import write_leaderboard
from grader.publish.markdown import rendered
from grader.publish.pages.build import swap
from grader.publish.pseudonyms import shown_names
from grader.publish.release import EXPORTS, is_released, place_to_publish
from grader.rules import Rules
from grader.sandbox.scratch import scratch_folder
from project.support.errors import UserError
from project.support.files import open_atomically, output

FILES = {"csv": "leaderboard.csv", "json": "leaderboard.json", "markdown": "leaderboard.md"}
FORMS = [*FILES, *EXPORTS]
FOLDERS = ("gradescope", "feedback")  # forms with a file for each student
ASSIGNMENT = "Fifteen Epochs"  # how its column in a gradebook begins


@dataclass
class Written:
    """Where an export is; the graded students who are not in it, and what the instructor has to know, a line each."""

    place: Path
    left_out: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def write_export(
    opened: OpenResults, form: str, out: Path | None, gradebook: Path | None, column: str | None, language: str
) -> Written:
    """Write results in one form.

    Args:
        form: One of FORMS.
        out: A file, or for gradescope and feedback a folder; by default in the results folder.
        gradebook: For canvas and moodle: the system's own file, to be filled in.
        column: For canvas and moodle: the heading of the column to fill in, or its beginning.
        language: Of the feedback and of Gradescope's results: en or ko.

    Raises:
        UserError: A file cannot be read or written, or the gradebook is none that can be filled in.
    """
    if opened.secret.part == "practice" and form not in FILES:
        raise UserError(f"--format {form}: practice gives no grades; export the results of the final round")
    if form not in ("canvas", "moodle") and (given := gradebook and "--gradebook" or column and "--column"):
        raise UserError(f"{given}: goes with --format canvas or moodle, not {form}")
    everybody = standings(opened.ledger, opened.rules)
    entries = for_students(everybody)
    told = feedbacks(opened, entries, language)
    target = out or (opened.folder / FILES[form] if form in FILES else place_to_publish(opened) / EXPORTS[form])
    most, full, roster = highest_total(opened.rules), opened.rules.grades.most, kept_roster(opened.folder)
    filled = Filled("")
    if form == "canvas":
        filled = canvas.gradebook(entries, gradebook, column or ASSIGNMENT, most, roster, full)
        contents = {target: filled.text.encode()}
    elif form == "moodle":
        as_html = {student: rendered(text) for student, text in told.items()}
        filled = moodle.worksheet(entries, gradebook, column, as_html, most, roster, full)
        contents = {target: filled.text.encode()}
    elif form.endswith("-feedback"):
        name_of = (canvas if form.startswith("canvas") else moodle).feedback_name
        named = {entry.student: name_of(entry) for entry in entries}
        pages = {name: as_page(told[student], language) for student, name in named.items() if name}
        filled.left_out = [student for student, name in named.items() if not name]
        contents = {target: zipped(pages)}
    elif form == "gradescope":
        contents = {
            target / entry.student / "results.json": as_json(
                results_json(entry, opened.rules, told[entry.student], language)
            )
            for entry in entries
        }
    elif form == "feedback":
        contents = {target / f"{student}.md": text.encode() for student, text in told.items()}
    else:
        write_leaderboard(opened, everybody)
        contents = {target: (opened.folder / FILES[form]).read_bytes()}
    try:
        if form in FOLDERS:
            write_folder(contents, target, known=None if out is None else opened.ledger.ids())
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_atomically(target) as file:
                file.write(contents[target])
    except OSError as error:
        raise UserError(f"--out {target}: cannot be written ({error})") from None
    if form in EXPORTS and (staff := said_of_staff(entry.student for entry in everybody if entry.staff)):
        filled.told.append(staff)
    if form in EXPORTS and not is_released(opened):
        filled.told.append("results are not released (site.release: manual): keep this to yourself until `release`")
    return Written(target, filled.left_out, filled.told)


def write_folder(contents: dict[Path, bytes], target: Path, known: set[str] | None) -> None:
    """Write a folder anew, of which nothing stays that was in it.

    Args:
        contents: By their places in the folder.
        known: Ids of students, nothing but whose files may be in the folder now; None where it is ours for sure.

    Raises:
        UserError: Something else is in the folder.
    """
    there = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if known is not None and (others := [name for name in there if name.removesuffix(".md") not in known]):
        raise UserError(f"--out {target}: has {others[0]} in it, which is of no student here; name another folder")
    place = target.resolve()  # of a link, what it leads to
    place.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(place.parent) as made:
        made.chmod(0o755)
        for path, content in contents.items():
            file = made / path.relative_to(target)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        swap(made, place)


def write_autograder(rules: Path, opened: OpenResults | None, out: Path, language: str) -> None:
    """Write Gradescope's autograder, with the final results of a results folder, if one is given.

    Raises:
        UserError: The rules are none, the results are not released, or the file cannot be written.
    """
    Rules.load(rules)
    finals: list[dict[str, Any]] = []
    if opened:
        if not is_released(opened):
            raise UserError(f"--results {opened.folder}: results are not released; `python -m grader release` does it")
        entries = for_students(standings(opened.ledger, opened.rules))
        finals = final_results(entries, opened.rules, feedbacks(opened, entries, language), language)
    with output("--out", out), open_atomically(out) as file:
        file.write(autograder(rules, finals, language))


def as_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def feedbacks(opened: OpenResults, entries: list[Entry], language: str) -> dict[str, str]:
    """The text for each student, by id."""
    rules, ranked = opened.rules, sum(entry.rank is not None for entry in entries)
    shown = shown_names(entries, rules.site.names, opened.secret, opened.ledger)
    return {entry.student: feedback(entry, rules, ranked, shown[entry.student], language) for entry in entries}


def as_page(text: str, language: str) -> str:
    """A student's feedback as an HTML file that opens by itself."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return f'<!doctype html>\n<html lang="{language}"><head>{head}<title>Fifteen Epochs</title></head>\n<body>\n{rendered(text)}</body></html>\n'


def zipped(files: dict[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return archive.getvalue()
