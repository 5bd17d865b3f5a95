"""Near-copies among submissions, for a person to judge: who shares settings, code or sentences that few others have.

Code and texts are compared by winnowed fingerprints (Schleimer, Wilkerson and Aiken 2003, SIGMOD, section 3): any passage
of NOISE + WINDOW - 1 units that two share is found, wherever it stands. Names in code do not count, so that renaming hides nothing.
"""

import hashlib
import io
import keyword
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry, standings
from grader.intake.reports import read_reports
from grader.intake.strict_yaml import StrictYamlError, load
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import document_texts, kept, kept_text
from grader.safe_text import csv_text
from project.support.files import write_atomically

NOISE, WINDOW = 25, 10  # units: characters of a text, tokens of code
RARE_SHARE, RARE_COUNT = 0.1, 3  # what this share of all students have, or so many of them, may still be somebody's own
SHARED = {"config": (0.6, 4), "code": (0.4, 6), "texts": (0.25, 6)}  # least share of the smaller, and least number
NOBODYS_OWN = ("seed_everything", "run")  # sections of a configuration


@dataclass(frozen=True)
class Pair:
    """Two submissions that are alike.

    Attributes:
        what: `config`, `code` or `texts`.
        share: How much the two have in common, of what the one that has less of its own has, in [0, 1].
        count: How many settings or fingerprints that is.
        example: One of the settings, for configurations.
    """

    first: str
    second: str
    what: str
    share: float
    count: int
    example: str = ""


def similar(results: Path, entries: list[Entry]) -> list[Pair]:
    """Pairs that share more than chance explains, the most alike first."""
    features: dict[str, dict[str, set[Any]]] = {what: {} for what in SHARED}
    for entry in entries:
        files, student = kept(results, entry.digest), entry.student
        features["config"][student] = set(settings(files.get("config.yaml", b"")))
        code = "\n".join(kept_text(files, name) for name in sorted(files) if name.endswith(".py"))
        features["code"][student] = fingerprints(list(tokens(code)))
        read = document_texts(results, entry.digest) or {}
        texts = "".join(
            "".join(read.get(file, "") for file in part.files) if part.markdown is None else part.markdown
            for part in read_reports(files).parts.values()
        )
        features["texts"][student] = fingerprints([c for c in texts.lower() if c.isalnum()])
    pairs = [pair for what in SHARED for pair in alike(what, features[what])]
    return sorted(pairs, key=lambda pair: (-pair.share, -pair.count, pair.first, pair.second))


def list_similar(opened: OpenResults) -> str:
    """Write `similar.csv` beside the leaderboard, and return its pairs as lines."""
    pairs = similar(opened.folder, standings(opened.ledger, opened.rules))
    rows = [(p.first, p.second, p.what, f"{p.share:.3f}", p.count, p.example) for p in pairs]
    write_atomically(opened.folder / "similar.csv", csv_text([Pair.__dataclass_fields__, *rows]))
    lines = [f"{p.first}  {p.second}  share {p.share:.0%} of their {p.what}  {p.example}" for p in pairs]
    return "\n".join(lines) or "No two submissions are alike."


def alike(what: str, features: dict[str, set[Any]]) -> Iterator[Pair]:
    """Pairs of students whose rare features overlap."""
    owners = defaultdict(list)
    for student, own in features.items():
        for feature in sorted(own):
            owners[feature].append(student)
    most = max(RARE_COUNT, RARE_SHARE * len(features))
    rare = {feature: students for feature, students in owners.items() if len(students) <= most}
    sizes = Counter(student for students in rare.values() for student in students)
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for feature, students in rare.items():
        for pair in combinations(sorted(students), 2):
            counts[pair] += 1
            if what == "config":
                examples.setdefault(pair, str(feature))
    least_share, least_count = SHARED[what]
    for (first, second), count in counts.items():
        share = count / min(sizes[first], sizes[second])
        if share >= least_share and count >= least_count:
            yield Pair(first, second, what, share, count, examples.get((first, second), ""))


def settings(config: bytes) -> Iterator[str]:
    """A configuration's settings, one `key.key: value` each; none of what cannot be read."""
    try:
        loaded = load(config)
    except StrictYamlError:
        return
    if isinstance(loaded, dict):
        yield from leaves({key: value for key, value in loaded.items() if key not in NOBODYS_OWN})


def leaves(settings: Any, path: str = "") -> Iterator[str]:
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(settings, list):
        for value in settings:
            yield from leaves(value, path)
    else:
        yield f"{path}: {settings!r}"


def tokens(code: str) -> Iterator[str]:
    """Tokens of Python code: all names are alike, all texts are alike, and comments are left out."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.NAME:
                yield token.string if keyword.iskeyword(token.string) else "name"
            elif token.type in (tokenize.OP, tokenize.NUMBER):
                yield token.string
            elif token.type == tokenize.STRING:
                yield "text"
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def fingerprints(units: list[str]) -> set[int]:
    """The smallest hash of NOISE units in each window of WINDOW."""
    hashes = [short_hash(units[start : start + NOISE]) for start in range(len(units) - NOISE + 1)]
    return {min(hashes[start : start + WINDOW]) for start in range(max(0, len(hashes) - WINDOW + 1))}


def short_hash(units: Iterable[str]) -> int:
    """64 bits that are the same in every process."""
    return int.from_bytes(hashlib.blake2b("\0".join(units).encode("utf-8", "replace"), digest_size=8).digest(), "big")
