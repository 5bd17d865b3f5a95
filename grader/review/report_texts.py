"""Notebooks, report and conclusion as lines for a terminal. It runs in another process (`grader.apart`), without torch."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from grader.apart import OurFault
from grader.intake.notebooks import Cell
from grader.intake.reports import Reports, length, read_reports, suffix
from grader.intake.veil import people, veiled
from grader.ledger.submission_store import document_texts, kept
from grader.safe_text import printable
from project.support.files import open_atomically

Hide = Callable[[str], str]  # gives a text without names

MOST_SHOWN = 30_000  # characters of a notebook, of a text, or of what could be read of a document


class Terminal(TypedDict):
    """The one that the lines are for: columns, and the colours that it knows, if any."""

    width: int
    colors: str | None


def shown(
    results: str,
    digest: str,
    called: str,
    terminal: Terminal,
    author: Sequence[Any] | None = None,
    others: Sequence[Sequence[Any]] = (),
    before: str = "",
) -> str | None:
    """A submission's notebooks, then its report and its conclusion; None where it is not kept.

    What only a person can open is put into the results folder. Orders to the terminal in it are ours alone: its colours.

    Args:
        called: How the names of the files begin that are put there.
        author: Whose it is, as the fields of a Person, where the reader is not to know: then nobody is named in it. Else None.
        others: Everybody else in the class.
        before: Digest of an earlier hand-in that was read, to say what of the texts has changed since; empty for none.
    """
    files = kept(Path(results), digest)
    if not files:
        return None
    out = io.StringIO()
    colors: Any = terminal["colors"]
    console = Console(
        file=out, width=terminal["width"], highlight=False, color_system=colors, force_terminal=bool(colors)
    )
    hide: Hide = str
    if author is not None:
        own, rest = people(author, others, files)
        hide = partial(veiled, author=own, others=rest)
    reports = read_reports(files)
    if before not in ("", digest) and (earlier := kept(Path(results), before)):
        console.print(changed(read_reports(earlier), earlier, reports, files), markup=False)
    for name, cells in reports.notebooks.items():
        console.print(Panel(notebook(cells, hide), title=Text(f"{printable(hide(name))}, {len(cells)} cells")))
    for name, said in reports.damaged.items():
        console.print(f"{printable(hide(name))}: {said}", markup=False)
    read = document_texts(Path(results), digest) or {}
    for part, found in reports.parts.items():
        body: RenderableType = Text("Nothing was handed in.")
        said = ""
        if found.markdown is not None:
            body, said = markdown(hide(found.markdown)), f", {length(found.markdown)} characters"
        elif found.files:
            for number, file in enumerate(found.files, 1):
                place = to_open(Path(results), called, part, number, files[file], file)
                console.print(f"{part}, to open: {place}", markup=False, soft_wrap=True)
            text = clean(hide("\n".join(read.get(file, "") for file in found.files)))[:MOST_SHOWN].strip()
            body = Text(f"What can be read of it without opening it:\n\n{text}" if text else "A document to open.")
        title = Text(f"{part}: {printable(hide(' '.join(found.files))) or 'missing'}{said}")
        console.print(Panel(body, title=title))
    return out.getvalue()


def changed(earlier: Reports, its_files: Mapping[str, bytes], now: Reports, files: Mapping[str, bytes]) -> str:
    """What of the texts is another one than in the hand-in that was read before."""
    said = []
    for part in now.parts:
        was, new = earlier.parts[part], now.parts[part]
        same = was.markdown == new.markdown
        if new.markdown is None:
            same = same and [its_files[name] for name in was.files] == [files[name] for name in new.files]
        said.append(f"the {part} is {'the same' if same else 'another one'}")
    same = [*earlier.notebooks.values()] == [*now.notebooks.values()]
    said += [f"the notebooks are {'the same' if same else 'others'}"] if earlier.notebooks or now.notebooks else []
    return f"An earlier hand-in was read: since then {', '.join(said)}."


def notebook(cells: list[Cell], hide: Hide = str) -> Group:
    """Cells for a terminal, as many as MOST_SHOWN characters hold."""
    lines: list[RenderableType] = []
    left = MOST_SHOWN
    for cell in cells:
        if left <= 0:
            lines.append(Text("(The other cells are left out.)"))
            break
        source, output = clean(hide(cell.source))[:left], clean(hide(cell.output))[:left]
        left -= len(source) + len(output)
        if cell.kind == "markdown":
            lines.append(Markdown(source, hyperlinks=False))
        else:
            lines.append(Syntax(source, "python", background_color="default", word_wrap=True))
            lines.append(Text(f"{output}\n", style="dim"))
    return Group(*lines)


def markdown(text: str) -> RenderableType:
    """Markdown for a terminal, as much as MOST_SHOWN characters hold."""
    body = Markdown(clean(text)[:MOST_SHOWN], hyperlinks=False)
    return Group(body, Text("(The rest is left out.)")) if len(text) > MOST_SHOWN else body


def to_open(results: Path, called: str, part: str, number: int, content: bytes, name: str) -> Path:
    """A document as a file of the results folder, under a name of ours, for a person to open."""
    place = results / "documents" / f"{called}-{part}-{number}{suffix(name)}"
    try:
        place.parent.mkdir(exist_ok=True)
        with open_atomically(place) as file:
            file.write(content)
    except OSError as error:
        raise OurFault from error
    return place


def clean(text: str) -> str:
    """A stranger's text without what a terminal could take for orders."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text.replace("\r\n", "\n"))
