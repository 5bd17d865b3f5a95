"""Tables for a terminal."""

import shutil
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from grader.safe_text import printable


def as_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under headings: as wide as a terminal, with cells of several lines, and elsewhere a line each, however wide.

    Nothing in a cell moves a terminal.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(printable(cell, 300)) for cell in row))
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
