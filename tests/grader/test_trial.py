"""`check --try`: what is in effect is said before anything is handed in, and "ready" never of what is bound to be rejected."""

import json
from pathlib import Path

import pytest
import yaml

from grader.cli import main
from grader.grading.trial import tried
from grader.intake.submission import take_in
from grader.ledger.measurement import Measurement
from grader.rerun.census import read_census, without_families
from grader.rules import Rules
from grader.sandbox.untrusted_files import Unreadable
from project.assignment import FAMILIES
from tests.grader.conftest import needs_sandbox

NETWORK = """
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(3072, 64), nn.Linear(64, {outputs})
        self.norm, self.drop = nn.BatchNorm1d(64), nn.Dropout(0.2)
        {init}

    def forward(self, x):
        return self.head({between}(self.first(x.flatten(1))))
"""
HE = "nn.init.kaiming_normal_(self.first.weight)"


def of_its_own(settings):
    settings["model"] |= {"network": {"class_path": "submission.mine.Net"}}
    settings["model"] |= {"initialization": None, "normalization": None, "regularization": []}
    settings["data"]["augmentation"] = []


@pytest.fixture
def write(write_submission):
    def written(outputs=10, init=HE, between="self.drop"):
        code = NETWORK.format(outputs=outputs, init=init, between=between)
        return take_in(write_submission(f"s{outputs}{len(init)}{len(between)}", of_its_own, mine_py=code))

    return written


@needs_sandbox
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "uses no strategy of normalization"),
        ({"between": "self.norm"}, "uses no strategy of regularization"),
        ({"outputs": 18}, "(50, 18) of 50 images, not (50, 10)"),
        ({"between": "self.nrom"}, "mine.py, line 13, in forward: AttributeError"),
    ],
)
def test_what_would_end_a_training_before_it_begins_is_said(change, said, write, rules):
    found = tried(write(**change), rules)
    assert found.outcome != "scored" and said in found.said


@needs_sandbox
def test_what_is_in_effect_is_said_with_remarks(write, rules):
    found = tried(write(between="(lambda x: self.drop(F.layer_norm(x, (64,))))"), rules)
    assert found.outcome == "scored", found.said
    assert found.names | {"optimization": []} == {
        "optimization": [],
        "regularization": ["dropout"],
        "initialization": ["He"],
        "normalization": ["layer normalization"],
    }
    assert any("never runs norm" in remark for remark in found.remarks)


@needs_sandbox
@pytest.mark.slow
def test_answers_that_depend_on_the_batch_are_said_to_be_refused(write, rules):
    rules.families.remove("normalization")
    batch = "(lambda x: self.drop((x - x.mean(0)) / x.std(0)))"
    found = tried(write(between=batch), rules)
    assert found.outcome == "unscorable" and "asked again in another order" in found.said


@needs_sandbox
def test_what_is_too_large_to_be_scored_is_said(write, rules):
    """And not by a remark alone: `check --try` would call it ready."""
    many = f"{HE}; self.register_buffer('fixed', __import__('torch').randn(1500, 1000))"
    found = tried(write(init=many, between="(lambda x: self.drop(self.norm(x)))"), rules)
    assert found.outcome == "unscorable" and "its weights hold 6.8 MB" in found.said
    assert "requires_grad=False" in found.said


@pytest.mark.parametrize(
    ("ended", "mend"),
    [
        ({"outcome": "family_missing", "said": "uses no strategy of normalization"}, "see `python main.py fit`"),
        (
            {"outcome": "crashed", "said": "training crashed", "frames": ["mine.py, line 3, in f: x"]},
            "mend that line\n",
        ),
        ({"outcome": "crashed", "said": "the process died of signal SIGSEGV"}, "mend that, and try again\n"),
        ({"outcome": "refused", "said": "model.optimizer.lr: -1"}, "mend that, and try again\n"),
    ],
)
def test_how_to_mend_what_a_trial_ended_with(ended, mend, write_submission, monkeypatch, capsys):
    monkeypatch.setattr("grader.grading.trial.tried", lambda *_: Measurement(**ended))
    assert main(["check", str(write_submission()), "--try"]) == 1
    said = capsys.readouterr().out
    assert f"{ended['said']}; {mend}" in said and ("main.py fit" in said) == (ended["outcome"] == "family_missing")


def test_a_trial_on_other_images_than_the_configuration_s_says_so(write_submission, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("grader.grading.trial.tried", lambda *_: Measurement(outcome="crashed", said="crashed"))
    submission, table = str(write_submission()), tmp_path / "Train.csv"
    table.write_text("")
    main(["check", submission, "--try"])
    assert "--dataset PATH" not in capsys.readouterr().out
    config = Path(submission, "config.yaml")
    settings = yaml.safe_load(config.read_text())
    settings["data"]["source"] = {
        "class_path": "project.datasets.tables.ImageTable",
        "init_args": {"path": "Train.csv"},
    }
    config.write_text(yaml.safe_dump(settings))
    main(["check", submission, "--try"])
    assert "takes Glyphs, the rules' images, not ImageTable: --dataset PATH names others" in capsys.readouterr().out
    main(["check", submission, "--try", "--dataset", str(table)])
    assert "--dataset PATH" not in capsys.readouterr().out


def test_families_that_are_missing_are_listed_with_commas():
    seen = Measurement(outcome="scored", strategies=dict.fromkeys(FAMILIES, []))
    for families, said in (
        (FAMILIES[:1], "optimization"),
        (FAMILIES[:2], "optimization and regularization"),
        (FAMILIES[1:], "regularization, initialization and normalization"),
    ):
        assert without_families(seen, Rules(families=families)).said == f"uses no strategy of {said}"


@pytest.mark.parametrize("name", ["", " ", None, 3, ["dropout"], "\u200b"])
def test_a_strategy_without_a_name_counts_for_nothing(name, tmp_path):
    used = {family: [{"name": "one", "evidence": "seen"}] for family in FAMILIES}
    record = {"strategies": used, "remarks": []}
    (tmp_path / "census.json").write_text(json.dumps(record))
    assert read_census(tmp_path / "census.json")["strategies"].keys() == set(FAMILIES)
    used["regularization"][0]["name"] = name
    (tmp_path / "census.json").write_text(json.dumps(record))
    with pytest.raises(Unreadable):
        read_census(tmp_path / "census.json")
