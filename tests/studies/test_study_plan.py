"""What a study is to compare: from options or a file; each mistake is one line."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from main import main
from project.studies.study_arms import arms_of, as_options
from project.studies.study_plan import read_plan
from project.support.errors import UserError
from project.training.configuration import merged, read_arguments

BASE = ["--config", "configs/base.yaml"]
HE = "configs/initialization/he.yaml"


def test_arms_are_files_options_or_both():
    plan = read_plan([*BASE, "--arm", f"he={HE}", "--arm", "lr 0.2=--model.optimizer.lr 0.2", "--seeds", "3"])
    assert [arm.name for arm in plan.arms] == ["base", "he", "lr 0.2"] and plan.seeds == 3
    he, rate = (plan.settings(arm)["model"] for arm in plan.arms[1:])
    assert he["initialization"]["class_path"] == "project.initialization.He"
    assert rate["optimizer"]["init_args"]["lr"] == 0.2 and not rate["initialization"]
    assert yaml.safe_load(plan.arms[2].text) == {"model": {"optimizer": {"lr": 0.2}}}
    (both,) = arms_of(f"both={HE} --model.optimizer.lr=0.3 --trainer.max_epochs 2")
    assert len(both.overlays) == 3


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (HE, "he"),
        ("--model.optimizer.lr 0.2", "model.optimizer.lr 0.2"),
        ("--model.optimizer.lr=0.2", "model.optimizer.lr=0.2"),
    ],
)
def test_an_arm_without_a_name_is_called_after_what_it_is(given, name):
    assert [arm.name for arm in arms_of(given)] == [name]


def test_a_folder_is_an_arm_for_each_overlay():
    names = [arm.name for arm in arms_of("configs/initialization")]
    assert names == sorted(path.stem for path in Path("configs/initialization").glob("*.yaml")) and len(names) > 10


def test_a_file_says_what_options_say(tmp_path):
    file = tmp_path / "rates.yaml"
    said = {"question": "Which rate?", "base": ["configs/base.yaml", "--trainer.max_epochs 2"], "seeds": 4}
    file.write_text(yaml.safe_dump({**said, "arms": {"high": "--model.optimizer.lr 0.5"}, "metric": "loss"}))
    plan = read_plan(["--study", str(file), "--data.batch_size", "50"])
    assert (plan.name, plan.question, plan.metric, plan.seeds) == ("rates", "Which rate?", "loss", 4)
    assert plan.base["trainer"]["max_epochs"] == 2 and plan.base["data"]["batch_size"] == 50
    other = read_plan(["--study", str(file), "--seeds", "2", "--metric", "gap"])
    assert (other.metric, other.seeds) == ("gap", 2)


def test_a_study_of_other_seeds_has_a_folder_of_its_own():
    arm = ["--arm", f"he={HE}", *(f"--arm={'long' * 10}{rate}=--model.optimizer.lr {rate}" for rate in (0.2, 0.3))]
    first, other = read_plan([*BASE, *arm]), read_plan([*BASE, *arm, "--first-seed", "100"])
    assert other.name == f"{first.name}-from-100" and other.first_seed == 100
    assert read_plan([*BASE, *arm, "--first-seed", "100", "--name", "mine"]).name == "mine"


@pytest.mark.parametrize("path", sorted(Path("configs/studies").rglob("*.yaml")), ids=str)
def test_the_studies_that_come_along_can_be_read(path):
    plan = read_plan(["--study", str(path)])
    assert plan.question.endswith("?") and len(plan.arms) > 1
    assert f"main.py study --study {path}" in path.read_text()


RATES = "rate=--model.optimizer.lr 0.05 0.1 0.2"


def test_a_grid_has_an_arm_for_each_pair_of_values():
    plan = read_plan([*BASE, "--grid", RATES, "--grid", f"start={HE} configs/initialization/xavier.yaml"])
    assert [arm.cell for arm in plan.arms[1:]] == [(row, column) for row in range(3) for column in range(2)]
    last = plan.arms[-1]
    assert last.name == "rate 0.2, start xavier" and plan.name == "base+rate+start"
    model = plan.settings(last)["model"]
    assert model["optimizer"]["init_args"]["lr"] == 0.2
    assert model["initialization"]["class_path"] == "project.initialization.Xavier"


def test_a_file_can_have_a_grid(tmp_path):
    file = tmp_path / "grid.yaml"
    grid = {"rate": "--model.optimizer.lr 0.1 0.2", "inits": "--model.initialization He Xavier 'null'"}
    file.write_text(yaml.safe_dump({"base": "configs/base.yaml", "grid": grid}, sort_keys=False))
    plan = read_plan(["--study", str(file)])
    assert len(plan.arms) == 7 and [axis.name for axis in plan.grid] == ["rate", "inits"]


def test_fit_with_several_seeds_is_a_study_of_one_arm():
    plan = read_plan([*BASE, "--config", HE, "--seeds", "3", "--run.name", "trial"], "fit")
    assert [arm.name for arm in plan.arms] == ["trial"] and (plan.name, plan.seeds) == ("trial", 3)
    assert read_plan([*BASE, "--config", HE, "--seeds=2"], "fit").name == "base+he"


def test_all_families_of_the_calibration_are_the_quickstart():
    plan = read_plan(["--study", "configs/studies/families.yaml"])
    (every,) = (arm for arm in plan.arms if arm.name == "all")
    assert plan.settings(every) == merged(read_arguments(["--config", "configs/quickstart.yaml"]).overlays)


def test_every_schedule_is_compared_at_the_rate_of_its_own_comment():
    plan = read_plan(["--study", "configs/studies/schedules.yaml"])
    commands = {path: path.read_text() for path in sorted(Path("configs/optimization").glob("*.yaml"))}
    at_this_rate = {path for path, text in commands.items() if "--model.optimizer.lr 0.15" in text}
    compared = [plan.settings(arm) for arm in plan.arms[1:]]
    for path in at_this_rate:
        own = read_arguments([*BASE, "--config", str(path), "--model.optimizer.lr", "0.15"])
        assert merged(own.overlays) in compared, path
    assert len(compared) == len(at_this_rate) > 8


def test_both_ways_of_making_batches_augment_alike():
    plan = read_plan(["--study", "configs/studies/batches.yaml"])
    ours, theirs = (plan.settings(arm)["data"]["augmentation"] for arm in plan.arms)
    assert [one["class_path"].rpartition(".")[2] for one in ours] == [
        one["class_path"].rpartition(".")[2] for one in theirs
    ]
    assert [one["init_args"]["padding"] for one in (ours[0], theirs[0])] == [2, 2]
    assert theirs[1]["init_args"] == ours[1]["init_args"] == {"p": 0.1}


def test_quotes_keep_a_value_with_spaces_together():
    assert as_options("a.yaml --b.c '1 2' --d=3 --e") == ["--config", "a.yaml", "--b.c", "1 2", "--d=3", "--e"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*BASE, "--arm", f"x={HE}", "--arm", "x=--model.optimizer.lr 1"], "--arm x: is there twice"),
        ([*BASE, "--arm", "x=absent.yaml"], "--arm x: --config absent.yaml: no such file"),
        ([*BASE, "--arm", f"base={HE}"], "--arm base: is what the arms are compared to"),
        ([*BASE, "--arm", f"={HE}"], "needs a name"),
        ([*BASE, "--arm", f"a\nb={HE}"], "needs a name"),
        ([*BASE, "--arm", "x='a"], "no closing quotation"),
        ([*BASE, "--arm", "x=--ckpt_path last"], "without --ckpt_path"),
        ([*BASE, "--arm", HE, "--seeds", "1"], "--seeds 1: expected a whole number from 2"),
        ([*BASE, "--arm", HE, "--seeds", "many"], "--seeds many: expected a whole number"),
        ([*BASE, "--arm", HE, "--jobs", "0"], "--jobs 0: expected a whole number from 1"),
        ([*BASE, "--arm", HE, "--metric", "speed"], "--metric speed: expected one of accuracy"),
        ([*BASE, "--arm", HE, "--name", "../x"], "--name ../x: is no plain name"),
        ([*BASE, "--arm", HE, "--name", "runs"], "--name runs"),
        ([*BASE], "there is no arm"),
        ([*BASE, "--grid", RATES], "a grid is of two settings, and 1 are given"),
        ([*BASE, "--grid", RATES, "--grid", "x=--model.initialization He"], "--grid x: needs a name and two or more"),
        ([*BASE, "--grid", RATES, "--grid", "x=--a 1 1"], "--grid x: needs a name and two or more"),
        ([*BASE, "--grid", RATES, "--grid", "=--a 1 2"], "--grid : needs a name"),
        ([*BASE, "--grid", RATES, "--grid", "x="], "--grid x: needs a name"),
        ([*BASE, "--grid", RATES, "--grid", "x=absent.yaml b.yaml"], "--config absent.yaml: no such file"),
        (["--arm", HE], "there is no base"),
        ([*BASE, "--arm"], "--arm: expected one argument"),
        ([*BASE, "--arm", "docs"], "--arm docs: is no folder of overlays"),
        (["--study", "absent.yaml"], "--study absent.yaml: cannot be read"),
        (["--study", "configs/base.yaml"], "--study configs/base.yaml: base"),
        ([*BASE, "--model.network", "nowhere.Net", "--arm", HE], "model.network: there is no module nowhere"),
    ],
)
def test_a_mistake_is_one_line(arguments, said, capsys):
    assert main(["study", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed: 3", "seed: there is no such key; did you mean seeds?"),
        ("expect: [{claim: x, hold: [x > base]}]", "expect.0.hold: there is no such key; did you mean holds?"),
        ("seeds: 1", "seeds: Input should be greater than or equal to 2, found 1"),
    ],
)
def test_a_wrong_key_of_a_file_is_one_line(line, said, tmp_path, capsys):
    file = tmp_path / "study.yaml"
    file.write_text(f"base: configs/base.yaml\narms: {{x: {HE}}}\n{line}\n")
    assert main(["study", "--study", str(file)]) == 2
    assert capsys.readouterr().err == f"error: --study {file}: {said}\n"


STUDIES = r"(?m)^python main.py ((?:study|fit) (?!.*--find-lr).*)$"  # a range test is no study
COMMANDS = re.findall(STUDIES, Path("docs/studies.md").read_text())


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_of_the_page_can_be_read(line):
    command, *words = shlex.split(line)
    if words[0].startswith("--"):
        plan = read_plan(words, command)
        assert (len(plan.arms) > 1) == (command == "study")
    else:
        assert command == "study" and all(word.startswith("runs/") for word in words)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "3"], "fit: there is no base"),
        ([*BASE, "--seeds", "1"], "--seeds 1: expected a whole number from 2"),
        ([*BASE, "--seeds"], "--seeds: expected one argument"),
        ([*BASE, "--seeds", "3", "--ckpt_path", "last"], "fit: with several seeds it takes no --ckpt_path"),
    ],
)
def test_a_mistake_of_fit_with_seeds_is_one_line(arguments, said, capsys):
    assert main(["fit", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_what_asks_for_help_gets_it(capsys):
    with pytest.raises(SystemExit) as ended:
        read_plan(["--help"])
    assert ended.value.code == 0 and "--arm configs/normalization" in capsys.readouterr().out


def test_a_name_with_a_path_in_it_is_no_name():
    with pytest.raises(UserError, match="no plain name"):
        read_plan([*BASE, "--arm", HE, "--name", "a/b"])
