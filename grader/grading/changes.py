"""What other rules or a decision change: whose verdict, grade and rank, by how much and why."""

from collections.abc import Iterator
from dataclasses import dataclass

from grader.grading.attempts import once
from grader.grading.ranking import Entry, judged, standings
from grader.grading.text_table import as_table
from grader.grading.verdicts import pending_trainings
from grader.ledger.ledger import Ledger
from grader.rules import Rules
from project.support.wording import counted

COLUMNS = ("student", "verdict", "total", "by", "rank", "why")
OTHERS = "others' places change"
GONE = "is not on the leaderboard any more"


@dataclass(frozen=True)
class State:
    """All that verdicts and grades come to at one moment.

    Attributes:
        entries: Everybody's, by id, in the order of the leaderboard.
        wanted: As `wanted_by_all` gives it.
    """

    entries: dict[str, Entry]
    wanted: dict[str, int]


def state(ledger: Ledger, rules: Rules) -> State:
    """What the ledger comes to by these rules."""
    return State({entry.student: entry for entry in standings(ledger, rules)}, wanted_by_all(ledger, rules))


def wanted_by_all(ledger: Ledger, rules: Rules) -> dict[str, int]:
    """By id, how many trainings the next run makes, for a group once; without those that want none."""
    each = once(graded for graded, _ in judged(ledger, rules))
    wanted = {graded.student: len(pending_trainings(graded, rules)) for graded in each}
    return {student: count for student, count in wanted.items() if count}


def changes(before: State, after: State) -> list[list[str]]:
    """A row under COLUMNS for each student whose verdict, total or rank changes, in the order of the new leaderboard; last
    whoever is on it no more."""
    rows = []
    for student, new in after.entries.items():
        old = before.entries.get(student, new)
        if (old.verdict, old.total, old.rank, old.staff) == (new.verdict, new.total, new.rank, new.staff):
            continue
        by = "" if old.total is None or new.total is None else f"{new.total - old.total:+.2f}"
        shown = ((each.verdict, points(each.total), str(each.rank or "-")) for each in (old, new))
        verdict, total, rank = (a if a == b else f"{a} -> {b}" for a, b in zip(*shown))
        rows.append([student, verdict, total, by, rank, why(old, new)])
    gone = [old for student, old in before.entries.items() if student not in after.entries]
    return rows + [
        [old.student, f"{old.verdict} -> -", points(old.total), "", str(old.rank or "-"), GONE] for old in gone
    ]


def why(old: Entry, new: Entry) -> str:
    """What the new grade is made of and the old one was not, or the other way around."""
    was, now = [*parts(old)], [*parts(new)]
    if came := [each for each in now if each not in was]:
        return "; ".join(came)
    return "; ".join(f"no more: {each}" for each in was if each not in now) or OTHERS


def parts(entry: Entry) -> Iterator[str]:
    """What made a verdict and a grade, part by part."""
    if entry.staff:
        yield "staff: without a rank, and in no gradebook"
    if entry.own_reason:
        yield entry.own_reason
    if made := entry.grade:
        yield f"{made.accuracy:.2f} for the accuracy"
        if made.penalty:
            yield f"-{made.penalty:.2f} for {counted(made.days_late - made.days_free, 'late day')}"
        if entry.points:
            yield f"{made.bonus:.2f} for the texts"


def points(total: float | None) -> str:
    return "-" if total is None else f"{total:.2f}"


def in_words(before: State, after: State) -> str:
    """The changes as a table, and the trainings that are wanted only now."""
    rows = changes(before, after)
    told = [row for row in rows if row[-1] != OTHERS]
    said = [as_table(COLUMNS, told)] if told else [] if rows else ["No verdict, grade or rank changes."]
    if moved := len(rows) - len(told):
        said.append(
            f"{counted(moved, 'other')} {'moves' if moved == 1 else 'move'} to another rank, with the same grade."
        )
    more = {student: count for student, count in after.wanted.items() if count > before.wanted.get(student, 0)}
    if trainings := next_trainings(more):
        said.append(trainings)
    return "\n\n".join(said)


def next_trainings(wanted: dict[str, int]) -> str:
    """What the next run trains; empty for nothing."""
    made = f"The next run makes {counted(sum(wanted.values()), 'training')}: {', '.join(wanted)}"
    return made if wanted else ""
