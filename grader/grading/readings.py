"""From what readers gave to the points that count: the last ones, or the mean over readers, as the rules say.

A note holds what its reader gave, and nothing of earlier notes. What counts is put together from all notes in force whenever
somebody looks: of each thing what each reader gave last. So a note that is taken back is as if it had never been given.

Points are for the hand-in that was read. Where another one counts by now, they stay until somebody reads that one, and it is told.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from grader.ledger.decision_kinds import POINTS
from grader.ledger.decisions import Decision
from grader.ledger.ledger import Ledger
from grader.rules import PARTS, Criterion, Rules
from grader.safe_text import in_words

EVERYBODY = ""  # in a reader's place, where it does not matter which of them gave it


@dataclass(frozen=True)
class CriterionPoints:
    """What was given for a criterion; None where nobody has given anything yet."""

    part: str
    criterion: Criterion
    points: float | None


@dataclass
class ReaderPoints:
    """What a reader's notes about a student come to: of each thing what was given last.

    Attributes:
        at: When the last one was given.
        points: For parts as a whole, and by `key` for criteria.
        by: By the same names, who gave them.
        comments: Who said what, if anybody did.
        read: By part, the digest of the hand-in that was read.
        unfinished: Whether the reader stopped in the middle of the last one.
    """

    at: str = ""
    points: dict[str, float] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    unfinished: bool = False

    def add(self, note: Decision) -> None:
        """Add a later note."""
        self.at = note.at
        given = points_in(note.value)
        self.points |= given
        self.by |= dict.fromkeys(given, note.by)
        if comment := note.value.get("comment"):
            self.comments = {note.by: comment}
        self.read |= note.value.get("read", {})
        self.unfinished = note.value.get("unfinished", False)

    def over(self, group: "ReaderPoints", own: Collection[str]) -> "ReaderPoints":
        """A member's points over the group's, of which those by `own` names do not count for the member."""
        names = group.points.keys() - own
        read = {*self.parts, *self.read}
        return ReaderPoints(
            max(self.at, group.at),
            {name: group.points[name] for name in names} | self.points,
            {name: group.by[name] for name in names} | self.by,
            self.comments or group.comments,
            group.read | self.read,
            self.unfinished or group.unfinished and not read.issuperset(PARTS),
        )

    @property
    def parts(self) -> list[str]:
        """Those that points were given for, as a whole or by a criterion."""
        return [part for part in PARTS if any(name.partition(":")[0] == part for name in self.points)]


Readings = dict[str, dict[str, ReaderPoints]]  # by student and reader


def key(part: str, criterion: Criterion) -> str:
    """What a criterion is called in the ledger, in tables and on the command line."""
    return f"{part}: {criterion.name}"


def points_in(note: Mapping[str, Any]) -> dict[str, float]:
    """What a note gives, for parts as a whole and by `key` for criteria."""
    return {**{part: note[part] for part in PARTS if part in note}, **note.get("criteria", {})}


def things_in(note: Mapping[str, Any]) -> list[str]:
    """What a note is about: points, a comment, and parts that were read."""
    return [
        *points_in(note),
        *(["comment"] if note.get("comment") else []),
        *(f"read {part}" for part in note.get("read", {})),
    ]


def readings(ledger: Ledger, each_reader: bool = True) -> Readings:
    """What each reader gave; or, of EVERYBODY, what was given last by whomever."""
    found: Readings = {}
    for note in ledger.decisions.all_in_force(POINTS):
        by = note.by if each_reader else EVERYBODY
        found.setdefault(note.student, {}).setdefault(by, ReaderPoints()).add(note)
    return found


def points_that_count(
    ledger: Ledger, rules: Rules, carriers: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """By student: at, by, report, conclusion, comment, by `key` the criteria, in `given` who gave points for which part, in
    `read` by part the digests of the hand-ins that were read for them, and whether a reader's last reading is `unfinished`.

    None is more than the rules of now allow, whatever those allowed by which it was given.

    Args:
        carriers: By student, who handed in for the group: a member has the group's points but for what is its own.
    """
    found = with_groups(readings(ledger, rules.bonus.readers == "mean"), carriers or {})
    return {student: together([*each.values()], rules) for student, each in found.items()}


def with_groups(found: Readings, carriers: Mapping[str, str]) -> Readings:
    """What each reader gave, and of members of groups also what was given to whoever handed in, of what they have none of."""
    of_members = {
        student: over_groups(found.get(student, {}), found[carrier])
        for student, carrier in carriers.items()
        if student != carrier and carrier in found
    }
    return found | of_members


def over_groups(own: Mapping[str, ReaderPoints], groups: Mapping[str, ReaderPoints]) -> dict[str, ReaderPoints]:
    """What a member was given by each reader, and what the group was of what nobody gave the member."""
    names = {name for each in own.values() for name in each.points}
    nothing = ReaderPoints()
    return {by: own.get(by, nothing).over(groups.get(by, nothing), names) for by in {**groups, **own}}


def together(found: Sequence[ReaderPoints], rules: Rules) -> dict[str, Any]:
    """The points that count, of what these readers gave: means over those who gave any.

    Of criteria it is the sum of their means, for one reader may leave out what another gives points for.
    """
    digits = 2 if rules.bonus.readers == "mean" else 15
    made: dict[str, Any] = {"criteria": {}, "given": {}, "read": {}}
    for part in PARTS:
        gave = [(reader, points) for reader in found if (points := counted(reader, part, rules))]
        wholes = [points[part] for _, points in gave if part in points]
        names = [key(part, each) for each in getattr(rules.bonus.rubric, part)]
        by_name = {name: [points[name] for _, points in gave if name in points] for name in names}
        means = {name: fmean(points) for name, points in by_name.items() if points}
        by_readers = wholes + [sum(means.values())] * (len(gave) - len(wholes))
        made[part] = round(min(fmean(by_readers), getattr(rules.bonus, part)), digits) if gave else 0.0
        made["criteria"] |= {name: round(points, digits) for name, points in means.items()}
        if gave:
            made["given"][part] = in_words(sorted({by for each in gave for by in givers(*each)}))
        made["read"][part] = [reader.read[part] for reader, _ in gave if part in reader.read]
    who = {name for reader in found for name in (*reader.by.values(), *reader.comments) if name}
    comments = dict.fromkeys(said for reader in found for said in reader.comments.values())
    made["unfinished"] = any(reader.unfinished for reader in found)
    made |= {"at": max(reader.at for reader in found), "by": in_words(sorted(who)), "comment": "\n\n".join(comments)}
    return made


def givers(reader: ReaderPoints, points: Mapping[str, float]) -> set[str]:
    """Who gave these points, which may be for a whole of criteria that the rules have no more."""
    names = [name for each in points for name in reader.by if name == each or name.startswith(f"{each}: ")]
    return {reader.by[name] for name in names if reader.by[name]}


def counted(reader: ReaderPoints, part: str, rules: Rules) -> dict[str, float]:
    """Of what a reader gave for a part what counts by these rules: points for the rubric's criteria, or else for the whole.

    Where the rules have no rubric any more, the whole is what its criteria were given.
    """
    most = {key(part, each): each.points for each in getattr(rules.bonus.rubric, part)}
    if known := {name: min(reader.points[name], most[name]) for name in most if name in reader.points}:
        return known
    of_no_rubric = [points for name, points in reader.points.items() if name.startswith(f"{part}: ") and not most]
    whole = reader.points.get(part, sum(of_no_rubric) if of_no_rubric else None)
    return {} if whole is None else {part: min(whole, getattr(rules.bonus, part))}


def of_hand_in(given: dict[str, Any], digest: str) -> dict[str, Any]:
    """Points that count, for a hand-in: which parts of them are for an `earlier` one, in place of what was `read`."""
    earlier = [part for part in PARTS if {*given["read"].get(part, [])} - {digest}]
    return {name: each for name, each in given.items() if name != "read"} | {"earlier": earlier}


def of_earlier(reader: ReaderPoints, digest: str) -> list[str]:
    """The parts that a reader gave points of for another hand-in than this one; where it is not known what was read, none."""
    return [part for part in reader.parts if reader.read.get(part, digest) != digest]


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
    for student, found in sorted(readings(ledger).items()) if rules.bonus.readers == "mean" else ():
        alone = {by: together([reader], rules) for by, reader in sorted(found.items())}
        for part in PARTS:
            given = {by: each[part] for by, each in alone.items() if part in each["given"]}
            if given and max(given.values()) - min(given.values()) > rules.bonus.far_apart:
                said = ", ".join(f"{by} gives {points:g}" for by, points in given.items())
                lines.append(f"{student}: readers are far apart about the {part}: {said}")
    return lines
