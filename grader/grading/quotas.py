"""How often a student may practise: trained attempts count, by the day in the rules' time zone.

Where neither a roster nor an account tells who somebody is, an id is what a student.yaml says. So attempts count under all
ids that the hand-in of one place had, and where ids and places change together, that is told.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from grader.grading.hand_ins import zone_of
from grader.ledger.ledger import Ledger
from grader.rules import Practice, Rules
from project.support.errors import UserError

TODAY, IN_ALL = "today's practice is used", "all practice is used"

Runs = Sequence[tuple[str, Mapping[str, str]]]  # of each the folder, and where each student's hand-in lay


@dataclass(frozen=True)
class Quota:
    """What a student has of practice.

    Attributes:
        used: How many attempts were trained.
        in_all: How many may be; None for any number.
        said: Why another one would not be trained now; empty where it would.
        next_day: When the next one is trained; None where that is now, or never.
        also: Other ids whose attempts count with the student's.
    """

    used: int
    in_all: int | None
    said: str = ""
    next_day: datetime | None = None
    also: tuple[str, ...] = ()


def used_up(days: Sequence[date], today: date, practice: Practice) -> str:
    """Why another attempt would not be trained, of whom these days saw trained attempts; empty where it would."""
    if practice.in_all is not None and len(days) >= practice.in_all:
        return IN_ALL
    return TODAY if practice.per_day is not None and days.count(today) >= practice.per_day else ""


def quota(ledger: Ledger, student: str, rules: Rules, now: datetime, also: Collection[str] = ()) -> Quota:
    """What a student in the ledger has of practice, when the attempts of some other ids count, too."""
    zone, trained = zone_of(rules), dict[str, str]()
    for each in (student, *also):
        trained |= ledger.first_taken_in(each, trained=True)
    days = [datetime.fromisoformat(when).astimezone(zone).date() for when in trained.values()]
    today = now.astimezone(zone).date()
    said = used_up(days, today, rules.practice)
    tomorrow = datetime.combine(today + timedelta(days=1), time(), zone)
    end = ends(rules)
    following = tomorrow if said == TODAY and not (end and tomorrow > end) else None
    return Quota(len(days), rules.practice.in_all, said, following, tuple(sorted(also)))


def was_trained(ledger: Ledger, student: str, digest: str) -> bool:
    """Whether an attempt was, under this id: it costs nothing to hand it in again."""
    return digest in ledger.first_taken_in(student, trained=True)


def ids_by_place(runs: Runs) -> dict[str, list[set[str]]]:
    """By place, of each run the ids that the hand-in there had."""
    found: dict[str, list[set[str]]] = {}
    for _, hand_ins in runs:
        there: dict[str, set[str]] = {}
        for student, lay in hand_ins.items():
            there.setdefault(lay, set()).add(student)
        for lay, students in there.items():
            found.setdefault(lay, []).append(students)
    return found


def same_place(
    places: Mapping[str, Sequence[set[str]]], student: str, place: str, present: Collection[str]
) -> set[str]:
    """Other ids that the hand-in of this place had, alone, in earlier runs. Not of those who are `present` now: then what lies
    where has changed, and not who it is.

    Args:
        places: Of these runs, as `ids_by_place` gives them.
    """
    others = (there for there in places.get(place, ()) if student not in there)
    return {other for there in others for other in there if other not in present}


def said_of_renamed(runs: Runs, folder: str, untold: Mapping[str, str], present: Mapping[str, str]) -> str:
    """A line where ids are new in a folder while others are gone from it, and nothing but the hand-ins says whose they are:
    who has changed both id and place has a new quota. Empty without any.

    Args:
        runs: Those before this one.
        untold: By id, where the hand-ins lie of those whom neither roster nor account tells.
        present: The same of everybody in this run.
    """
    before = {student: lay for where, hand_ins in runs if where == folder for student, lay in hand_ins.items()}
    gone = sorted(each for each, lay in before.items() if each not in present and lay not in present.values())
    new = sorted(each for each, lies in untold.items() if each not in before and lies not in before.values())
    if not gone or not new:
        return ""
    who = f"new in this folder: {', '.join(new)}; gone from it: {', '.join(gone)}"
    return f"{who}. If that is one under another name, there is a new quota for it; with a roster there is none"


def ends(rules: Rules) -> datetime | None:
    """When practice does: at its own date, or the deadline."""
    return min(filter(None, (rules.practice.until, rules.deadline)), default=None)


def check_open(rules: Rules, now: datetime) -> None:
    """Raise UserError where practice has ended."""
    if (end := ends(rules)) and now > end:
        raise UserError(f"--round practice: ended at {end.isoformat()}; grade the final round, or set practice.until")
