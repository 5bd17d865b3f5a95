"""What `fit` says at its end: made-up curves, with numbers as runs on Glyphs have them."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from project.assignment import FAMILIES, Assignment
from project.studies.study_plan import read_plan
from project.training.command_line import complete_config
from project.training.next_step import ABOVE_TARGET, BELOW_TARGET, next_step
from tests.training.test_obstacles import curve

RULES = Assignment()
ALL = ",".join(FAMILIES)
LEARNT, CHANCE = [2.3, 1.5, 1.0, 0.6, 0.4], [2.304, 2.301, 2.303, 2.302, 2.303]
UNDER = curve([0.2, 0.4, 0.5, 0.6, 0.7], [0.2, 0.4, 0.5, 0.6, 0.71], LEARNT)
OVER = curve([0.5, 0.7, 0.8, 0.9, 0.99], [0.5, 0.6, 0.7, 0.75, 0.74], LEARNT)
STUCK = curve([0.1, 0.11, 0.1, 0.1, 0.12], [0.1] * 5, CHANCE)
GOOD = curve([0.5, 0.7, 0.8, 0.9, 0.96], [0.5, 0.7, 0.8, 0.85, 0.89], LEARNT)


@pytest.fixture(scope="module")
def complete():
    return {name: complete_config(["--config", f"configs/{name}.yaml"]) for name in ("base", "quickstart")}


def said_of(rows, text, used="", rules=RULES, file=Path("runs/a/config.yaml"), **changed):
    settings = yaml.safe_load(text)
    settings["trainer"]["max_epochs"] = changed.pop("planned", 15)
    settings["data"]["source"]["class_path"] = changed.pop("source", "project.datasets.glyphs.Glyphs")
    summary = {
        "val_accuracy": rows[-1].get("val/accuracy") if rows else None,
        "epochs": 15,
        "strategies": {family: ["one"] * (family in used.split(",")) for family in FAMILIES},
        **changed,
    }
    return next_step(rows, summary, rules, file, settings)


@pytest.mark.parametrize(
    ("rows", "used", "words", "options"),
    [
        (
            UNDER,
            "",
            "training itself ends at 70%, which suggests optimization",
            ["optimization=configs/optimization/default"],
        ),
        (UNDER, ALL, "training itself ends at 70%, which suggests another learning rate", ["--find-lr"]),
        (
            OVER,
            "",
            "99% in training and 74% in validation, a gap that suggests regularization",
            ["regularization=configs/"],
        ),
        (OVER, ALL, "a gap that suggests more regularization, or another", ["configs/regularization/OVERLAY.yaml"]),
        (
            STUCK,
            "optimization",
            "from 2.30 to 2.30 in the first 2 epochs, which suggests initialization, normalization or another learning rate",
            ["initialization=configs/initialization/default", "normalization=configs/normalization/default"],
        ),
        (
            STUCK,
            "initialization",
            "which suggests another initialization, normalization or another learning rate;",
            ["--arm initialization=", "--arm normalization="],
        ),
        (STUCK, ALL, "2 epochs, which suggests another learning rate", ["--find-lr"]),
        (
            GOOD,
            ALL,
            "the target is met; take a family out",
            ["no normalization=--model.normalization null"],
        ),
        (
            GOOD,
            "optimization,regularization,initialization",
            "the target is met without normalization",
            ["normalization="],
        ),
    ],
)
def test_the_next_step_follows_from_what_was_measured(rows, used, words, options, complete):
    sentence, command = said_of(rows, complete["quickstart"], used).split(":\n")
    assert sentence.startswith("Next: ") and words in sentence + ";"
    assert command.startswith("  python main.py ") and "--config runs/a/config.yaml" in command
    assert all(option in command for option in options)
    assert max(len(sentence), len(command)) <= 200


def test_a_run_of_fewer_epochs_than_allowed_is_to_take_them_all(complete):
    said = said_of(UNDER, complete["base"], planned=5, epochs=5)
    assert "ends at 70% after 5 of 15 epochs" in said and said.endswith("a/config.yaml --trainer.max_epochs 15\n")
    assert "suggests optimization" in said_of(UNDER, complete["base"], planned=15, epochs=5), "it stopped by itself"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        curve([0.5, 0.9], [None, None], [1.0, 0.5]),
        [{"epoch": 1, "train/loss": 1.0, "train/accuracy": 0.5}],  # not validated
        [*UNDER, {"epoch": 6}],  # broken off
        curve([0.5, 0.1], [0.5, 0.1], [1.0, float("nan")]),
    ],
)
def test_nothing_is_said_where_nothing_was_measured_or_the_loss_is_lost(rows, complete):
    assert said_of(rows, complete["base"]) == ""


def test_what_one_seed_cannot_tell_is_what_the_table_of_overlays_measured(complete):
    table = Path("docs/overlays.md").read_text(encoding="utf-8")
    for name, deviation in (("nothing", BELOW_TARGET), ("all four: `quickstart.yaml`", ABOVE_TARGET)):
        assert float(
            re.search(rf"^\| {re.escape(name)} \| [\d.]+ ± ([\d.]+)", table, re.MULTILINE)[1]
        ) == pytest.approx(100 * deviation)
    assert "a gain below about 4 points" in said_of(UNDER, complete["base"])
    assert "a gain below about 2 points" in said_of(GOOD, complete["base"], ALL)
    assert "tell a small gain from luck" in said_of(GOOD, complete["base"], ALL, source="ImageTable"), (
        "measured on Glyphs"
    )


@pytest.mark.parametrize(("rows", "used"), [(UNDER, ""), (OVER, ""), (STUCK, ""), (GOOD, ALL)])
def test_the_study_that_is_named_can_be_made(rows, used, complete, tmp_path):
    file = tmp_path / "a run" / "config.yaml"
    file.parent.mkdir()
    text = complete["quickstart" if used else "base"]
    file.write_text(text)
    python, main, study, *options = shlex.split(said_of(rows, text, used, file=file).partition("\n")[2])
    made = read_plan(options)
    assert (python, main, study, made.seeds) == ("python", "main.py", "study", 5)
    assert len(made.arms) > 1 and all(arm.text for arm in made.arms[1:])
