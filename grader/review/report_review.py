"""Walks an instructor through reports and conclusions, one submission after another, in the terminal."""

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from grader.grading.ranking import Entry, band, standings
from grader.intake.notebooks import Cell
from grader.intake.reports import length, read_reports, suffix
from grader.ledger.ledger import now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import document_texts, kept
from grader.review.report_points import PARTS, Given, give
from grader.safe_text import printable
from project.support.files import open_atomically

MOST_SHOWN = 30_000  # characters of a notebook, or of what could be read of a document
HELP = "points, Enter to leave them, s to skip this student, q to stop"


class Skip(Exception):
    """Not this student."""


def review(opened: OpenResults, by: str, again: bool = False, console: Console | None = None) -> int:
    """Show texts and ask for points, the best first; `again` also of those who have points already.

    Points count as soon as they are given. Returns the number of students who got points.
    """
    console = console or Console(highlight=False)
    ledger, rules = opened.ledger, opened.rules
    waiting = [entry for entry in standings(ledger, rules) if again or entry.points is None]
    done = 0
    for number, entry in enumerate(waiting, start=1):
        files = kept(opened.folder, entry.digest)
        if not files:
            continue
        show(console, entry, opened.folder, files, f"{number} of {len(waiting)}")
        try:
            report, conclusion = (
                ask(console, part, getattr(rules.bonus, part), entry.points[part] if entry.points else None)
                for part in PARTS
            )
            comment = console.input("comment for the student (Enter for none): ").strip() or None
        except Skip:
            continue
        except EOFError:
            break
        given = Given(entry.student, report, conclusion, comment)
        if given != Given(entry.student):
            give(ledger, rules, [given], by, now())
            done += 1
    return done


def show(console: Console, entry: Entry, results: Path, files: dict[str, bytes], where: str) -> None:
    """Show a submission's notebooks, then its report and its conclusion. What only a person can open is put into a folder."""
    accuracy = "" if entry.accuracy is None else f", {entry.accuracy:.2%}, rank {band(entry)}"
    console.rule(f"{where}: {entry.student}", characters="=")
    console.print(f"{entry.verdict}{accuracy}", markup=False)
    reports = read_reports(files)
    for name, cells in reports.notebooks.items():
        console.print(Panel(notebook(cells), title=Text(f"{printable(name)}, {len(cells)} cells")))
    for name, said in reports.damaged.items():
        console.print(f"{printable(name)}: {said}", markup=False)
    read = document_texts(results, entry.digest) or {}
    for part, found in reports.parts.items():
        shown: RenderableType = Text("Nothing was handed in.")
        said = ""
        if found.markdown is not None:
            shown, said = Markdown(clean(found.markdown), hyperlinks=False), f", {length(found.markdown)} characters"
        elif found.files:
            for number, file in enumerate(found.files, 1):
                place = to_open(results, entry, part, number, files[file], file)
                console.print(f"{part}, to open: {place}", markup=False, soft_wrap=True)
            text = clean("\n".join(read.get(file, "") for file in found.files))[:MOST_SHOWN].strip()
            shown = Text(f"What can be read of it without opening it:\n\n{text}" if text else "A document to open.")
        title = Text(f"{part}: {printable(' '.join(found.files)) or 'missing'}{said}")
        console.print(Panel(shown, title=title))


def notebook(cells: list[Cell]) -> Group:
    """Cells for a terminal, as many as MOST_SHOWN characters hold."""
    shown: list[RenderableType] = []
    left = MOST_SHOWN
    for cell in cells:
        if left <= 0:
            shown.append(Text("(The other cells are left out.)"))
            break
        source, output = clean(cell.source)[:left], clean(cell.output)
        left -= len(source) + len(output)
        if cell.kind == "markdown":
            shown.append(Markdown(source, hyperlinks=False))
        else:
            shown.append(Syntax(source, "python", background_color="default", word_wrap=True))
            shown.append(Text(f"{output}\n", style="dim"))
    return Group(*shown)


def to_open(results: Path, entry: Entry, part: str, number: int, content: bytes, name: str) -> Path:
    """A document as a file of the results folder, under a name of ours, for a person to open."""
    place = results / "documents" / f"{entry.student}-{part}-{number}{suffix(name)}"
    place.parent.mkdir(exist_ok=True)
    with open_atomically(place) as file:
        file.write(content)
    return place


def clean(text: str) -> str:
    """A stranger's text without what a terminal could take for orders."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n"))


def ask(console: Console, part: str, most: float, given: float | None) -> float | None:
    """Points for a part; None to leave what there is. Asks again until the answer makes sense."""
    so_far = "" if given is None else f", now {given:g}"
    while True:
        answer = console.input(f"{part}, 0 to {most:g}{so_far} ({HELP}): ", markup=False).strip().lower()
        if answer == "q":
            raise EOFError  # as Ctrl-D does
        if answer == "s":
            raise Skip
        if not answer:
            return None
        try:
            points = float(answer)
        except ValueError:
            console.print(f"{answer!r} is no number", markup=False)
            continue
        if 0 <= points <= most:
            return points
        console.print(f"{points:g} is not 0 to {most:g}")
