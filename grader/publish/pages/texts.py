"""What a submission says in words, as HTML. It runs in another process (`grader.apart`), and imports no torch."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from grader.intake.notebooks import HEADING
from grader.intake.reports import Part, read_reports
from grader.intake.veil import people, veiled_html
from grader.ledger.submission_store import kept
from grader.publish.markdown import rendered, rendered_notebook

NOTHING, DOCUMENT = "<p>Nothing was handed in.</p>", "<p>It is a document, which a person opens and reads.</p>"

TITLES = {"report": ("report", "보고서", "리포트"), "conclusion": ("conclusion", "conclusions", "결론")}


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


def without_title(markdown: str, part: str) -> str:
    """Markdown without a first heading that says no more than the part's title, under which it is shown."""
    first, _, rest = markdown.lstrip().partition("\n")
    heading = HEADING.match(first)
    said = re.sub(r"[\W\d_]", "", heading[2]).casefold() if heading else ""
    return rest if said in TITLES[part] else markdown


def shown_texts(parts: dict[str, Part]) -> dict[str, str]:
    """HTML of report and conclusion by title. The name of a file is not shown: it may be the student's."""
    return {
        part.capitalize(): (DOCUMENT if found.files else NOTHING)
        if found.markdown is None
        else rendered(without_title(found.markdown, part))
        for part, found in parts.items()
    }
