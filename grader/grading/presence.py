"""Who is in the downloads of which run: what is the same download under another id, and whose is there no more."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import PurePath

from grader.intake.identity import ALONE, refused_ids
from grader.intake.roster import mended, plain
from grader.safe_text import printable

NO_MORE = "is no more among the downloads that it was in"
CAME_ANEW = "a download of the same name came later as {}"

Noted = Mapping[str, Sequence[str]]  # of each student, the flags of what was handed in last
Called = Mapping[str, Set[tuple[str, str]]]  # by id, what others call its student; nobody whom others never told
Runs = Sequence[tuple[str, Mapping[str, str]]]  # of each the folder, and where each student's hand-in lay


@dataclass(frozen=True)
class Presence:
    """What the runs tell.

    Attributes:
        superseded: By id, under which other one the same download was handed in later: the earlier id counts no more.
        flags: By id, what a person should look at.
    """

    superseded: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)


def presence(runs: Runs, noted: Noted | None = None, called: Called | None = None) -> Presence:
    """What later runs tell of who was in earlier ones.

    A run over another folder, such as another part of the class, tells nothing of who was never in that folder. Where the
    download of one is another's now, that was a change of the id only if that one came from nowhere else, and if the earlier
    id is said by nobody, nor by others than its student: of a group, whoever is in another one now stays who it was. But
    whom an account told, and now the roster, is one, for both call the account the same, and so is whose id on the roster was
    mended, from `20260001.0` or `2026-0001`.
    """
    known = {student: {(kind, as_one(text)) for kind, text in names} for student, names in (called or {}).items()}
    stays = {student for student, flags in (noted or {}).items() if ALONE in flags}
    stays |= refused_ids(flag for flags in (noted or {}).values() for flag in flags)
    last, last_over = (
        dict[str, int](),
        dict[str, int](),
    )  # the number of the last run with each student, over each folder
    at, named_so = (
        dict[str, list[tuple[int, str]]](),
        dict[str, list[tuple[int, str]]](),
    )  # whose is there, or is called so
    for number, (folder, hand_ins) in enumerate(runs):
        last_over[folder] = number
        for student, place in hand_ins.items():
            last[student] = number
            at.setdefault(place, []).append((number, student))
            named_so.setdefault(PurePath(place).name, []).append((number, student))
    found = Presence()
    for student, number in last.items():
        before = runs[number][1]
        place, later = before[student], [folder for folder, when in last_over.items() if when > number]
        with_it = {other for _, other in at[place] if before.get(other) == place}  # who handed it in together, then
        others = [one for one in since(number, at[place]) if one[1] not in with_it]
        if student in known:
            others = [one for one in others if known[student] & known.get(one[1], set())]
        same = (other for when, other in others if came_from(runs[:when], other, place) == place)
        if student not in stays and (new := next(same, "")):
            found.superseded[student] = new
        elif any(PurePath(place).is_relative_to(folder) for folder in later):
            found.flags[student] = NO_MORE
        elif named := next(
            (other for _, other in since(number, named_so[PurePath(place).name]) if other not in with_it), ""
        ):
            found.flags[student] = CAME_ANEW.format(named)
    return found


def as_one(text: str) -> str:
    """What somebody is called, whatever a spreadsheet or a hyphen made of it."""
    return plain(mended(text))


def since(number: int, those: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Of numbers of runs, in their order, and ids those after a run, the last one first."""
    return takewhile(lambda one: one[0] > number, reversed(those))


def came_from(runs: Runs, student: str, place: str) -> str:
    """Where in the same folder a student's hand-in lay before; `place` where there was none."""
    lay = [hand_ins[student] for _, hand_ins in runs if student in hand_ins]
    return next((each for each in reversed(lay) if PurePath(each).parent == PurePath(place).parent), place)


def held(runs: Runs, sources: Mapping[str, str]) -> dict[str, str]:
    """The ids that are somebody's, and where the hand-in under each lay; its name where no run is known.

    Args:
        sources: By id, the names of what was handed in.
    """
    lay = {student: place for _, hand_ins in runs for student, place in hand_ins.items()}
    return {student: lay.get(student, source) for student, source in sources.items()}


def said_of_others(
    runs: Runs, handed_in: Mapping[str, str], noted: Noted, called: Called | None = None
) -> Iterator[str]:
    """Lines about who was in an earlier run, and is not in the last one.

    Args:
        handed_in: By id, the names of what was handed in.
    """
    if not runs:
        return
    found, now = presence(runs, noted, called), runs[-1][1]
    for old, new in found.superseded.items():
        if new in now:
            came = f"{printable(PurePath(now[new]).name)} came as {new} now, and {old} is on no list any more"
            yield f"{old}: {came}; points and decisions of {old} are not {new}'s, unless you give them again"
    absent = sorted({*handed_in} - {*now} - {*found.superseded})
    if absent:
        yield f"in none of these downloads, with the results of an earlier run: {', '.join(absent)}"
