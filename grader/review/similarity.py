"""Near-copies among submissions, for a person to judge: who shares settings, code or sentences that few others have.

What the course hands out is nobody's own. All else weighs by how rare it is, in bits: what everybody has weighs half a bit, what
one in two has weighs one, what one in 16 or fewer have weighs four. The very same file is told whoever has it. Who is
alike is told in clusters: in one, each is like some other of it.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
AT_ONCE = 4096  # features that are multiplied together


@dataclass(frozen=True)
class Pair:
    """Two submissions that are alike.

    Attributes:
        what: `files`, `config`, `code` or `texts`.
        share: How much the two have in common, of what the one that has less of its own has, in [0, 1]; what is rare weighs
            more.
        count: How many files, settings or fingerprints that is.
        example: One of the settings, for configurations; the files' names.
    """

    first: str
    second: str
    what: str
    share: float
    count: int
    example: str = ""


@dataclass(frozen=True)
class Cluster:
    """Submissions each of which is like another one of them.

    Attributes:
        what, count, example: As of the two that are most alike.
        least, most: The shares of its pairs that are alike.
    """

    students: tuple[str, ...]
    what: str
    least: float
    most: float
    count: int
    example: str


def similar(results: Path, entries: list[Entry], handout: Path | None = None) -> list[Pair]:
    """Pairs that share more than chance explains, the most alike first. A `handout` is nobody's own, either."""
    given = handed_out(handout)
    features: dict[str, dict[str, set[Any]]] = {what: {} for what in SHARED}
    files_of: dict[str, dict[str, str]] = {}
    with Apart("grader.review.submission_features") as apart:
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
    pairs = [*same_files(files_of), *(pair for what in SHARED for pair in alike(what, features[what]))]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.count, pair.first, pair.second))


def asked(apart: Apart, what: str, results: Path, entry: Entry) -> Any:
    """What submission_features reads of a submission; nothing, with a note, where that fails."""
    try:
        return apart.call(what, str(results.absolute()), entry.digest)
    except Failed as error:
        note(f"{entry.student}: {what} not compared, look at it yourself: reading that {error}")
        return {}


def list_similar(opened: OpenResults, handout: Path | None = None) -> str:
    """Write `similar.csv` beside the leaderboard, and return its clusters as lines."""
    found = clusters(similar(opened.folder, standings(opened.ledger, opened.rules), handout))
    rows, lines = [], []
    for each in found:
        together = "; ".join(each.students)
        share = f"{each.most:.0%}" if each.least == each.most else f"{each.least:.0%} to {each.most:.0%}"
        rows.append((together, each.what, f"{each.least:.3f}", f"{each.most:.3f}", each.count, each.example))
        lines.append(f"{together}  share {share} of their {each.what}  {each.example}".rstrip())
    write_atomically(opened.folder / "similar.csv", csv_text([Cluster.__dataclass_fields__, *rows]))
    return "\n".join(lines) or "No two submissions are alike."


def clusters(pairs: list[Pair]) -> list[Cluster]:
    """Pairs of one kind that have somebody in common, together; in the order of their most alike pairs."""
    leader: dict[tuple[str, str], tuple[str, str]] = {}

    def first(member: tuple[str, str]) -> tuple[str, str]:
        while leader.setdefault(member, member) != member:
            leader[member] = leader[leader[member]]
            member = leader[member]
        return member

    for pair in pairs:
        leader[first((pair.what, pair.first))] = first((pair.what, pair.second))
    together: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        together[first((pair.what, pair.first))].append(pair)
    made = []
    for each in together.values():
        best = max(each, key=lambda pair: pair.share)
        shares = [pair.share for pair in each]
        students = sorted({name for pair in each for name in (pair.first, pair.second)})
        made.append(Cluster((*students,), best.what, min(shares), max(shares), best.count, best.example))
    return made


def same_files(files_of: Mapping[str, Mapping[str, str]]) -> Iterator[Pair]:
    """Students who handed in the very same file: of many, each beside the first of them.

    Args:
        files_of: The names of each student's files, by what they hold.
    """
    first_with: dict[str, str] = {}
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for student, files in sorted(files_of.items()):
        for digest, name in files.items():
            if (first := first_with.setdefault(digest, student)) != student:
                same[first, student].append(name)
    for (first, second), names in same.items():
        share = len(names) / min(len(files_of[first]), len(files_of[second]))
        yield Pair(first, second, "files", share, len(names), ", ".join(sorted(names)))


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
