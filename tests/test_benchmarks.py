"""The benchmarks run, and their files have every ratio's median and spread. What they measure is not judged here."""

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch.nn import functional as F

from benchmarks import (
    contention,
    day,
    epoch,
    gpu,
    gpu_tasks,
    odd_students,
    overlays,
    recording,
    rendering,
    startup,
    step,
    study,
    target,
    template,
    term,
)
from benchmarks.__main__ import main
from benchmarks.measuring import ratio
from benchmarks.odd_students import ARCHIVES, WAYS, Odd
from grader.sandbox.bubblewrap import unavailable
from project.studies.one_training import RunResult
from project.training.command_line import complete_config


@pytest.mark.parametrize(
    ("arguments", "ratios"),
    [
        (["epoch", "--rounds=1", "--count=128", "--workers=0"], {"epoch_same_precision", "over_arithmetic"}),
        (["step", "--rounds=2"], {"step_logging", "recipe_over_kernels"}),
        (["augment", "--rounds=2", "--count=256"], {"augment"}),
        (["startup", "--rounds=1"], {"help", "print_config", "first_step"}),
        (["contention", "--rounds=1"], {"beside_busy"}),
        (["study", "--rounds=1"], {"study_ratio"}),
        (["rendering", "--rounds=2", "--submissions=2,4"], {"seconds_growth", "memory_growth"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_the_file_has_the_ratios_with_their_spread(arguments, ratios, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(step, "STEPS", 20)
    monkeypatch.setattr(step, "RECIPE_STEPS", 1)
    monkeypatch.setattr(contention, "fit", lambda epochs: 1.0)
    monkeypatch.setattr(study, "seconds_of", lambda command: 1.0)
    monkeypatch.setattr(epoch, "alone", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(startup, "seconds", lambda *command: 1.0)
    monkeypatch.setattr(rendering, "write_course", lambda results, count: None)
    monkeypatch.setattr(rendering, "rendered", lambda results: (1.0, 2.0))
    assert main([*arguments, "--json", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert ratios <= set(found["ratios"])
    for spread in found["ratios"].values():
        assert 0 < spread["low"] <= spread["median"] <= spread["high"]
    assert found["machine"]["torch"] and found["measured"]


def test_help_is_there_before_torch_is():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "main.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "fit --config configs/quickstart.yaml" in done.stdout
    assert "project.training.help_text" in done.stderr and "torch" not in done.stderr


def test_the_template_and_ours_train_the_same_network():
    """The same weights give the same logits and gradients."""
    plain, ours = template.six_convolutions(), epoch.network()
    ours.load_state_dict(dict(zip(ours.state_dict(), plain.state_dict().values(), strict=True)))
    images_NCHW = torch.randn(16, 3, 32, 32)
    for network in (plain, ours):
        F.cross_entropy(network(images_NCHW), torch.arange(16) % 10).backward()
    torch.testing.assert_close(ours(images_NCHW), plain(images_NCHW))
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5)


def test_the_template_is_compared_to_the_recipe_in_the_same_run(tmp_path, monkeypatch):
    run = {"accuracy": 81.0, "accuracy_one_view": 80.0, "epochs": 3}
    monkeypatch.setattr(target, "ImageArchive", str)
    monkeypatch.setattr(target, "process", lambda recipe, images, seed: {**run, "seconds": 40.0, "seed": seed})
    monkeypatch.setattr(target, "template", lambda images, seed, epochs: {**run, "seconds": 400.0, "seed": seed})
    found = target.main(["cifar10_fast_cpu"], tmp_path, rounds=2, template_epochs=13)
    assert found["ratios"]["target_ratio"]["median"] == 10 and len(found["runs"][target.TEMPLATE]) == 2


def test_target_asks_for_images(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["target"])
    assert ended.value.code == 2 and "--images" in capsys.readouterr().err


def test_an_overlay_is_compared_to_the_command_in_its_comment_without_it():
    arms = {arm.name: arm for arm in overlays.over_base()}
    cosine = arms["`optimization/cosine`"]
    assert cosine.reference == ["--config", "configs/base.yaml", "--model.optimizer.lr", "0.15"]
    assert set(cosine.settings) - set(cosine.reference) == {"configs/optimization/cosine.yaml"}
    assert cosine.remark.startswith("Cosine schedule: ") and cosine.remark.endswith("With `--model.optimizer.lr 0.15`.")
    assert arms["`initialization/he`"].reference == [*overlays.BASE, "--trainer.max_epochs", "5"]


def test_after_a_training_that_went_astray_the_table_has_no_difference_of_losses():
    def runs(loss):
        more = {"curves": {}, "remarks": [], "seconds": 1.0, "train_loss": 0.5, "loss": loss, "val_loss": loss}
        return [RunResult(seed=seed, accuracy=0.1 if loss is None else 0.7, **more) for seed in range(3)]

    arm = overlays.Arm("astray", ["--x"], [])
    assert (
        overlays.row(arm, runs(None), runs(1.0))
        == "| astray | 10.0 ± 0.0 | **-60.0** (-60.0 to -60.0) | no number |  |"
    )


def test_the_table_of_overlays_tells_differences_from_noise(monkeypatch, capsys):
    def measured(arms, seeds, workers):
        def accuracy(options, seed):
            return 0.7 + 0.001 * seed + 0.1 * ("configs/initialization/he.yaml" in options)

        def runs(options):
            kept = {"loss": 1.0, "train_loss": 0.5, "val_loss": 1.0, "curves": {}, "remarks": [], "seconds": 1.0}
            return [RunResult(seed=seed, accuracy=accuracy(options, seed), **kept) for seed in range(seeds)]

        return {tuple(one): runs(one) for arm in arms for one in (arm.settings, arm.reference)}

    monkeypatch.setattr(overlays, "measured", measured)
    monkeypatch.setattr(sys, "argv", ["overlays", "--seeds", "3", "--each", "3"])
    overlays.main()
    rows = {line.split(" | ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "| 80.1 ± 0.1 | **+10.0** (10.0 to 10.0) | +0.00 (0.00 to 0.00) |" in rows["| `initialization/he`"]
    assert "| 70.1 ± 0.1 |  |  |" in rows["| `initialization/xavier`"]
    assert rows["| none"].startswith("| none | 70.1 ± 0.1 |  |  |")
    assert rows["| none `--model.optimizer.lr 0.15`"].startswith(
        "| none `--model.optimizer.lr 0.15` | 70.1 ± 0.1 |  |  |"
    )


def test_an_interval_that_ends_beside_zero_says_on_which_side():
    def runs(*accuracies):
        kept = {"loss": 1.0, "train_loss": 0.5, "val_loss": 1.0, "curves": {}, "remarks": [], "seconds": 1.0}
        return [RunResult(seed=seed, accuracy=accuracy, **kept) for seed, accuracy in enumerate(accuracies)]

    arm = overlays.Arm("up", [], [])
    told = overlays.row(arm, runs(0.71, 0.716, 0.7075), runs(0.7, 0.7, 0.7))
    assert told.startswith("| up | 71.1 ± 0.4 | **+1.12** (0.03 to 2.20) | "), "not: 0.0 to 2.2"


def test_ratios_are_those_of_the_rounds():
    assert ratio([2.0, 6.0, 3.0], [1.0, 2.0, 3.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}


@pytest.mark.parametrize(
    ("way", "size"),
    [(WAYS[0], 20), *(pytest.param(way, size, marks=pytest.mark.slow) for way in WAYS for size in (20, 200))],
)
def test_nobody_is_missing_mistaken_or_exposed_after_a_day(way, size, tmp_path, monkeypatch):
    if way not in ARCHIVES and (reason := unavailable()):
        pytest.skip(f"git runs in a sandbox only: {reason}")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    config = complete_config(["--config", "configs/quickstart.yaml"])
    acted = day.acted_out(way, size, config, tmp_path)
    assert not acted.problems
    assert len(acted.odd) >= size // 5 and all(where.count(",") >= 4 for *_, where in acted.odd)


@pytest.mark.slow
def test_a_term_wants_no_training_but_its_own_and_gives_the_same_grades_from_nothing(capsys):
    found = term.main()
    assert not found["problems"], "\n".join(found["problems"])
    made = {step["step"]: step["trainings"] for step in found["steps"]}
    assert made["the final round"] == 37 and made["the next run"] == 2 and made["the target moves"] == 0


def test_a_day_tells_what_is_not_as_it_must_be(tmp_path, monkeypatch):
    """Whoever is made less odd than announced, named on a page, or given other points in the gradebook, is a problem."""
    monkeypatch.setattr("grader.publish.canvas.grade", lambda entry: "1.00")
    monkeypatch.setattr(odd_students, "ODD", (Odd("a fault", lambda one, other: None, "failed"),))
    monkeypatch.setattr("grader.publish.pages.rendering.class_list", lambda *_: {})
    problems = day.acted_out("canvas", 4, complete_config(["--config", "configs/quickstart.yaml"]), tmp_path).problems
    assert sum("a fault: passed" in problem for problem in problems) == 1
    assert sum("is published, as in site/" in problem for problem in problems) >= 4
    assert sum("canvas.csv: 73010" in problem and "'1.00'" in problem for problem in problems) == 4


def test_a_recorded_run_becomes_a_picture_whose_lines_appear_in_order():
    picture = recording.drawn(
        "python x", recording.recorded([sys.executable, "-c", "print('<a>'); print('  met b')"], Path())
    )
    root = ElementTree.fromstring(picture)  # well-formed
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:3] == ["$ python x", "<a>", "  met b"] and "a real run" in texts[3]
    begins = [float(percent) for percent in re.findall(r"([\d.]+)% \{ opacity: 1 \}", picture)]
    assert 0 < begins[0] < begins[1] <= 100 * (recording.WAITS + recording.LASTS) / recording.WHOLE + 0.01
    with pytest.raises(subprocess.CalledProcessError):
        recording.recorded([sys.executable, "-c", "print(1); raise SystemExit(1)"], Path())


SAYS = {  # what a task's process does on each try
    "finds": ["found = {'accuracy': 95.5}"],
    "fails, then finds": ["raise SystemExit('no memory')", "found = {'accuracy': 94.5}"],
    "hangs": ["time.sleep(60)"] * 3,
    "kills itself": ["os.kill(os.getpid(), 9)"] * 3,
    "is last": ["", "found = {}"],
}


def acted(name, number, result):
    """A task's process that does what SAYS says."""
    code = f"import json, os, time\n{SAYS[name][number - 1]}\nopen({str(result)!r}, 'w').write(json.dumps(found))"
    command = [sys.executable, "-S", "-c", code]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, start_new_session=True, text=True, **pipe)


def test_a_gpu_day_goes_on_after_failures_and_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    file, begun = tmp_path / "day.json", []
    tasks = {name: gpu_tasks.Task(0.01 if name == "hangs" else 1, None) for name in SAYS}
    tasks["is too long"] = gpu_tasks.Task(60, None)

    def start(name, number, result):
        begun.append(name)
        if name == "is last" and begun.count(name) == 1:
            raise KeyboardInterrupt  # the slot is over
        return acted(name, number, result)

    with pytest.raises(KeyboardInterrupt):
        gpu.day(tasks, file, 30, start)
    assert begun == list(SAYS) and gpu.read(file)["finds"]["result"] == {"accuracy": 95.5}
    known = gpu.day(tasks, file, 30, start)
    assert begun[5:] == ["fails, then finds", "hangs", "kills itself", "is last", "hangs", "kills itself"]
    assert known == gpu.read(file) and known["fails, then finds"]["result"] == {"accuracy": 94.5}
    assert known["hangs"]["failed"] == "it took more than 0.01 minutes"
    assert known["kills itself"]["failed"].startswith("it ended with -9")
    assert "is too long" not in known and "60 minutes, which are not left" in capsys.readouterr().out
    monkeypatch.setattr(
        gpu, "ROWS", [gpu_tasks.Row("finds", "accuracy", 95.0, 95.3), gpu_tasks.Row("hangs", "accuracy")]
    )
    said = gpu.table(known, tasks)
    assert "95.5" in said.splitlines()[1] and said.splitlines()[1].endswith("  met")
    assert "hangs: failed (3 tries)" in said and "is too long: not begun" in said


def test_seeds_of_a_task_are_one_row():
    known = {f"cifar10_best, seed {seed}": {"tries": 1, "result": {"accuracy": 94.0 + seed}} for seed in range(3)}
    (row,) = [row for row in gpu.rows(known) if (row["task"], row["what"]) == ("cifar10_best", "accuracy")]
    assert (row["mean"], row["deviation"], row["count"], row["met"]) == (95.0, 1.0, 3, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "needs --json FILE"),
        (["--json={}/day.json"], "needs --images PATH"),
        (["--json={}/other.json", "--pretend"], "has no results of such a day"),
        (["--json={}/real.json", "--pretend"], "has the results of a real day"),
        (["--json={}/pretended.json"], "has the results of a pretended day"),
    ],
)
def test_a_gpu_day_that_cannot_begin_is_one_line(options, said, tmp_path, capsys):
    (tmp_path / "other.json").write_text("[]")
    for name in ("real", "pretended"):
        gpu.keep(tmp_path / f"{name}.json", {}, name == "pretended")
    assert main(["gpu", *(option.format(tmp_path) for option in options)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_gpu_day_can_be_acted_out(tmp_path):
    assert main(["gpu", "--pretend", "--minutes=60", "--json", str(tmp_path / "day.json")]) == 0
    known = gpu.read(tmp_path / "day.json", pretend=True)
    assert set(known) == set(gpu.TASKS)
    assert {name for name, one in known.items() if one["tries"] == 2} >= {*gpu.FAULTS}
