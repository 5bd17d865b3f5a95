"""Who reads what: submissions shared out among readers, and what is left to read for one of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from grader.grading.ranking import Entry, standings
from grader.grading.readings import EVERYBODY, of_earlier, readings, with_groups
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import OpenResults
from grader.safe_text import in_words
from grader.secret import Secret
from project.support.errors import UserError
from project.support.wording import counted

Readers = Mapping[str, Sequence[str]]  # of each student's texts

NUMBERS = range(1000, 10_000)  # of submissions, for a reader who is not to know whose they are


def assigned(ledger: Ledger) -> dict[str, list[str]]:
    """Who was asked to read what, by student."""
    return {student: list(each.value["readers"]) for student, each in ledger.decisions.in_force("readers").items()}


def shared_out(students: Iterable[str], readers: Sequence[str], each: int, before: Readers, secret: Secret) -> Readers:
    """Readers for each student's texts: as many texts for everybody, give or take one, and the same at each call.

    Args:
        each: How many readers a submission gets.
        before: Who was asked before; those among `readers` stay.
    """
    kept = {student: [r for r in before.get(student, ()) if r in readers][:each] for student in students}
    load = Counter(dict.fromkeys(readers, 0) | Counter(r for found in kept.values() for r in found))
    for student in sorted(kept, key=lambda student: secret.digest("reading", student)):
        while len(kept[student]) < each:
            free = (reader for reader in readers if reader not in kept[student])
            chosen = min(free, key=lambda reader: (load[reader], secret.digest("reading", student, reader), reader))
            kept[student].append(chosen)
            load[chosen] += 1
    return kept


def assign(opened: OpenResults, readers: Sequence[str], each: int, by: str, when: str, why: str = "") -> Readers:
    """Decide who reads what of all that was handed in, and return it. Who is asked already stays asked.

    Raises:
        UserError: A reader is named twice, or there are fewer than each submission is to have.
    """
    if twice := [reader for reader, count in Counter(readers).items() if count > 1]:
        raise UserError(f"--readers: {twice[0]} is there twice")
    if each > len(readers):
        raise UserError(f"--each {each}: there are only {len(readers)} readers; name more, or ask for fewer")
    ledger = opened.ledger
    with ledger.all_or_nothing():
        before = assigned(ledger)
        students = [entry.student for entry in own_texts(standings(ledger, opened.rules))]
        found = shared_out(students, readers, each, before, opened.secret)
        for student, names in sorted(found.items()):
            if names != before.get(student):
                ledger.decisions.take(when, by, "readers", student, {"readers": names}, why)
    return found


def to_read(opened: OpenResults, by: str, again: bool = False) -> list[Entry]:
    """What is left for a reader, the best first: of the reader's own, or of what nobody was asked to read.

    Args:
        again: What the reader has read, too.

    Raises:
        UserError: Others were asked to read, and this one was not.
    """
    asked = assigned(opened.ledger)
    if names := sorted({name for readers in asked.values() for name in readers}):
        if by not in names:
            raise UserError(f"--by {by}: was not asked to read; {in_words(names)} were, and `assign` asks others")
    return [
        entry
        for entry in own_texts(standings(opened.ledger, opened.rules))
        if by in asked.get(entry.student, [by]) and (again or not is_read(entry, by, opened))
    ]


def own_texts(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Students with texts to read; of a group the one of whoever handed them in, whose points count for all members, or each
    of those who are left where that one has withdrawn."""
    found = [entry for entry in entries if entry.digest and not entry.staff]
    there = {entry.student for entry in found}
    return (entry for entry in found if entry.carrier == entry.student or entry.carrier not in there)


def is_read(entry: Entry, by: str, opened: OpenResults) -> bool:
    """Whether a reader is done with the hand-in that counts; where nobody in particular was asked, that others are is enough."""
    own = entry.student in assigned(opened.ledger) or opened.rules.bonus.readers == "mean"
    given = with_groups(readings(opened.ledger, own), {entry.student: entry.carrier})  # where that one has withdrawn
    found = given.get(entry.student, {}).get(by if own else EVERYBODY)
    return found is not None and not of_earlier(found, entry.digest) and not found.unfinished


def not_final(opened: OpenResults) -> list[str]:
    """A line for each reason why results are not final yet, with how many submissions that is about."""
    ledger, rules, lines = opened.ledger, opened.rules, list[str]()
    entries = [entry for entry in own_texts(standings(ledger, rules)) if not entry.staff]
    for verdict, said in (
        ("pending", "not graded yet"),
        ("infrastructure", "not graded, by a fault that is not theirs"),
    ):
        if count := sum(entry.verdict == verdict for entry in entries):
            lines.append(
                f"{counted(count, 'submission')} {'is' if count == 1 else 'are'} {said}; `run` goes on with that"
            )
    asked = assigned(ledger)
    unread = [
        entry
        for entry in entries
        if not entry.points
        or entry.points["unfinished"]
        or entry.points["earlier"]
        or not all(is_read(entry, by, opened) for by in asked.get(entry.student, ()))
    ]
    if unread and rules.bonus.report + rules.bonus.conclusion:
        lines.append(
            f"report and conclusion of {counted(len(unread), 'submission')} are not read to the end yet; see `review`"
        )
    return lines


def numbers(students: Iterable[str], secret: Secret) -> dict[str, int]:
    """A number for each id, for readers who are not to know whose a text is. Given in order of arrival, it stays."""
    given: dict[str, int] = {}
    taken: set[int] = set()
    for student in students:
        drawn = int.from_bytes(secret.digest("reading", student)[:8], "big")
        while (number := NUMBERS[drawn % len(NUMBERS)]) in taken:
            drawn += 1
        taken.add(number)
        given[student] = number
    return given
