"""The assignment's notebooks: the same code in both languages, nothing left in their outputs, and they run to the hand-in."""

import ast
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from grader.cli import main
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.intake.notebooks import parts_in, read_notebook
from project.assignment import FAMILIES
from project.training.command_line import run
from tests.data.test_tables import written
from tests.grader.conftest import needs_sandbox

ENGLISH, KOREAN = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))
ROOT = ENGLISH.parents[1]

FLAT = """%%writefile submission/my_network.py
from torch import nn


class MyNet(nn.Module):
    def __init__(self, in_channels=1, image_size=28, num_classes=10, init=True, norm=True, dropout=0.1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(in_channels * image_size**2, 50),
            nn.BatchNorm1d(50) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(50, num_classes),
        )
        if init:
            nn.init.kaiming_normal_(self.layers[0].weight)

    def forward(self, x):
        x = x.flatten(1)
        return self.layers(x)
"""
ADAM = """OPTIMIZER = ["--model.optimizer=Adam", "--model.optimizer.lr=0.003"]
SCHEDULE = ["--model.scheduler=OneCycle"]
REGULARIZATION = []"""

TEXTS = {"report": re.sub(r"(?m)^#.*", "", REPORT), "conclusion": re.sub(r"(?m)^#.*", "", CONCLUSION)}


