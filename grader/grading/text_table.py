"""Tables for a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grader.safe_text import printable


def as_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under headings, however wide they are; nothing in a cell moves a terminal."""
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(printable(cell, 300)) for cell in row))
    console = Console(width=10_000, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
