"""Text from strangers, made safe for where it is shown: a terminal, a spreadsheet, Markdown."""

import re
import unicodedata
from collections.abc import Iterable


def printable(text: str, length: int = 80) -> str:
    """Text without control and formatting characters (which can hide or reverse what follows), on one line."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text[: 10 * length])
    return " ".join(kept.split())[:length]


def inert(text: str) -> str:
    """Text that a spreadsheet takes for text: an apostrophe before what could begin a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def escaped(text: str) -> str:
    """Text that Markdown and HTML take for text."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!~&])", r"\\\1", text)


def table_row(texts: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(texts)} |"
