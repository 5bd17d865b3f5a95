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
        "",
        "# nothing but a comment",
        "seeds: 1\nseeds: 3",
        "seeds: 0x" + "f" * 9000,
        "families: " + "[" * 3000,
        "limits: {minutes: 1, minutes: 2}",
        "dataset: {}",
        "dataset: {class: project.datasets.glyphs.Glyphs}",
        "dataset: {class_path: project.datasets.glyphs.Glyphs, seed: 1}",
        "dataset: {class_path: Glyhps}",
        "dataset: {class_path: 7}",
        "dataset: &a {class_path: project.datasets.glyphs.Glyphs, init_args: *a}",
        "dataset: {class_path: project.datasets.glyphs.Glyph}",
        "dataset: {class_path: project.nowhere.Glyphs}",
        "dataset: {class_path: nowhere.at.all.Glyphs}",
        "dataset: {class_path: math.Glyphs}",
        "dataset: {class_path: .Glyphs}",
        "dataset: {class_path: project.datasets.glyphs.Glyphs, init_args: [1]}",
        "dataset: {class_path: project.datasets.image_archive.ImageArchive, init_args: {path: 2026-01-01}}",
        "dataset: {class_path: project.datasets.glyphs.Glyphs, init_args: {1: 2}}",
    ],
    ids=lambda text: text[:80],
)
def test_wrong_rules_are_told_with_their_file(text, tmp_path):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(UserError, match="rules.yaml") as error:
        Rules.load(tmp_path / "rules.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dedline: 2026-12-04", "dedline: there is no such rule; did you mean deadline?"),
        ("late_work: {free_day: 1}", "late_work.free_day: there is no such rule; did you mean free_days?"),
        ("bonus: {rubric: {report: [{name: a, points: 5, sought: b}]}}", "bonus.rubric.report.0.sought: there is no such rule"),
        ("unknown: 1", "unknown: there is no such rule"),
    ],
)  # fmt: skip
def test_a_rule_that_there_is_not_is_told_with_what_it_may_be(text, said, tmp_path):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        Rules.load(tmp_path / "rules.yaml")
    assert str(error.value) == f"{tmp_path / 'rules.yaml'}: {said}"


@pytest.mark.parametrize(("name", "said"), [(".", "directory"), ("absent.yaml", "No such file")])
def test_rules_that_cannot_be_read_are_told_with_the_reason(name, said, tmp_path):
    with pytest.raises(UserError, match=said):
        Rules.load(tmp_path / name)


@pytest.mark.parametrize(
    "path",
    [
        "project.datasets.glyphs.Glyphs",
        "project.datasets.downloaded.CIFAR10",
        "project.datasets.image_archive.TensorFolder",
    ],
)
def test_a_dataset_of_any_class_that_its_module_has_will_do(path, tmp_path):
    (tmp_path / "rules.yaml").write_text(f"dataset: {{class_path: {path}}}")
    assert Rules.load(tmp_path / "rules.yaml").dataset == {"class_path": path}


def test_a_dataset_s_path_is_the_same_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("images", "./images/", tmp_path / "images"):
        archive = f"class_path: project.datasets.image_archive.ImageArchive, init_args: {{path: {path}}}"
        (tmp_path / "rules.yaml").write_text(f"dataset: {{{archive}}}")
        assert Rules.load("rules.yaml").dataset["init_args"] == {"path": str(tmp_path / "images")}


def test_the_paths_of_tables_are_resolved_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = "{train: a/Train.csv, test: ../Test.csv, label: last}"
    (tmp_path / "rules.yaml").write_text(
        f"dataset: {{class_path: project.datasets.tables.ImageTable, init_args: {arguments}}}"
    )
    resolved = {"train": str(tmp_path / "a/Train.csv"), "test": str(tmp_path.parent / "Test.csv"), "label": "last"}
    assert Rules.load("rules.yaml").dataset["init_args"] == resolved


@pytest.mark.parametrize(("target", "said"), [(0.8, "80%"), (0.925, "92.5%"), (0.57, "57%"), (0.8125, "81.25%")])
def test_a_target_is_told_as_it_is(target, said):
    assert conditions(Assignment(target_accuracy=target), summary())[0].name == f"accuracy above {said}"
