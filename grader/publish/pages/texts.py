"""What a submission says in words, as HTML. It runs in another process (`grader.apart`), and imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from grader.intake.reports import Part, read_reports
from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import identity
from grader.ledger.submission_store import kept
from grader.publish.markdown import rendered, rendered_notebook
from grader.publish.veil import Person, veiled_html

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
        class_ = [Person(each[0], each[1], tuple(each[2])) for each in (author, *others)]
        class_[0] = class_[0]._replace(known_as=(*class_[0].known_as, *said_in(files)))
        parts = {title: veiled_html(html, class_[0], class_[1:]) for title, html in parts.items()}
        notebooks = [veiled_html(html, class_[0], class_[1:]) for html in notebooks]
    return {
        "parts": {title: scrolling(html) for title, html in parts.items()},
        "notebooks": [scrolling(html) for html in notebooks],
    }


def said_in(files: Mapping[str, bytes]) -> list[str]:
    """Id and name in the author's student.yaml, which may be in the texts, whatever the class knows the author as."""
    try:
        own_id, own_name = identity(files)
    except StrictYamlError:
        return []
    return [text for text in (own_id, own_name, *own_name.split()) if len(text) > 1]


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
