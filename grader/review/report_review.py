"""Walks a reader through reports and conclusions, one submission after another, in the terminal."""

from dataclasses import dataclass, field, replace

from rich.console import Console

from grader.apart import Apart, Failed
from grader.grading.class_list import class_list
from grader.grading.kept_roster import kept_roster
from grader.grading.ranking import Entry, band, standings
from grader.grading.readings import ReaderPoints, key, of_earlier
from grader.grading.withdrawals import veiled_words
from grader.intake.veil import Person
from grader.ledger.ledger import now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import place
from grader.review.reading_list import is_read, numbers, to_read
from grader.review.report_points import Given, give, reading_before
from grader.review.report_texts import Terminal
from grader.rules import PARTS, Rules
from project.support.errors import UserError

HELP = "points, Enter to leave them, s to skip this student, q to stop"
EARLIER = "it has points for an earlier hand-in: Enter gives the same for this one"

UNFINISHED = "it was read in part, and what was answered counts: Enter leaves that, and the rest is asked for"


class Skip(Exception):
    """Not this student."""


@dataclass
class Answers:
    """What a reader has answered so far about one student.

    Attributes:
        seen: The parts that are answered for, those too that keep their points.
    """

    points: dict[str, float] = field(default_factory=dict)
    criteria: dict[str, float] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    comment: str | None = None

    def given(self, student: str, digest: str, unfinished: bool) -> Given:
        """The points, for the hand-in that was read."""
        points = self.points.get("report"), self.points.get("conclusion")
        made = Given(student, *points, self.comment, self.criteria, unfinished=unfinished)
        return replace(made, read=dict.fromkeys([*self.seen, *made.parts], digest))

    def in_words(self) -> str:
        named = self.points | self.criteria
        return ", ".join(f"{name} {points:g}" for name, points in named.items())


@dataclass(frozen=True)
class Reading:
    """A submission to read.

    Attributes:
        title: What the reader is told that it is.
        file: How the files begin that a person has to open.
        about: What is known of it, for a reader who may know that.
        veil: Whom the texts must not name: the author, then the others; None where the reader may know who that is.
    """

    entry: Entry
    title: str
    file: str
    about: str = ""
    veil: tuple[Person, list[Person]] | None = None


def review(
    opened: OpenResults, by: str, again: bool = False, named: bool = False, console: Console | None = None
) -> int:
    """Show texts and ask for points; `again` also of what has points already.

    Points count as soon as they are given. Several readers may be at work at once. Whoever stops in the middle of a student
    (`q`, Ctrl-C or Ctrl-D) has given what was answered until then.

    Args:
        named: Tell whose each is, its verdict and accuracy, the best first. Else it has a number, and names are veiled.

    Returns:
        The number of students who got points.
    """
    console = console or Console(highlight=False)
    ledger, rules = opened.ledger, opened.rules
    waiting = to_read(opened, by, again)
    readings = [openly(entry) for entry in waiting] if named else blindly(waiting, opened)
    done: list[Reading] = []
    with Apart("grader.review.report_texts") as apart:
        for number, reading in enumerate(readings, start=1):
            digest = reading.entry.digest
            if not again and is_read(reading.entry, by, opened):
                continue  # by another reader, while this one read others
            before = reading_before(ledger, rules, reading.entry, by)
            if not show(console, apart, reading, opened, f"{number} of {len(readings)}", read_for(before)):
                continue
            answers, stopped = Answers(), False
            try:
                ask_all(console, answers, rules, before, digest)
            except Skip:
                continue
            except (EOFError, KeyboardInterrupt):
                stopped = True
            if kept(console, opened, reading, answers, before, by, stopped):
                done.append(reading)
            if stopped:
                break
    if not named and done and not to_read(opened, by):
        for reading in done:
            console.print(f"{reading.title} is {reading.entry.student}", markup=False)
    return len(done)


