"""Walks an instructor through reports and conclusions, one submission after another, in the terminal."""

from rich.console import Console

from grader.apart import Apart, Failed
from grader.grading.ranking import Entry, band, standings
from grader.ledger.ledger import now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import place
from grader.review.report_points import PARTS, Given, give
from grader.review.report_texts import Terminal

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
    with Apart("grader.review.report_texts") as apart:
        for number, entry in enumerate(waiting, start=1):
            if not show(console, apart, entry, opened, f"{number} of {len(waiting)}"):
                continue
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


def show(console: Console, apart: Apart, entry: Entry, opened: OpenResults, where: str) -> bool:
    """Show a submission's notebooks, report and conclusion. Returns whether it is there."""
    terminal = Terminal(width=console.width, colors=console.color_system)
    try:
        shown = apart.call("shown", str(opened.folder), entry.digest, entry.student, terminal)
    except Failed as error:
        files = place(opened.folder, entry.digest)
        shown = f"Its texts cannot be shown: reading them {error}; its files are in {files}\n"
    if shown is None:
        return False
    accuracy = "" if entry.accuracy is None else f", {entry.accuracy:.2%}, rank {band(entry)}"
    console.rule(f"{where}: {entry.student}", characters="=")
    console.print(f"{entry.verdict}{accuracy}", markup=False)
    console.file.write(shown)
    return True


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
