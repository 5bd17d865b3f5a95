"""What a submission says in words, as HTML. It runs in another process (`grader.apart`), and imports no torch."""

from pathlib import Path
from typing import TypedDict

from grader.intake.reports import Part, read_reports
from grader.ledger.submission_store import kept
from grader.publish.markdown import rendered, rendered_notebook

NOTHING, DOCUMENT = "<p>Nothing was handed in.</p>", "<p>It is a document, which a person opens and reads.</p>"


class Texts(TypedDict):
    """HTML of report and conclusion by title, and of each notebook."""

    parts: dict[str, str]
    notebooks: list[str]


NOT_SHOWN: Texts = {"parts": {"Report and conclusion": "<p>They cannot be shown.</p>"}, "notebooks": []}


def texts(results: str, digest: str) -> Texts:
    """Those of a submission that is kept; none where it is not."""
    files = kept(Path(results), digest)
    reports = read_reports(files)
    return {
        "parts": shown_texts(reports.parts) if files else {},
        "notebooks": [rendered_notebook(cells) for cells in reports.notebooks.values()],
    }


def shown_texts(parts: dict[str, Part]) -> dict[str, str]:
    """HTML of report and conclusion by title. The name of a file is not shown: it may be the student's."""
    return {
        part.capitalize(): (DOCUMENT if found.files else NOTHING)
        if found.markdown is None
        else rendered(found.markdown)
        for part, found in parts.items()
    }
