"""Who has withdrawn: known again by a mark that only the secret can draw, and passed over in every later run."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

from grader.intake.downloads import Download
from grader.intake.names import WIDE
from grader.intake.roster import Roster
from grader.intake.veil import Marked, letters
from grader.ledger.decision_kinds import WITHDRAW
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import LEDGER, OpenResults, mendable
from grader.ledger.rounds import of_round, read_practice_secret
from grader.ledger.submissions import HANDED_IN_BY, carrier
from grader.secret import Secret
from project.support.errors import note

# A word of a file's name, or, in scripts that write words without spaces, what may be a part of one.
IN_NAMES = re.compile(rf"[^\W_{WIDE.pattern[1:-1]}]+|{WIDE.pattern}")
T = TypeVar("T")
MOST_WORDS = 8  # of such, in what a student is called


def withdrawn(ledger: Ledger) -> dict[str, str]:
    """The numbers of those who have withdrawn, and the marks of those whose hand-ins are passed over: empty for a
    withdrawal that somebody took back."""
    made = [each for each in ledger.decisions.history() if each.kind == WITHDRAW]
    return {each.student: each.value["mark"] if each.in_force else "" for each in made}


def called_by(ledger: Ledger) -> dict[str, str]:
    """By the mark of an id, or of what else a student was called, the number of whoever has withdrawn."""
    made = ledger.decisions.all_in_force(WITHDRAW)
    return {mark: each.student for each in made for mark in (each.value["mark"], *each.value.get("also", []))}


def veiled_words(opened: OpenResults) -> dict[str, Marked]:
    """By the number, what must be named on nobody's pages of whoever has withdrawn, under marks."""
    key = opened.secret.digest("veil").hex()
    made = opened.ledger.decisions.values(WITHDRAW)
    return {number: Marked(key, *map(tuple, value["veil"])) for number, value in made if value.get("veil")}


def drawn_before(ledger: Ledger) -> dict[str, int]:
    """By the number, which pseudonym was drawn for whoever has withdrawn, also where that was taken back: it stays taken, so
    that nobody else gets another one. Nothing of withdrawals by a version that did not keep it."""
    made = ledger.decisions.values(WITHDRAW)
    return {number: value["drawn"] for number, value in made if value.get("drawn") is not None}


def marks_before(ledger: Ledger) -> dict[str, str]:
    """By the number, the mark of whoever has withdrawn, also where that was taken back."""
    return {number: value["mark"] for number, value in ledger.decisions.values(WITHDRAW)}


def mark(student: str, secret: Secret) -> str:
    """What is left of an id: nobody can tell it from the mark without the secret."""
    return secret.digest("withdrawn", student).hex()


def veil(opened: OpenResults) -> Callable[[str], str]:
    """What the ledger calls a path: numbers, or marks, take the place of those who have withdrawn."""
    known = [*rounds_of(opened, called_by)]

    def number_of(words: str) -> str:
        for secret, numbers, own in known:
            for found in (mark(letters(words), secret), mark(words, secret)):  # as it was called, in older ledgers
                if number := numbers.get(found):
                    return number if own else f"withdrawn-{found[:8]}"  # that round's numbers are others' here
        return ""

    return lambda path: veiled_path(path, number_of) if any(numbers for _, numbers, _ in known) else path


def veiled_path(path: str, number_of: Callable[[str], str]) -> str:
    """A path, or a file's name, in whose last name numbers stand for who is called so; an underscore parts words there, too.

    Args:
        number_of: What takes the place of these words; empty where they may stay.
    """
    folder, slash, name = path.rpartition("/")
    words, found, at = [*IN_NAMES.finditer(name)], "", 0
    for first, word in enumerate(words):
        if word.start() < at:
            continue
        for last in reversed(words[first : first + MOST_WORDS]):
            if number := number_of(name[word.start() : last.end()]):
                found, at = found + name[at : word.start()] + number, last.end()
                break
    return folder + slash + found + name[at:]


def kept_by_practice(opened: OpenResults) -> bool:
    """Whether practice before this round has withdrawals in force, by which this round, too, passes hand-ins over."""
    return any(any(gone.values()) for _, gone, own in rounds_of(opened, withdrawn) if not own)


def back_again(opened: OpenResults) -> str | None:
    """Who has withdrawn by a decision in force, and is in the ledger, taken in while it was not; None for nobody."""
    marks = {*withdrawn(opened.ledger).values()} - {""}
    return next((each for each in sorted(opened.ledger.ids()) if mark(each, opened.secret) in marks), None)


def measured_for(opened: OpenResults, by: str, digest: str) -> str:
    """The number under which the rest of a group kept what was measured of a hand-in, when whoever handed it in withdrew;
    empty where nothing was kept so. It counts on after that is taken back, and nobody trains it again."""
    marks = marks_before(opened.ledger)
    numbers = {number for number, marked in marks.items() if marked == (marks.get(by) or mark(by, opened.secret))}
    return next(iter(sorted(numbers & opened.ledger.measured_under(digest))), "") if numbers else ""


def without_withdrawn(
    downloads: Sequence[Download], roster: Roster | None, opened: OpenResults
) -> tuple[list[Download], Roster | None]:
    """The downloads and the roster without those who have withdrawn, with a note where something of theirs lies there."""
    marked = [(secret, {*gone.values()} - {""}) for secret, gone, _ in rounds_of(opened, withdrawn)]

    def has_withdrawn(student: str) -> bool:
        return any(mark(student, secret) in marks for secret, marks in marked)

    left = [
        replace(each, passed_over=tuple(other for other in each.passed_over if not has_withdrawn(handed_in_by(other))))
        for each in downloads
        if not has_withdrawn(each.student)
    ]
    if count := len(downloads) - len(left):
        said = "download is of a student who has" if count == 1 else "downloads are of students who have"
        note(f"{count} {said} withdrawn: passed over; delete {'it' if count == 1 else 'them'} there, too")
    numbers = {each: number for number, each in withdrawn(opened.ledger).items() if each}
    # A group's hand-in by one who has withdrawn counts for the others under the number.
    for at, each in enumerate(left):
        if has_withdrawn(by := handed_in_by(each)):
            others = {kind: texts for kind, texts in each.known_as.items() if kind != HANDED_IN_BY}
            number = numbers.get(mark(by, opened.secret))
            left[at] = replace(each, known_as=others | ({HANDED_IN_BY: [number]} if number else {}))
    if roster:
        roster = Roster([each for each in roster.students if not has_withdrawn(each.student)])
    return left, roster


def handed_in_by(download: Download) -> str:
    return carrier(download.student, download.known_as)


def rounds_of(opened: OpenResults, read: Callable[[Ledger], T]) -> Iterator[tuple[Secret, T, bool]]:
    """The secrets of this round, and of practice before it, what is read of their ledgers, and whether it is this one.

    Raises UserError where practice's are gone or damaged.
    """
    yield opened.secret, read(opened.ledger), True
    practice = of_round(opened.folder, "practice")
    if opened.secret.part == "final" and (practice / LEDGER).is_file():
        secret = read_practice_secret(practice)
        with mendable(practice), closing(Ledger(practice / LEDGER)) as ledger:
            found = read(ledger)
        yield secret, found, False
