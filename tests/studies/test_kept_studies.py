"""Runs that are there already are compared: by seed where seeds are common, else by means, and it is said which."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from main import main
from project.studies.kept_studies import folder_of, gathered, other_settings, read_run
from project.studies.study_metrics import epochs_to_target
from project.studies.study_result import answer
from project.support.errors import UserError

SOURCE = {"class_path": "project.datasets.glyphs.Glyphs", "init_args": {"train": 100}}


@pytest.fixture
def write_run(tmp_path):
    """A function that writes the folder of a run: its name, seed, accuracy and rate; and returns it."""

    def write(name, seed, accuracy, lr=0.1, source=SOURCE):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": lr}}
        config = {"seed_everything": seed, "model": {"optimizer": optimizer}, "data": {"source": source}}
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"run": {"name": name, "rules": None}}))
        summary = {"seed": seed, "val_accuracy": accuracy, "remarks": [], "seconds": 1.0}
        (folder / "summary.json").write_text(json.dumps(summary))
        with open(folder / "metrics.csv", "w", newline="") as file:
            names = ("epoch", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr")
            csv.writer(file).writerows([names, (1, 2.0, 0.1, 2.0, accuracy / 2, ""), (2, 1, 0.5, "nan", accuracy, 0.1)])
        return str(folder)

    return write


def compared(*folders):
    study = answer(gathered(folders, "s", "accuracy", Path("studies")))
    return {arm.name: arm for arm in study.arms}


def test_a_run_whose_configuration_says_nothing_of_a_folder_is_read(write_run, tmp_path):
    run = write_run("a", 0, 0.5)
    config = tmp_path / "a" / "config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"run": None}))
    assert [*compared(run)] == ["a"]


def words(*folders):
    return {name: arm.found["accuracy"].words for name, arm in compared(*folders).items()}


def test_runs_that_differ_only_in_their_seeds_are_one_arm(write_run):
    folders = [write_run("a", 0, 0.5), write_run("b", 0, 0.6, lr=0.2), write_run("a-2", 1, 0.54)]
    arms = compared(*folders, write_run("b-2", 1, 0.65, lr=0.2))
    assert {name: [run.seed for run in arm.runs] for name, arm in arms.items()} == {"a": [0, 1], "b": [0, 1]}
    assert arms["b"].found["accuracy"].difference.paired == 2
    assert arms["a"].overlay == ""
    assert yaml.safe_load(arms["b"].overlay) == {"model": {"optimizer": {"init_args": {"lr": 0.2}}}}


def test_epochs_are_counted_from_the_first_though_a_run_went_on_in_a_new_folder(write_run, tmp_path):
    run = write_run("a", 0, 0.81)
    rows = [("epoch", "val/accuracy"), (7, 0.79), (8, 0.81), (10, 0.82)]
    with open(tmp_path / "a" / "metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    result = read_run(Path(run), "a").result
    assert result.curves["val/accuracy"] == [None] * 6 + [0.79, 0.81, None, 0.82]
    assert epochs_to_target(result, 0.8) == 8


def test_a_folder_of_runs_is_an_arm_by_its_own_name(write_run, tmp_path):
    for seed in range(3):
        write_run(f"slow/run-{seed}", seed, 0.5 + seed / 100)
        write_run(f"fast/run-{seed}", seed, 0.6 + seed / 100, lr=0.2)
    said = words(str(tmp_path / "slow"), str(tmp_path / "fast"))
    assert list(said) == ["slow", "fast"] and said["fast"].startswith("fast: +10.0 points (")


def test_where_few_seeds_are_common_the_means_are_compared_and_it_is_said(write_run):
    first = [write_run(f"a-{seed}", seed, 0.50 + seed / 1000) for seed in range(3)]
    other = [write_run(f"b-{seed}", seed, 0.70 + seed / 1000, lr=0.2) for seed in (2, 3, 4)]
    assert words(*first, *other)["b-2"].endswith("), by 3 seeds and 3 others, not paired")
    more = [write_run(f"b-{seed}", seed, 0.70 + seed / 1000, lr=0.2) for seed in (0,)]
    assert words(*first, *other, *more)["b-2"].endswith("), by the 2 seeds that both have")


def test_one_seed_tells_nothing(write_run):
    said = words(write_run("a", 0, 0.5), write_run("b", 0, 0.6, lr=0.2))
    assert said == {name: f"{name}: {n}.0 %; one seed tells nothing about noise" for name, n in (("a", 50), ("b", 60))}


def test_the_same_configuration_and_seed_twice_are_two_arms(write_run):
    """Such as before and after a change of the student's own code."""
    said = words(write_run("before", 0, 0.5), write_run("after", 0, 0.6))
    assert [*said] == ["before", "after"]


