"""Every command of the README and of docs/data.md runs.

What would train for long is scaled down by an option, what would download by a stand-in.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

import grader.cli
import main
from project.datasets.downloaded import TorchvisionSource
from tests.data.test_idx import write as write_idx
from tests.data.test_tables import drawn, written
from tests.grader.conftest import TINY_GLYPHS, needs_sandbox

ROOT = Path(__file__).parents[1]
SHORT = [
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=3",
    "--trainer.limit_val_batches=1",
    "--run.name=quickstart",
]
LINKED = ("project", "grader", "configs", "main.py", "Makefile", "pyproject.toml", "README.md", "tests")


PLACES = {"PATH": "images", "TABLES": "tables", "IDX": "idx"}  # what the README leaves to the reader


def commands(readme: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL)
    return [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


class Session:
    """A person at a prompt in a folder that looks like the repository."""

    def __init__(self, folder: Path, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        venv = folder / "venv"  # stands in for the one that make would set up: this very interpreter
        (venv / "bin").mkdir(parents=True)
        (venv / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (venv / "bin" / "python").chmod(0o755)
        for stamp in ("installed", "installed-dev"):
            (venv / stamp).touch()
        rules = {
            "dataset": {"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS},
            "target_accuracy": 0.02,
        }
        (folder / "tiny.yaml").write_text(yaml.safe_dump(rules))
        for split in ("train", "val"):
            for name in ("cat", "dog"):
                (folder / "images" / split / name).mkdir(parents=True)
                for number in range(200 if split == "train" else 10):
                    Image.new("RGB", (32, 32), (number, 90, 200)).save(
                        folder / "images" / split / name / f"{number}.png"
                    )

        (folder / "tables").mkdir()
        (folder / "tables" / "Train.csv").write_text(written(*drawn(1000, 784)))
        write_idx(folder / "idx", count=500, size=(28, 28))

    def run(self, command: str) -> None:
        words = [PLACES.get(word, word) for word in shlex.split(command)]
        if words[:2] == ["python", "main.py"]:
            scaled = {"fit": SHORT, "study": SHORT[:3], "gallery": ["--only", "schedules"]}.get(words[2], [])
            assert main.main(words[2:] + scaled) == 0, command
        elif words[:3] == ["python", "-m", "grader"]:
            if words[3] == "run":
                words += ["--rules", "tiny.yaml", "--device", "cpu"]
                for example in (self.folder / "submissions").iterdir():
                    if example.name not in ("passes", "sixteen-epochs"):
                        example.rename(self.folder / example.name)
            assert grader.cli.main(words[3:]) == 0, command
        else:
            scaled = {
                "make quickstart": [*words, "VENV=venv", f"ARGS={' '.join(SHORT)}"],
                "make test": [*words, "VENV=venv", "ARGS=--collect-only -q tests/test_optimization.py"],
                "python3 -m venv .venv": [sys.executable, "-m", "venv", "--without-pip", ".venv"],
                ". .venv/bin/activate": ["sh", "-c", command],
                'pip install -e ".[dev]"': [sys.executable, "-m", *words, "--dry-run", "--quiet"],
                'pip install -e ".[grader]"': [sys.executable, "-m", *words, "--dry-run", "--quiet"],
                "pytest": [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/test_optimization.py"],
            }
            done = subprocess.run(scaled[command], cwd=self.folder, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@needs_sandbox
@pytest.mark.slow
def test_every_command_of_the_readme_runs_in_order(tmp_path, monkeypatch):
    class Stored:
        data = torch.randint(0, 256, (400, 32, 32, 3), dtype=torch.uint8)
        targets = [number % 10 for number in range(400)]

    monkeypatch.setattr(TorchvisionSource, "open", lambda self, train: Stored)
    found = commands("README.md") + commands("docs/data.md")
    assert len(found) > 15
    session = Session(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    for command in found:
        session.run(command)
    assert (tmp_path / "results" / "leaderboard.md").exists() and (
        tmp_path / "runs" / "quickstart" / "summary.json"
    ).exists()


def test_the_korean_readme_says_the_same():
    """Headings, tables, names and links: test_site.py."""
    assert commands("README.md") == commands("README.ko.md")


def test_the_tables_name_every_overlay():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for family in ("optimization", "regularization", "initialization", "normalization"):
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| {family} |")]
        overlays = {path.stem for path in (ROOT / "configs" / family).glob("*.yaml")} - {"default"}
        assert set(re.findall(r"`(\w+)`", row)) == overlays


def test_the_table_of_overlays_is_complete():
    table = (ROOT / "docs" / "overlays.md").read_text(encoding="utf-8")
    families = ("optimization", "regularization", "initialization", "normalization")
    overlays = {f"{family}/{path.stem}" for family in families for path in (ROOT / "configs" / family).glob("*.yaml")}
    assert set(re.findall(r"^\| `(\S+)` \|", table, re.MULTILINE)) == overlays


def test_the_oldest_python_is_the_same_everywhere():
    """3.11 at least, whose `-P` keeps the grader's programs from importing what lies in a working directory."""
    oldest = re.search(r'requires-python = ">=(3\.\d+)"', (ROOT / "pyproject.toml").read_text())[1]
    said = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md")}
    tested = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    assert int(oldest.partition(".")[2]) >= 11 and tested["python"][0] == oldest
    assert all(re.search(r"Python (3\.\d+)", text)[1] == oldest for text in said.values())


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_the_first_ten_lines_show_a_run_and_the_two_commands(readme):
    first = "\n".join((ROOT / readme).read_text(encoding="utf-8").splitlines()[:10])
    picture = ROOT / re.search(r"!\[[^\]]+\]\((\S+)\)", first)[1]
    assert "make quickstart" in first and "make test" in first
    drawn = picture.read_text(encoding="utf-8")
    assert picture.stat().st_size < 500_000 and "@keyframes" in drawn and "prefers-reduced-motion" in drawn
    assert "6 of 6 conditions met" in drawn
