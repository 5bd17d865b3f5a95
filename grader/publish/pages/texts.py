"""What a submission says in words, as HTML. It runs in another process (`grader.apart`), and imports no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from grader.intake.reports import Part, read_reports
from grader.intake.veil import people, veiled_html
from grader.ledger.submission_store import kept
from grader.publish.markdown import rendered, rendered_notebook

NOTHING, DOCUMENT = "<p>Nothing was handed in.</p>", "<p>It is a document, which a person opens and reads.</p>"


class Texts(TypedDict):
    """HTML of report and conclusion by title, and of each notebook."""

    parts: dict[str, str]
    notebooks: list[str]


NOT_SHOWN: Texts = {"parts": {"Report and conclusion": "<p>They cannot be shown.</p>"}, "notebooks": []}


def texts(results: str, digest: str, author: Sequence[Any] | None, others: Sequence[Sequence[Any]]) -> Texts:
    """Those of a submission that is kept; none where it is not.

    Args:
        author: Whose it is, as the fields of a Person, where pages go by pseudonyms: then nobody is named in it. Else None.
        others: Everybody else in the class.
    """
    files = kept(Path(results), digest)
    reports = read_reports(files)
    parts = shown_texts(reports.parts) if files else {}
    notebooks = [rendered_notebook(cells) for cells in reports.notebooks.values()]
    if author is not None:
        veiled_from = people(author, others, files)
        parts = {title: veiled_html(html, *veiled_from) for title, html in parts.items()}
        notebooks = [veiled_html(html, *veiled_from) for html in notebooks]
    return {
        "parts": {title: scrolling(html) for title, html in parts.items()},
        "notebooks": [scrolling(html) for html in notebooks],
    }


def scrolling(html: str) -> str:
    """Clean HTML whose tables scroll by themselves: the page does not get wider. In its texts, no `<` is left as it was."""
    begin = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
    return html.replace("<table>", begin).replace("</table>", "</table></div>")


def shown_texts(parts: dict[str, Part]) -> dict[str, str]:
    """HTML of report and conclusion by title. The name of a file is not shown: it may be the student's."""
    return {
        part.capitalize(): (DOCUMENT if found.files else NOTHING)
        if found.markdown is None
        else rendered(found.markdown)
        for part, found in parts.items()
    }