def test_a_study_of_runs_is_written_and_can_be_compared_again(write_run, tmp_path, capsys):
    for seed in range(2):
        write_run(f"slow/run-{seed}", seed, 0.5 + seed / 100)
        write_run(f"fast/run-{seed}", seed, 0.6 + seed / 50, lr=0.2)
    folders = [str(tmp_path / "slow"), str(tmp_path / "fast")]
    assert main(["study", *folders, "--out", str(tmp_path / "studies"), "--metric", "epochs"]) == 0
    assert "fast" in capsys.readouterr().out
    there = {path.name for path in (tmp_path / "studies" / "slow+fast").iterdir()}
    assert there == {"study.json", "study.schema.json", "index.html", "figure.png", "figure.svg", "table.md"}
    again = compared(str(tmp_path / "studies" / "slow+fast"), write_run("third", 0, 0.7, lr=0.3))
    assert list(again) == ["slow+fast: slow", "slow+fast: fast", "third"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: (run / "summary.json").unlink(), "not trained to its end"),
        (lambda run: (run / "summary.json").write_text("{"), "cannot be read as a run's folder (JSONDecodeError"),
        (lambda run: (run / "summary.json").write_text("[]"), "cannot be read as a run's folder (TypeError"),
        (lambda run: (run / "config.yaml").write_text("model: 1"), "cannot be read as a run's folder (KeyError"),
        (lambda run: (run / "metrics.csv").unlink(), "cannot be read as a run's folder (FileNotFoundError"),
        (lambda run: (run / "metrics.csv").write_bytes(b"\xff,\0"), "cannot be read as a run's folder"),
        (lambda run: (run / "study.json").write_text("{}"), "study.json: cannot be read"),
        (lambda run: (run / "config.yaml").unlink(), "is neither a run nor a study"),
    ],
)
def test_a_folder_that_is_none_is_one_line(change, said, write_run, tmp_path, capsys):
    run = write_run("a", 0, 0.5)
    change(tmp_path / "a")
    assert main(["study", run, "--out", str(tmp_path / "studies")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "studies").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nowhere"], "study nowhere: there is no such run or study"),
        (["a", "--config", "configs/base.yaml"], "compares either runs that are there or arms to train"),
        (["a", "--seeds", "3"], "compares either runs that are there or arms to train"),
        (["a", "--first-seed", "3"], "compares either runs that are there or arms to train"),
        (["a", "a"], "2 arms are called"),
        (
            ["a", "--metric", "signal"],
            "--metric signal: was not measured in each of these runs; take one of accuracy, ",
        ),
        (["a", "--metric", "train_loss"], "--metric train_loss: was not measured in each"),
        (["a", "other"], "has other images than"),
    ],
)
def test_what_compares_nothing_is_one_line(options, said, write_run, tmp_path, monkeypatch, capsys):
    write_run("runs/a", 0, 0.5)
    write_run("runs/other", 0, 0.5, source=SOURCE | {"init_args": {"train": 50}})
    monkeypatch.chdir(tmp_path)
    assert main(["study", *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "studies").exists()


def test_what_a_study_measured_is_kept_when_it_is_compared_again(write_run, tmp_path):
    """As long as all runs have it."""
    study = gathered([write_run("a", 0, 0.5), write_run("b", 0, 0.6, lr=0.2)], "s", "accuracy", tmp_path)
    for arm in study.arms:
        arm.runs[:] = [run.model_copy(update={"train_loss": 1.0, "measured": {"alike": None}}) for run in arm.runs]
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "study.json").write_text(study.model_dump_json())
    again = answer(gathered(["s"], "again", "alike", tmp_path))
    assert again.measured == ["train_loss", "alike"] and {*again.arms[1].found} == {*again.metrics}
    both = gathered(["s", write_run("c", 0, 0.5, lr=0.3)], "both", "accuracy", tmp_path)
    assert both.measured == []


def test_an_unfinished_run_of_several_is_left_out(write_run, tmp_path, capsys):
    write_run("runs/a", 0, 0.5)
    write_run("runs/b", 1, 0.5)
    (tmp_path / "runs" / "b" / "summary.json").unlink()
    assert len(compared(str(tmp_path / "runs"))["runs"].runs) == 1
    assert "note: " in capsys.readouterr().err


def test_what_another_configuration_changes():
    old = {"a": {"class_path": "x", "init_args": {"b": 1, "c": 2}}, "d": [1], "e": 1}
    assert other_settings(old, old) is None
    assert other_settings(old, old | {"d": [2], "e": None}) == {"d": [2], "e": None}
    assert other_settings(old, old | {"a": {"class_path": "x", "init_args": {"b": 3, "c": 2}}}) == {
        "a": {"init_args": {"b": 3}}
    }
    assert other_settings(old, old | {"a": {"class_path": "y"}}) == {"a": {"class_path": "y"}}


def test_only_a_folder_is_a_run(tmp_path):
    with pytest.raises(UserError, match="no such run or study"):
        folder_of(str(tmp_path / "absent"), tmp_path)
