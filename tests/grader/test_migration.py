"""A ledger of version 0, with a real course in it (tests/fixtures/README.md), becomes one of today's."""

import csv
import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from grader.cli import main
from grader.grading.ranking import judged
from grader.grading.verdicts import pending_trainings
from grader.ledger import schema
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import RULES_FILE, open_results
from grader.publish.public_words import public_reason
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from grader.secret import EarlierSecret
from project.support.errors import UserError

RESULTS = Path(__file__).parents[1] / "fixtures" / "results_v0.zip"


@pytest.fixture
def results(tmp_path) -> Path:
    with zipfile.ZipFile(RESULTS) as packed:
        packed.extractall(tmp_path)
    return tmp_path


def leaderboard(results: Path) -> dict[str, dict[str, str]]:
    with open(results / "leaderboard.csv", newline="", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_the_leaderboard_says_what_it_said(results):
    before = leaderboard(results)
    (results / "leaderboard.csv").unlink()
    assert main(["leaderboard", str(results)]) == 0
    after = leaderboard(results)
    assert set(after) == set(before)
    for student, old in before.items():
        new = after[student]
        for name in ("name", "verdict", "epochs", "parameters", "strategies", "bonus"):
            assert new[name] == old[name], (student, name)
        nothing_ran = [""] * (old["verdict"] in ("rejected", "infrastructure", "pending"))
        assert new["tier"] in (old["tier"], *nothing_ran), student
        if old["seeds"] == "3":  # the median of three decided, and still does; the first training alone ranks
            assert float(new["decided_accuracy"]) == float(old["accuracy"]) and new["seeds"] == "1", student
        else:
            told = old["reason"].startswith("time: came ")  # then the reason alone says so
            assert new["flags"] == ("" if told else old["flags"]), student
            for name in ("accuracy", "seconds", "total", "epochs_to_target"):
                assert new[name] == old[name], (student, name)
            assert new["reason"] == public_reason(old["reason"], old["verdict"]), student


def test_nothing_of_it_is_trained_again_whatever_the_target_was(results):
    """Its trainings were made twice, under two targets: both sets are one measurement each now."""
    with open_results(results) as opened:
        rules = opened.rules
        assert images_key(rules, opened.secret) == next(judged(opened.ledger, rules))[0].images
        for target in (rules.target_accuracy, 0.8, 0.5):
            asked = rules.but(target_accuracy=target)
            wanted = {g.student: pending_trainings(g, asked) for g, _ in judged(opened.ledger, asked)}
            del wanted["zhang-wei"]  # who had not been trained
            assert not any(wanted.values()), (target, wanted)


@pytest.mark.parametrize("missing", ["attempts", "secret.json", "assignment.json"])
def test_where_a_piece_is_missing_the_images_are_told_or_nothing_is_done(missing, results, capsys):
    shutil.rmtree(results / missing) if missing == "attempts" else (results / missing).unlink()
    status = main(["leaderboard", str(results)])
    with closing(sqlite3.connect(results / "ledger.sqlite")) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if missing == "attempts":
            assert status == 0 and version == schema.VERSION
            images = {row[0] for row in database.execute("SELECT images FROM submissions")}
            assert images == {images_key(Rules.load(results / RULES_FILE), EarlierSecret(seed=20261125))}
        else:
            assert status == 2 and version == 0 and capsys.readouterr().err.count("\n") == 1


def test_a_late_hand_in_keeps_its_time(results):
    with open_results(results) as opened:
        found = {g.student: g for g, _ in judged(opened.ledger, opened.rules)}
        late = found["silva-joao"].submitted
        assert late is not None and (late - opened.rules.deadline).total_seconds() == 2 * 3600 + 14 * 60 + 8
        forgiven = opened.rules.but(late="flag")
        assert {g.student: v.name for g, v in judged(opened.ledger, forgiven)}["silva-joao"] == "pending"


def test_a_migration_that_is_killed_leaves_the_old_ledger(results, monkeypatch):
    def killed(database, folder):
        schema.from_0(database, folder)
        raise KeyboardInterrupt

    path = results / "ledger.sqlite"
    with sqlite3.connect(path) as before:
        rows = before.execute("SELECT count(*) FROM attempts").fetchone()
    before.close()
    monkeypatch.setattr(schema, "MIGRATIONS", [killed])
    with pytest.raises(KeyboardInterrupt):
        Ledger(path)
    with sqlite3.connect(path) as after:
        assert after.execute("SELECT count(*) FROM attempts").fetchone() == rows
        assert after.execute("PRAGMA user_version").fetchone() == (0,)
    after.close()
    monkeypatch.undo()
    Ledger(path).close()
    assert Rules.load(results / RULES_FILE).dataset["class_path"] == Rules().dataset["class_path"]


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path):
    database = sqlite3.connect(tmp_path / "ledger.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UserError, match="newer version"):
        Ledger(tmp_path / "ledger.sqlite")


def test_evidence_and_curves_come_along(results):
    with open_results(results) as opened:
        found = {g.student: g for g, _ in judged(opened.ledger, opened.rules)}
    first = found["passes"].measurements[0]
    drawn = json.loads((results / first.folder / "to_draw.json").read_text(encoding="utf-8"))
    assert first.val_accuracy == [row["val/accuracy"] for row in drawn["curves"]] and len(first.val_accuracy) == 15
    assert all(strategy.evidence for used in first.strategies.values() for strategy in used)
    stopped = found["lindqvist-elsa"].measurements[0]
    assert stopped.outcome == "limit" and stopped.limits == {"minutes": 1.5}
    assert found["family-missing"].measurements[0].missing == ["normalization"]


def test_what_an_earlier_version_accepted_would_be_accepted_again(results, capsys):
    """By `--regrade`, or handed in by a student whose run is older than the upgrade: classes have moved meanwhile."""
    with open_results(results) as opened:
        accepted = {g.digest: g for g, v in judged(opened.ledger, opened.rules) if v.name in ("passed", "below_target")}
    assert len(accepted) > 5
    for digest, graded in accepted.items():
        assert main(["check", str(results / "submissions" / f"{digest}.zip")]) == 0, (
            graded.student,
            capsys.readouterr(),
        )


def test_rules_of_an_earlier_version_go_on(results, tmp_path):
    with zipfile.ZipFile(RESULTS) as packed:
        old = json.loads(packed.read(RULES_FILE))
    assert old["dataset"]["class_path"] == "project.data.glyphs.Glyphs"
    rules = tmp_path / "rules_of_march.json"  # JSON is YAML, too
    rules.write_text(json.dumps(old), encoding="utf-8")
    assert Rules.load(rules).dataset == {"class_path": "project.datasets.glyphs.Glyphs"} | {
        key: value for key, value in old["dataset"].items() if key != "class_path"
    }
