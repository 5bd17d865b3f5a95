"""The rules, and how far a run fulfils them."""

import pytest

from grader.rules import Rules
from project.assignment import Assignment, conditions
from project.support.errors import UserError

ALL = {family: [{"name": "x"}] for family in Assignment().families}


def summary(accuracy=0.9, epochs=15, strategies=ALL):
    return {"val_accuracy": accuracy, "epochs": epochs, "strategies": strategies}


def test_the_rules_that_are_shipped():
    rules = Rules.load()
    assert (rules.max_epochs, rules.target_accuracy, rules.seeds) == (15, 0.8, 1)
    assert rules.families == ["optimization", "regularization", "initialization", "normalization"]


def unmet(**values):
    return [condition.name for condition in conditions(Assignment(), summary(**values)) if not condition.met]


def test_conditions_at_their_edges():
    assert unmet() == []
    assert unmet(accuracy=0.8) == ["accuracy above 80%"], "strictly above"
    assert unmet(accuracy=0.8001) == []
    assert unmet(epochs=16) == ["at most 15 epochs"]
    assert unmet(strategies={**ALL, "normalization": []}) == ["normalization"]
    assert len(unmet(accuracy=0, epochs=99, strategies={})) == 6


def test_what_to_do_about_it_is_said():
    assert all(condition.remedy for condition in conditions(Assignment(), summary(0, 99, {})))


@pytest.mark.parametrize(
    "text",
    [
        "max_epochs: 0",
        "seeds: 1000000000",
        "deadline: 20261204",
        "deadline: 2026-13-04",
        "limits: {minutes: .inf}",
        "target_accuracy: 1.5",
        "limits: {memory_gb: 0}",
        "unknown: 1",
        "- a list",
    ],
)
def test_wrong_rules_are_told_with_their_file(text, tmp_path):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(UserError, match="rules.yaml") as error:
        Rules.load(tmp_path / "rules.yaml")
    assert "\n" not in str(error.value)
