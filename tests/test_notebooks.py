"""The assignment's notebooks: the same code in both languages, nothing left in their outputs, and they run."""

import json
import shutil
from pathlib import Path

import pytest

from grader.grading.example_submissions import CONCLUSION, REPORT

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))
ROOT = NOTEBOOKS[0].parents[1]


def cells(notebook: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == kind]


def tagged(cell: dict, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", [])


def test_both_languages_have_the_same_code_and_no_outputs():
    english, korean = (cells(notebook, "code") for notebook in NOTEBOOKS)
    assert len(english) == len(korean) > 10
    for one, other in zip(english, korean):
        if not (tagged(one, "report") or tagged(one, "conclusion")):
            without_comments = ["".join(cell["source"]).split("# ")[0] for cell in (one, other)]
            assert without_comments[0] == without_comments[1]
        assert one["outputs"] == other["outputs"] == [] and one["execution_count"] is None
    assert len(cells(NOTEBOOKS[0], "markdown")) == len(cells(NOTEBOOKS[1], "markdown"))


@pytest.mark.parametrize(
    "notebook",
    [NOTEBOOKS[0], pytest.param(NOTEBOOKS[1], marks=pytest.mark.slow)],  # the code is the same
    ids=lambda path: path.name,
)
def test_a_notebook_runs_from_its_brief_to_the_archive(notebook, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name in ("main.py", "project", "grader", "configs", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "notebooks").mkdir()
    opened = nbformat.read(shutil.copy(notebook, tmp_path / "notebooks"), as_version=4)
    small = ["--data.source.train=300", "--data.source.val=100", "--data.batch_size=50", "--run.diagnostics=false"]
    for cell in opened.cells:
        if tagged(cell, "parameters"):
            cell.source = f"EPOCHS = 1\nDATA = {small}"
        if tagged(cell, "report"):
            cell.source = f"STUDENT = {{'id': 'kim', 'name': 'Kim 김'}}\nREPORT = {REPORT!r}"
        if tagged(cell, "conclusion"):
            cell.source = f"CONCLUSION = {CONCLUSION!r}"
    nbclient.NotebookClient(opened, timeout=240, resources={"metadata": {"path": tmp_path / "notebooks"}}).execute()
    assert len(list(tmp_path.glob("runs/*/summary.json"))) == 6
    said = "".join(output.get("text", "") for cell in opened.cells for output in cell.get("outputs", []))
    assert "kim: ready to hand in" in said and (tmp_path / "submission.zip").stat().st_size > 1000
