"""Near-copies among submissions, for a person to judge: who shares settings, code or sentences that few others have.

What the course hands out is nobody's own. All else weighs by how rare it is, in bits: what everybody has weighs half a bit, what
one in two has weighs one, what one in 16 or fewer have weighs four. The very same file is told whoever has it. Who is
alike is told in clusters: in one, each is like each other. Who is like several who are not like each other is told apart, for
a text that holds everybody's makes nobody else a copier.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from grader.apart import Apart, Failed
from grader.grading.ranking import Entry, standings
from grader.ledger.results_folder import OpenResults
from grader.review.handed_out import handed_out, settings
from grader.safe_text import csv_text
from project.support.errors import note
from project.support.files import write_atomically

WHOLE_CLASS = 30  # a smaller one says as little about what is rare as one of so many does
MOST_BITS, LEAST_BITS = 4.0, 0.5
SHARED = {"config": (0.6, 13), "code": (0.4, 21), "texts": (0.25, 21)}  # least share of the smaller, and least bits
BRIDGE = 3  # so many who are not like each other; of fewer, each is in a cluster of two
MOST_SECONDS = 10  # of a CPU's time for reading a piece; the costliest that is honest takes two
AT_ONCE = 4096  # features that are multiplied together


@dataclass(frozen=True)
class Pair:
    """Two submissions that are alike.

    Attributes:
        what: `config`, `code` or `texts`.
        share: How much the two have in common, of what the one that has less of its own has, in [0, 1]; what is rare weighs
            more.
        count: How many files, settings or fingerprints that is.
        example: One of the settings, for configurations.
    """

    first: str
    second: str
    what: str
    share: float
    count: int
    example: str = ""


@dataclass(frozen=True)
class Cluster:
    """Submissions each of which is like each other one; or, where there is a bridge, like that.

    Attributes:
        what: `files`, `config`, `code` or `texts`.
        least, most: The shares of its pairs; of a bridge, with each of the others.
        count, example: As of the two that are most alike; of files, how many all have, and their names; of a bridge, the
            example is the share with each of the others.
        bridge: Who of them is like the others, though these are not like each other. What they have of each other's, if
            they do, is told in other clusters.
    """

    students: tuple[str, ...]
    what: str
    least: float
    most: float
    count: int
    example: str
    bridge: str = ""


def similar(results: Path, entries: list[Entry], handout: Path | None = None) -> list[Cluster]:
    """Those who share more than chance explains, the most alike first. A `handout` is nobody's own, either."""
    given = handed_out(handout)
    features: dict[str, dict[str, set[Any]]] = {what: {} for what in SHARED}
    files_of: dict[str, dict[str, str]] = {}
    with Apart("grader.review.submission_features", seconds=MOST_SECONDS) as apart:
        for entry in entries:
            read = {what: asked(apart, what, results, entry) for what in (*SHARED, "files")}
            read["config"] = settings(read["config"])
            for what in SHARED:
                features[what][entry.student] = set(read[what]) - given.features[what]
            files_of[entry.student] = {
                digest: name
                for digest, name in read["files"].items()
                if digest not in given.files and (name != "config.yaml" or features["config"][entry.student])
            }
    found = [*same_files(files_of), *(each for what in SHARED for each in clusters([*alike(what, features[what])]))]
    return sorted(found, key=lambda each: (-each.most, -each.count, each.students))


def asked(apart: Apart, what: str, results: Path, entry: Entry) -> Any:
    """What submission_features reads of a submission; nothing, with a note, where that fails."""
    try:
        return apart.call(what, str(results.absolute()), entry.digest)
    except Failed as error:
        note(f"{entry.student}: {what} not compared, look at it yourself: reading that {error}")
        return {}


def list_similar(opened: OpenResults, handout: Path | None = None) -> str:
    """Write `similar.csv` beside the leaderboard, and return its clusters as lines."""
    found = similar(opened.folder, standings(opened.ledger, opened.rules), handout)
    rows, lines = [], []
    for each in found:
        together = "; ".join(each.students)
        share = f"{each.most:.0%}" if each.least == each.most else f"{each.least:.0%} to {each.most:.0%}"
        numbers = f"{each.least:.3f}", f"{each.most:.3f}", each.count
        rows.append((together, each.what, *numbers, each.example, each.bridge))
        if each.bridge:
            others = "; ".join(student for student in each.students if student != each.bridge)
            lines.append(
                f"{each.bridge}  shares {share} of its {each.what} with several who are not like each other: {others}"
            )
        else:
            lines.append(f"{together}  share {share} of their {each.what}  {each.example}".rstrip())
    write_atomically(opened.folder / "similar.csv", csv_text([Cluster.__dataclass_fields__, *rows]))
    return "\n".join(lines) or "No two submissions are alike."