def kept(
    console: Console,
    opened: OpenResults,
    reading: Reading,
    answers: Answers,
    before: ReaderPoints,
    by: str,
    stopped: bool,
) -> bool:
    """Give what was answered. Returns whether that was anything; what cannot be given any more is told, and ends nothing.

    Args:
        before: What points not answered for stay.
        stopped: Whether the reader stopped here, and has to be told what counts.
    """
    student, digest = reading.entry.student, reading.entry.digest
    given = answers.given(student, digest, stopped)
    confirmed = {*answers.seen} & {*of_earlier(before, digest)} or before.unfinished and not stopped
    if given == Given(student) and not confirmed:
        return False
    try:
        give(opened.ledger, opened.rules, [given], by, now())
    except UserError as error:  # who withdrew meanwhile, or other rules: the reader may not know whose it is
        said = str(error).removeprefix(f"{student}: ")
        console.print(f"\n{reading.title}: these points are not kept: {said}", markup=False)
        return False
    if stopped:
        answered = answers.in_words() or "the points that there were"
        console.print(f"\n{reading.title}: kept so far: {answered}; `review` asks again for it", markup=False)
    return True


def openly(entry: Entry) -> Reading:
    accuracy = "" if entry.accuracy is None else f", {entry.accuracy:.2%}, rank {band(entry)}"
    return Reading(entry, entry.student, entry.student, f"{entry.verdict}{accuracy}")


def blindly(entries: list[Entry], opened: OpenResults) -> list[Reading]:
    """The same under numbers, in their order: that of the ranks or of the ids would tell who is who."""
    everybody = class_list(standings(opened.ledger, opened.rules), kept_roster(opened.folder), veiled_words(opened))
    number = numbers(opened.ledger.in_order_of_arrival(), opened.secret)
    readings = []
    for entry in sorted(entries, key=lambda entry: number[entry.student]):
        others = [told for student, (_, told) in everybody.items() if student != entry.student]
        called = number[entry.student]
        veil = everybody[entry.student][0], others
        readings.append(Reading(entry, f"No. {called}", str(called), veil=veil))
    return readings


def read_for(before: ReaderPoints) -> str:
    """The digest of the hand-in that points are for; empty where that is not known, or it is several."""
    read = {*before.read.values()}
    return read.pop() if len(read) == 1 else ""


def show(console: Console, apart: Apart, reading: Reading, opened: OpenResults, where: str, before: str = "") -> bool:
    """Show a submission's notebooks, report and conclusion, and what changed since it was read `before` under that digest.
    Returns whether it is there."""
    terminal = Terminal(width=console.width, colors=console.color_system)
    digest = reading.entry.digest
    try:
        veil = reading.veil or (None, ())
        shown = apart.call("shown", str(opened.folder.absolute()), digest, reading.file, terminal, *veil, before)
    except Failed as error:
        files = place(opened.folder, digest)
        shown = f"Its texts cannot be shown: reading them {error}; its files are in {files}\n"
    if shown is None:
        return False
    console.rule(f"{where}: {reading.title}", characters="=")
    if reading.about:
        console.print(reading.about, markup=False)
    console.file.write(shown)
    return True


def ask_all(console: Console, answers: Answers, rules: Rules, before: ReaderPoints, digest: str) -> None:
    """Points for each part, or for each of its criteria, and a comment. Raises Skip, or EOFError to stop."""
    if before.unfinished:
        console.print(UNFINISHED, markup=False)
    for part in PARTS:
        if part in of_earlier(before, digest):
            console.print(f"{part}: {EARLIER}", markup=False)
        rubric = getattr(rules.bonus.rubric, part)
        for each in rubric:
            name = key(part, each)
            if each.seek:
                console.print(f"{name}: {each.seek}", markup=False)
            if (points := ask(console, name, each.points, before.points.get(name))) is not None:
                answers.criteria[name] = points
        if (
            not rubric
            and (points := ask(console, part, getattr(rules.bonus, part), before.points.get(part))) is not None
        ):
            answers.points[part] = points
        answers.seen.append(part)
    answers.comment = console.input("comment for the student (Enter for none): ").strip() or None


def ask(console: Console, what: str, most: float, given: float | None) -> float | None:
    """Points for a part or a criterion; None to leave what there is. Asks again until the answer makes sense."""
    so_far = "" if given is None else f", now {given:g}"
    while True:
        answer = console.input(f"{what}, 0 to {most:g}{so_far} ({HELP}): ", markup=False).strip().lower()
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
