"""What a student is told of a submission and of its network, by language: each sentence has its twin in Korean.

These are the findings of the checks, the census's remarks and evidence, and the lines of `check`. They quote what a student
named, so they are for that student alone; what anybody may read is in `public_korean`.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import yaml

from grader.intake.checks import Finding
from grader.publish.sentences import SLOT, one_of, pattern

Kind = Literal["where", "what", "mend", "census", "evidence", "check"]
KOREAN: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
WORDS = KOREAN.pop("words")
FREE = (
    "text",
    "more",
    "name",
    "names",
    "numbers",
    "value",
    "offered",
    "families",
    "duration",
)  # places for more than one word
UNITS = {"day": "일", "hour": "시간", "minute": "분", "second": "초"}
MORE = re.compile(r" \(and (\d+) more\)$")


def told(text: str, kind: Kind, language: str) -> str:
    """A text of a kind in a language; the text itself where it is none of those that are known."""
    return text if language == "en" else in_korean(text, kind) or text


def told_finding(finding: Finding, language: str) -> Finding:
    """A finding in a language, each of its parts that is known."""
    where, what = told(finding.where, "where", language), told(finding.what, "what", language)
    return replace(finding, where=where, what=what, mend=told(finding.mend, "mend", language))


def in_one_line(finding: Finding, language: str) -> str:
    """A finding that has been told in a language, as that writes it."""
    return str(finding) if language == "en" else f"{finding.where}: {finding.what}. {finding.mend}"


def told_line(line: str, language: str) -> str:
    """The same of a finding that has become a line, such as a reason or a warning."""
    return line if language == "en" else finding_in_korean(line) or line


def told_evidence(evidence: str, language: str) -> str:
    """What shows a strategy; of an initialization there may be several things, with commas between."""
    if language == "en":
        return evidence
    parts = [in_korean(part, "evidence") for part in evidence.split(", ")]
    return ", ".join(filter(None, parts)) if all(parts) else in_korean(evidence, "evidence") or evidence


def finding_in_korean(line: str) -> str | None:
    """A finding's line (`Finding.__str__`), perhaps with how many more there are; None where no such line is known."""
    rest = MORE.search(line)
    for said, mend in halves(line[: rest.start()] if rest else line, "; "):
        if (cure := in_korean(mend, "mend")) is None:
            continue
        for where, what in halves(said, ": "):
            if (wrong := in_korean(what, "what")) is not None:
                others = f" (그 밖에 {rest[1]}건)" if rest else ""
                return in_one_line(Finding(told(where, "where", "ko"), wrong, cure), "ko") + others
    return None


def halves(text: str, between: str) -> Iterator[tuple[str, str]]:
    """A text before and after each place where this stands, from the last such place to the first."""
    parts = text.split(between)
    for number in range(len(parts) - 1, 0, -1):
        yield between.join(parts[:number]), between.join(parts[number:])


def in_korean(text: str, kind: Kind) -> str | None:
    """A text by the first sentence of this kind that it is; None where it is none."""
    for sentence, korean in KOREAN[kind].items():
        if found := compiled(sentence).fullmatch(text):
            return SLOT.sub(lambda slot: value_in_korean(slot[1], found[slot[1]]), korean)
    return None


def value_in_korean(slot: str, value: str) -> str:
    """What stands in a free place; names, numbers and quotations stay as they are."""
    if slot in ("names", "families"):
        return re.sub(r"(\d+) more$", r"그 밖에 \1개", value.replace(" and ", ", "))
    if slot == "duration":
        return re.sub(r" (day|hour|minute|second)s?", lambda unit: UNITS[unit[1]], value.replace(" and ", " "))
    if slot == "offered":
        return re.sub(one_of(WORDS), lambda words: WORDS[words[0]], value)
    return WORDS.get(value, value)


@functools.cache
def compiled(sentence: str) -> re.Pattern[str]:
    return pattern(sentence, place)


def place(name: str) -> str:
    return f"(?P<{name}>.+?)" if name in FREE else rf"(?P<{name}>\S+)"