def clusters(pairs: list[Pair]) -> list[Cluster]:
    """Pairs of one kind in clusters of which each is like each other, and one for each bridge: every pair is in one of them.

    Someone may be in several. A cluster is begun with the most alike two that are in none, and takes in whoever is like all of
    it, the most alike to these two first; the largest possible ones would take exponential time to find.
    """
    by_two = {frozenset((pair.first, pair.second)): pair for pair in pairs}
    like: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        like[pair.first].add(pair.second)
        like[pair.second].add(pair.first)
    found = [made([by_two[frozenset((each, other))] for other in like[each]], each) for each in sorted(bridges(like))]
    for each in [cluster.bridge for cluster in found]:
        for other in like.pop(each):
            like[other].discard(each)
    apart = {student: set(others) for student, others in like.items()}  # pairs that are in no cluster yet
    for pair in sorted(pairs, key=lambda pair: (-pair.share, pair.first, pair.second)):
        if pair.second not in apart.get(pair.first, ()):
            continue
        together, candidates = [pair.first, pair.second], like[pair.first] & like[pair.second]

        def nearness(student: str, two: tuple[str, ...] = (pair.first, pair.second)) -> float:
            return min(by_two[frozenset((student, each))].share for each in two)

        for student in sorted(candidates, key=lambda each: (-nearness(each), each)):
            if student in candidates:
                together.append(student)
                candidates &= like[student]
        for student in together:
            apart[student] -= {*together}
        found.append(made([by_two[frozenset(two)] for two in combinations(together, 2)]))
    return found


def made(pairs: list[Pair], bridge: str = "") -> Cluster:
    best = max(pairs, key=lambda pair: pair.share)
    shares = [pair.share for pair in pairs]
    students = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    example = best.example
    if bridge:
        with_each = {pair.second if pair.first == bridge else pair.first: pair.share for pair in pairs}
        example = ", ".join(f"{other} {share:.0%}" for other, share in sorted(with_each.items()))
    return Cluster((*students,), best.what, min(shares), max(shares), best.count, example, bridge)


def bridges(like: Mapping[str, set[str]]) -> set[str]:
    """Who is like BRIDGE others or more of whom no two are like each other."""
    found = set()
    for student, others in like.items():
        unlike: list[str] = []
        for other in sorted(others, key=lambda each: (len(like[each]), each)):  # other bridges last
            if not like[other] & {*unlike}:
                unlike.append(other)
            if len(unlike) == BRIDGE:
                found.add(student)
                break
    return found


def same_files(files_of: Mapping[str, Mapping[str, str]]) -> Iterator[Cluster]:
    """Students who handed in the very same file, with all files that these have in common.

    Args:
        files_of: The names of each student's files, by what they hold.
    """
    having: dict[str, list[str]] = defaultdict(list)
    for student, files in sorted(files_of.items()):
        for digest in files:
            having[digest].append(student)
    for students in sorted({tuple(each) for each in having.values() if len(each) > 1}):
        common = set.intersection(*({*files_of[student]} for student in students))
        sizes = sorted(len(files_of[student]) for student in students)
        names = ", ".join(sorted(files_of[students[0]][digest] for digest in common))
        # A share is of the one of two that has fewer: the least is that of the two that have most.
        yield Cluster(students, "files", len(common) / sizes[-2], len(common) / sizes[0], len(common), names)


def alike(what: str, features: Mapping[str, set[Any]]) -> Iterator[Pair]:
    """Pairs of students whose own features overlap. The time grows with the features, and with the square of the students."""
    students = sorted(features)
    owners = defaultdict(list)
    for number, student in enumerate(students):
        for feature in features[student]:
            owners[feature].append(number)
    bits = {feature: rarity(len(having), len(students)) for feature, having in owners.items()}
    whole_S = np.array([math.fsum(bits.get(feature, 0) for feature in features[student]) for student in students])
    shared_SS = np.zeros((len(students), len(students)), np.float32)
    owned_twice = [feature for feature in bits if len(owners[feature]) > 1]
    for start in range(0, len(owned_twice), AT_ONCE):
        some = owned_twice[start : start + AT_ONCE]
        weights_SF = np.zeros((len(students), len(some)), np.float32)
        for column, feature in enumerate(some):
            weights_SF[owners[feature], column] = math.sqrt(bits[feature])
        shared_SS += weights_SF @ weights_SF.T

    def rarest(common: set[Any]) -> str:
        return str(min(common, key=lambda feature: (-bits[feature], feature)))

    least_share, least_bits = SHARED[what]
    share_SS = shared_SS / np.maximum(np.minimum(whole_S[:, None], whole_S), 1)
    for one, other in np.argwhere(np.triu((share_SS >= least_share) & (shared_SS >= least_bits), 1)):
        first, second = students[one], students[other]
        common = features[first] & features[second] & bits.keys()
        share = min(1.0, float(share_SS[one, other]))
        yield Pair(first, second, what, share, len(common), rarest(common) if what == "config" else "")


def rarity(having: int, students: int) -> float:
    """How much it says, in bits, that one has what so many of so many have."""
    return min(MOST_BITS, max(LEAST_BITS, math.log2(max(students, WHOLE_CLASS) / having)))
