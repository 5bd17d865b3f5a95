"""Who has withdrawn: known again by a mark that only the secret can draw, and passed over in every later run."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from grader.intake.downloads import Download
from grader.intake.roster import Roster
from grader.ledger.erasure import withdrawn
from grader.ledger.ledger import HANDED_IN_BY, Ledger
from grader.ledger.results_folder import LEDGER, OpenResults
from grader.ledger.rounds import of_round
from grader.secret import Secret, read_secret
from project.support.errors import note


def mark(student: str, secret: Secret) -> str:
    """What is left of an id: nobody can tell it from the mark without the secret."""
    return secret.digest("withdrawn", student).hex()


def without_withdrawn(
    downloads: Sequence[Download], roster: Roster | None, opened: OpenResults
) -> tuple[list[Download], Roster | None]:
    """The downloads and the roster without those who have withdrawn, with a note where something of theirs lies there."""
    marked = [*marks_of_rounds(opened)]

    def has_withdrawn(student: str) -> bool:
        return any(mark(student, secret) in marks for secret, marks in marked)

    left = [each for each in downloads if not has_withdrawn(each.student)]
    if count := len(downloads) - len(left):
        note(f"{count} of these downloads are of students who have withdrawn: passed over; delete them there, too")
    numbers = {each: number for number, each in withdrawn(opened.ledger).items() if each}
    for at, each in enumerate(
        left
    ):  # a group's hand-in by one who has withdrawn counts for the others under the number
        if (by := each.known_as.get(HANDED_IN_BY, [""])[0]) and has_withdrawn(by):
            others = {kind: texts for kind, texts in each.known_as.items() if kind != HANDED_IN_BY}
            number = numbers.get(mark(by, opened.secret))
            left[at] = replace(each, known_as=others | ({HANDED_IN_BY: [number]} if number else {}))
    if roster:
        roster = Roster([each for each in roster.students if not has_withdrawn(each.student)])
    return left, roster


def marks_of_rounds(opened: OpenResults) -> Iterator[tuple[Secret, set[str]]]:
    """The marks of those who have withdrawn, with the secret that draws them: of this round, and of practice before it."""
    yield opened.secret, {*withdrawn(opened.ledger).values()} - {""}
    practice = of_round(opened.folder, "practice")
    if opened.secret.part == "final" and (practice / LEDGER).is_file():
        with closing(Ledger(practice / LEDGER)) as ledger:
            yield read_secret((practice / "secret.json").read_bytes()), {*withdrawn(ledger).values()} - {""}
