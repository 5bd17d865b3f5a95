"""From what readers gave to the points that count: the last ones, or the mean over readers, as the rules say.

Points are for the hand-in that was read. Where another one counts by now, they stay until somebody reads that one, and it is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from grader.ledger.decision_kinds import POINTS
from grader.ledger.decisions import Decision
from grader.ledger.ledger import Ledger
from grader.rules import PARTS, Criterion, Rules
from grader.safe_text import in_words

Notes = dict[str, dict[str, Decision]]  # by student and reader


@dataclass(frozen=True)
class CriterionPoints:
    """What was given for a criterion; None where nobody has given anything yet."""

    part: str
    criterion: Criterion
    points: float | None


def key(part: str, criterion: Criterion) -> str:
    """What a criterion is called in the ledger, in tables and on the command line."""
    return f"{part}: {criterion.name}"


def readers_notes(ledger: Ledger) -> Notes:
    """What each reader gave last."""
    found: Notes = {}
    for note in ledger.decisions.all_in_force(POINTS):
        found.setdefault(note.student, {})[note.by] = note
    return found


def points_that_count(ledger: Ledger, rules: Rules) -> dict[str, dict[str, Any]]:
    """By student: at, by, report, conclusion, comment, by `key` the criteria, which parts were `given` points, and in `read`
    by part the digests of the hand-ins that were read for them.

    None is more than the rules of now allow, whatever those allowed by which it was given.
    """
    if rules.bonus.readers == "mean":
        found = {student: mean([*notes.values()]) for student, notes in readers_notes(ledger).items()}
    else:
        found = ledger.points()
        for given in found.values():
            given["read"] = {part: [digest] for part, digest in given.get("read", {}).items()}
    most = {part: getattr(rules.bonus, part) for part in PARTS}
    return {s: {**given, **{part: min(given[part], most[part]) for part in PARTS}} for s, given in found.items()}


def of_hand_in(given: dict[str, Any], digest: str) -> dict[str, Any]:
    """Points that count, for a hand-in: which parts of them are for an `earlier` one, in place of what was `read`."""
    earlier = [part for part in PARTS if {*given["read"].get(part, [])} - {digest}]
    return {name: each for name, each in given.items() if name != "read"} | {"earlier": earlier}


def of_earlier(note: Mapping[str, Any], digest: str) -> list[str]:
    """The parts that a reader's note has points of for another hand-in than this one; of a note that does not say what was
    read, none."""
    return [part for part in PARTS if part in note and note.get("read", {}).get(part, digest) != digest]


def mean(notes: Sequence[Decision]) -> dict[str, Any]:
    """The mean of several readers' points, over those who gave any, and what all of them say."""
    criteria: dict[str, list[float]] = {}
    for note in notes:
        for name, points in note.value.get("criteria", {}).items():
            criteria.setdefault(name, []).append(points)
    given = {part: [note.value[part] for note in notes if part in note.value] for part in PARTS}
    means = {name: fmean(points) for name, points in criteria.items()}
    of_criteria = {part: [each for name, each in means.items() if name.startswith(f"{part}: ")] for part in PARTS}
    comments = dict.fromkeys(note.value.get("comment", "") for note in notes)
    return {
        "at": max(note.at for note in notes),
        "by": in_words(sorted(note.by for note in notes)),
        # Of criteria the sum of their means: one reader may leave out what another gives points for.
        **{part: round(sum(of_criteria[part]) or fmean(points or [0.0]), 2) for part, points in given.items()},
        "given": [part for part, points in given.items() if points],
        "comment": "\n\n".join(filter(None, comments)),
        "criteria": {name: round(each, 2) for name, each in means.items()},
        "read": {
            part: [note.value["read"][part] for note in notes if part in note.value.get("read", {})] for part in PARTS
        },
    }


def by_criterion(points: dict[str, Any], rules: Rules) -> list[CriterionPoints]:
    """The points of the rules' criteria, in their order."""
    given = points.get("criteria", {})
    return [
        CriterionPoints(part, each, given.get(key(part, each)))
        for part in PARTS
        for each in getattr(rules.bonus.rubric, part)
    ]


def far_apart(ledger: Ledger, rules: Rules) -> list[str]:
    """A line for each text of which readers think differently by more than the rules let pass untold."""
    lines = []
    for student, notes in sorted(readers_notes(ledger).items()) if rules.bonus.readers == "mean" else ():
        for part in PARTS:
            given = {by: note.value[part] for by, note in sorted(notes.items()) if part in note.value}
            if given and max(given.values()) - min(given.values()) > rules.bonus.far_apart:
                said = ", ".join(f"{by} gives {points:g}" for by, points in given.items())
                lines.append(f"{student}: readers are far apart about the {part}: {said}")
    return lines
