"""A results folder that an earlier grader wrote (tests/fixtures/README.md): what it says stays what it says."""

import zipfile
from pathlib import Path

from grader.cli import main

RESULTS = Path(__file__).parents[1] / "fixtures" / "results_v0.zip"


def test_an_earlier_grader_s_results_give_the_same_leaderboard(tmp_path):
    with zipfile.ZipFile(RESULTS) as packed:
        packed.extractall(tmp_path)
    table = tmp_path / "leaderboard.csv"
    before = table.read_text(encoding="utf-8")
    table.unlink()
    assert main(["leaderboard", str(tmp_path)]) == 0
    assert table.read_text(encoding="utf-8") == before
