"""Words for numbers, lists and misspelt names."""

import difflib
import math
from collections.abc import Iterable
from datetime import timedelta


def counted(count: int, singular: str, plural: str = "") -> str:
    """`1 class`, `10 classes`; the plural is the singular with an s, unless it is given."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def numbers(values: Iterable[float]) -> str:
    """Each of them once, in order."""
    return ", ".join(f"{value:g}" for value in sorted(set(values)))


def listed(names: list[str]) -> str:
    """`a, b and c`; of many, the first ones."""
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def duration(time: timedelta) -> str:
    """`30 seconds`, `2 days and 3 hours`: the two largest units of a time above 0, its last second begun."""
    left, said = math.ceil(time / timedelta(seconds=1)), list[str]()
    for unit, seconds in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, seconds)
        said += [counted(count, unit)] * bool(count)
    return " and ".join(said[:2])


def did_you_mean(word: str, known: Iterable[str], prefix: str = "", suffix: str = "") -> str:
    """`; did you mean X?` where something known is close to `word`, else nothing.

    First the same letters in another order; then a run's name that goes on with what was changed (`word+lr=1`).
    """
    names = sorted(set(known))
    close = [name for name in names if sorted(name.lower()) == sorted(word.lower())]
    close += [name for name in names if name.startswith(f"{word}+")]
    close += difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {prefix}{close[0]}{suffix}?" if close else ""
