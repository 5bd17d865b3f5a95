"""Sentences with free places, such as `is larger than {number} MB`: how a text is recognized as one of a closed list."""

import re
from collections.abc import Callable, Iterable

SLOT = re.compile(r"\{(\w+)\}")


def one_of(words: Iterable[str]) -> str:
    """A pattern for any of these words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def pattern(sentence: str, place: Callable[[str], str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """What fits a sentence. `place` gives the pattern, with its group, of what may stand in a free place of this name."""
    parts = SLOT.split(sentence)  # words and names of places in turn
    written = (place(part) if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.compile("".join(written), re.DOTALL | flags)
