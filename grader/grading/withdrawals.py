"""Who has withdrawn: known again by a mark that only the secret can draw, and passed over in every later run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from grader.intake.downloads import Download
from grader.intake.roster import Roster
from grader.ledger.erasure import called_by, veiled, withdrawn
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import LEDGER, OpenResults
from grader.ledger.rounds import of_round
from grader.ledger.submissions import HANDED_IN_BY
from grader.secret import Secret, read_secret
from project.support.errors import note


def mark(student: str, secret: Secret) -> str:
    """What is left of an id: nobody can tell it from the mark without the secret."""
    return secret.digest("withdrawn", student).hex()


def veil(opened: OpenResults) -> Callable[[str], str]:
    """What the ledger calls a path: numbers, or marks, take the place of those who have withdrawn."""
    known = [(secret, called_by(ledger), own) for secret, ledger, own in rounds_of(opened)]

    def number_of(words: str) -> str:
        for secret, numbers, own in known:
            if number := numbers.get(found := mark(words, secret)):
                return number if own else f"withdrawn-{found[:8]}"  # that round's numbers are others' here
        return ""

    return lambda path: veiled(path, number_of) if any(numbers for _, numbers, _ in known) else path


def back_again(opened: OpenResults) -> str | None:
    """Who has withdrawn by a decision in force, and is in the ledger, taken in while it was not; None for nobody."""
    marks = {*withdrawn(opened.ledger).values()} - {""}
    return next((each for each in sorted(opened.ledger.ids()) if mark(each, opened.secret) in marks), None)


def without_withdrawn(
    downloads: Sequence[Download], roster: Roster | None, opened: OpenResults
) -> tuple[list[Download], Roster | None]:
    """The downloads and the roster without those who have withdrawn, with a note where something of theirs lies there."""
    marked = [(secret, {*withdrawn(ledger).values()} - {""}) for secret, ledger, _ in rounds_of(opened)]

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


def rounds_of(opened: OpenResults) -> Iterator[tuple[Secret, Ledger, bool]]:
    """The secrets and ledgers of this round, and of practice before it, and whether it is this one."""
    yield opened.secret, opened.ledger, True
    practice = of_round(opened.folder, "practice")
    if opened.secret.part == "final" and (practice / LEDGER).is_file():
        with closing(Ledger(practice / LEDGER)) as ledger:
            yield read_secret((practice / "secret.json").read_bytes()), ledger, False