def cells(notebook: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def without_comments(cell: dict) -> str:
    lines = "".join(cell["source"]).replace(".ko.ipynb", ".ipynb").splitlines()
    return "\n".join(re.sub(r"\s*# .*", "", line) for line in lines)


def test_both_languages_have_the_same_cells_and_no_outputs():
    english, korean = (json.loads(notebook.read_text("utf-8"))["cells"] for notebook in (ENGLISH, KOREAN))
    assert len(english) == len(korean) > 20
    for one, other in zip(english, korean):
        assert (one["cell_type"], one["metadata"]) == (other["cell_type"], other["metadata"])
        if one["cell_type"] == "code":
            assert without_comments(one) == without_comments(other)
            assert one["outputs"] == other["outputs"] == [] and one["execution_count"] is None


@pytest.mark.parametrize("notebook", [ENGLISH, KOREAN], ids=lambda path: path.name)
def test_the_grader_finds_report_and_conclusion_and_nothing_else_in_them(notebook):
    parts = parts_in(read_notebook(notebook.read_bytes()))
    *_, report, _, conclusion = cells(notebook, "markdown")
    assert report["metadata"]["tags"] == ["report"] and conclusion["metadata"]["tags"] == ["conclusion"]
    assert parts["report"].strip() == "".join(report["source"])
    assert parts["conclusion"].strip() == "".join(conclusion["source"])
    assert json.loads(notebook.read_text("utf-8"))["cells"][-1] == conclusion


@pytest.mark.parametrize("chosen", [["SGD", "momentum=0.9", "nesterov=true"], ["Adam", "betas=[0.8, 0.9]"]])
def test_without_optimization_is_plain_sgd_at_a_constant_rate_whatever_was_chosen(chosen, tmp_path):
    (study,) = (text for cell in cells(ENGLISH, "code") if "WITHOUT =" in (text := "".join(cell["source"])))
    (without,) = (one.value for one in ast.parse(study).body if ast.unparse(one).startswith("WITHOUT ="))
    optimizer = [f"--model.optimizer={chosen[0]}", *(f"--model.optimizer.{each}" for each in chosen[1:])]
    glyphs = ["--data.source=Glyphs", "--data.source.train=100", "--data.source.val=50", "--trainer.max_epochs=1"]
    options = [*glyphs, *optimizer, "--model.optimizer.lr=0.2", "--model.scheduler=OneCycle"]
    lean = [f"--run.folder={tmp_path}", "--run.wandb=disabled", "--run.diagnostics=false"]
    base = f"--config={ROOT / 'configs' / 'base.yaml'}"
    done = run(["fit", base, *options, *ast.literal_eval(without)["optimization"], *lean])
    assert done.record.summary["strategies"]["optimization"] == []


@pytest.fixture
def executed(tmp_path):
    """Fills in a notebook's cells by their tags and runs it in a copy of the repository, up to the first error."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name in ("project", "grader", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "main.py", tmp_path)
    (tmp_path / "notebooks").mkdir()

    def execute(notebook, **filled_in) -> str:
        """What the notebook's cells printed."""
        opened = nbformat.read(notebook, as_version=4)
        for cell in opened.cells:
            for tag in cell.metadata.get("tags", []):
                heading = cell.source.splitlines()[0] + "\n\n" if cell.cell_type == "markdown" else ""
                cell.source = heading + filled_in[tag] if tag in filled_in else cell.source
        nbformat.write(opened, tmp_path / "notebooks" / notebook.name)  # as a student saves it
        place = {"metadata": {"path": tmp_path / "notebooks"}}
        client = nbclient.NotebookClient(opened, timeout=240, resources=place, allow_errors=False)
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError:
            pass
        outputs = [output for cell in opened.cells for output in cell.get("outputs", [])]
        return "".join(output.get("text", output.get("evalue", "")) for output in outputs)

    return execute


def test_a_notebook_runs_from_the_images_to_the_archive(executed, tmp_path):
    glyphs = ["--data.source=Glyphs", "--data.source.train=300", "--data.source.val=100", "--data.batch_size=50"]
    parameters = f"EPOCHS, SHORT, SEEDS, DATA = 2, 1, 2, {glyphs}"
    said = executed(ENGLISH, parameters=parameters, network=FLAT, optimizer=ADAM, **TEXTS)
    assert "epoch  2/2" in said and "4 of 4 families" in said and "warn " not in said
    assert "kim-minji: ready to hand in" in said
    reached = json.loads((tmp_path / "runs" / "first" / "summary.json").read_text())["val_accuracy"]
    assert f"{reached:.2%} of 100 validation images are right" in said
    study = json.loads((tmp_path / "studies" / "families" / "study.json").read_text())
    assert [arm["name"].removeprefix("without ") for arm in study["arms"]] == ["base", *FAMILIES]
    assert all([run["seed"] for run in arm["runs"]] == [0, 1] for arm in study["arms"])
    with zipfile.ZipFile(tmp_path / "submission.zip") as packed:
        names = {Path(name).name for name in packed.namelist()}
    assert names == {"config.yaml", "student.yaml", "my_network.py", "assignment.ipynb"}


@pytest.mark.slow
def test_the_cells_run_as_they_are(executed, tmp_path):
    glyphs = ["--data.source=Glyphs", "--data.source.train=300", "--data.source.val=100", "--data.batch_size=50"]
    said = executed(KOREAN, parameters=f"EPOCHS, SHORT, SEEDS, DATA = 1, 1, 2, {glyphs}")
    assert "0 of 4 families (fewer than 4 are rejected)" in said and "kim-minji: would be rejected" in said


@pytest.mark.slow
def test_a_network_that_takes_rows_of_pixels_is_told_so(executed):
    parameters = 'EPOCHS, DATA = 1, ["--data.source=Glyphs", "--data.source.train=100"]'
    said = executed(ENGLISH, parameters=parameters, network=FLAT.replace("        x = x.flatten(1)\n", ""))
    cure = "takes (N, 3072) and gets (N, 3, 32, 32); begin its forward with `x = x.flatten(1)`"
    assert f"error: model.network: MyNet {cure}" in said


@pytest.mark.slow
@needs_sandbox
def test_from_train_csv_to_a_graded_notebook(executed, tmp_path):
    random = np.random.RandomState(0)
    patterns = random.randint(0, 256, (10, 784))
    labels = [number % 10 for number in range(600)]
    images = np.clip(patterns[labels] + random.randint(-90, 91, (600, 784)), 0, 255)
    (tmp_path / "notebooks" / "Train.csv").write_text(written(images[:400], labels[:400]))
    (tmp_path / "notebooks" / "Test.csv").write_text(written(images[400:], labels[400:]))
    parameters = "".join(cells(KOREAN, "code")[1]["source"])
    for old, new in (("EPOCHS = 15", "EPOCHS = 2"), ("3, 3", "1, 2"), ("batch_size=128", "batch_size=20")):
        assert old in parameters
        parameters = parameters.replace(old, new)
    texts = {**TEXTS, "report": "모멘텀은 그래디언트의 지수 이동 평균을 따라 움직입니다. " * 20}
    said = executed(KOREAN, parameters=parameters, network=FLAT, optimizer=ADAM, **texts)
    assert "images 28x28 grey" in said and "4 of 4 families" in said and "submission.zip is ready to hand in" in said

    rules = yaml.safe_load((ROOT / "configs" / "assignment.yaml").read_text("utf-8"))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules | {"limits": {"minutes": 2, "memory_gb": 4}}))
    (tmp_path / "handed-in").mkdir()
    shutil.move(tmp_path / "submission.zip", tmp_path / "handed-in")
    results, dataset = tmp_path / "results", tmp_path / "notebooks"
    graded = ["run", tmp_path / "handed-in", "--out", results, "--rules", tmp_path / "rules.yaml", "--dataset", dataset]
    assert main([str(each) for each in [*graded, "--wandb", "disabled", "--device", "cpu"]]) == 0
    (entry,) = json.loads((results / "leaderboard.json").read_text("utf-8"))["entries"]
    assert entry["verdict"] == "passed", entry
    pages = "".join(page.read_text("utf-8") for page in (results / "site").rglob("*.html"))
    assert "지수 이동 평균" in pages and "nn.BatchNorm1d(50)" in pages
