"""What may be said of an entry, by language: each sentence of the closed list has its twin in Korean."""

import functools
import re
from pathlib import Path

import yaml

from grader.publish.pages.languages import translated
from grader.publish.public_words import (
    FLAGS,
    OTHER_FLAG,
    OTHER_REASONS,
    REASONS,
    filled,
    parsed,
    public_flag,
    public_reason,
)
from grader.publish.sentences import one_of
from grader.publish.told_korean import told, told_line
from project.assignment import FAMILIES

KOREAN: dict[str, str] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
VALUES = {"training": "학습", "predicting": "예측", "an exception of its own": "자체 정의"}


@functools.cache
def sentences() -> list[str]:
    """All that is published of reasons and flags, with free places; none twice."""
    reasons, flags = ([published or said for said, published in some.items()] for some in (REASONS, FLAGS))
    return [*dict.fromkeys([*reasons, *filter(None, OTHER_REASONS.values()), *flags, OTHER_FLAG])]


def in_language(published: str, language: str) -> str:
    """A published reason or flag in a language. Raises ValueError for what is none."""
    if language == "en" or not published:
        return published
    for sentence in sentences():
        if (values := parsed(published, sentence)) is not None:
            return filled(KOREAN[sentence], [(kind, in_korean(kind, value)) for kind, value in values])
    raise ValueError(f"nothing that is published: {published}")


def in_korean(kind: str, value: str) -> str:
    """What stands in a free place; numbers, files, settings and names of exceptions stay as they are."""
    if kind == "families":
        return re.sub(one_of(FAMILIES), lambda family: translated(family[0], "ko"), value.replace(" and ", ", "))
    return VALUES.get(value, value)


def told_reason(reason: str, verdict: str, language: str) -> str:
    """A reason for the student whom it is about: in another language than English with what the list has no words for."""
    known = told(told_line(reason, language), "census", language)
    return known if known != reason else with_rest(reason, public_reason(reason, verdict), language)


def told_flag(flag: str, language: str) -> str:
    """A flag for the student whom it is about, likewise."""
    return with_rest(flag, public_flag(flag), language)


def with_rest(text: str, published: str, language: str) -> str:
    if language == "en":
        return text
    return in_language(published, language) + (f" ({text})" if text != published else "")
