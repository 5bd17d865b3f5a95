"""A study from command to page: what is kept is not trained again, what fails is told, and the others finish."""

import json
import os
import signal
import subprocess
import sys
from textwrap import dedent
from types import SimpleNamespace

import jsonschema
import pytest
import torch

from main import main
from project.studies import training_pool
from project.studies.one_training import CURVES, RunResult, fitted
from project.studies.study_plan import read_plan
from project.studies.study_trainings import completed_arms, run
from project.studies.training_pool import Failure, Job, complete_of, jobs_for, trained
from project.support.errors import UserError
from project.training.configuration import merged, read_arguments

TINY = [
    *("--config", "configs/base.yaml", "--data.source.train=100", "--data.source.val=50", "--data.source.test=50"),
    *("--model.network.width=4", "--data.batch_size=50", "--trainer.max_epochs=1", "--trainer.accelerator=cpu"),
]
BROKEN = """
    from torch import nn

    class Broken(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.layer = nn.Linear(3 * 32 * 32, num_classes)

        def forward(self, images_NCHW):
            raise RuntimeError("the layer is broken")
"""


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A folder with a study of two arms, of which one fails, its exit status, and the command."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "broken_net.py").write_text(dedent(BROKEN))
    sys.path.insert(0, str(folder))
    command = ["study", *TINY, "--seeds", "2", "--out", str(folder), "--name", "s"]
    command += ["--arm", "high=--model.optimizer.lr 0.2", "--arm", "broken=--model.network broken_net.Broken"]
    yield folder, main(command), command
    sys.path.remove(str(folder))


@pytest.mark.slow
def test_a_failed_arm_is_told_in_one_line_and_the_others_finish(studied):
    folder, status, _ = studied
    study = json.loads((folder / "s" / "study.json").read_text())
    base, high, broken = study["arms"]
    assert status == 1 and "the layer is broken" in broken["failed"] and "\n" not in broken["failed"]
    assert len(base["runs"]) == len(high["runs"]) == 2 and high["found"]["accuracy"]["difference"]
    assert base["runs"][0]["train_loss"] > 0 and len(base["runs"][0]["curves"]["val/loss"]) == 1
    jsonschema.validate(study, json.loads((folder / "s" / "study.schema.json").read_text()))
    assert {path.name for path in (folder / "s").iterdir()} >= {"index.html", "figure.png", "figure.svg"}
    kept = [path.name for path in (folder / "runs").iterdir()]
    assert len(kept) == 4 and not any(name.startswith(".") for name in kept)


@pytest.mark.slow
def test_what_is_kept_is_not_trained_again(studied, monkeypatch, capsys):
    folder, _, command = studied
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    monkeypatch.setattr(training_pool, "process_context", lambda: pytest.fail("it trains"))
    assert main(command[:-2]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert "high: " in capsys.readouterr().out


def digest_of(*args, seed=0):
    settings = merged(read_arguments([*TINY, *args]).overlays)
    (job,) = jobs_for(settings, complete_of(settings), [seed])
    return job.digest


def test_a_digest_is_of_all_that_decides_a_training(monkeypatch, tmp_path):
    plain = digest_of()
    assert digest_of("--run.name", "other", "--seed_everything", "7") == plain, "the study sets these itself"
    others = [digest_of(seed=1), digest_of("--model.optimizer.lr", "0.3"), digest_of("--trainer.max_epochs", "2")]
    (tmp_path / "own_net.py").write_text("from torch import nn\n\n\nclass Net(nn.Flatten):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    others.append(digest_of("--model.network", "own_net.Net"))
    (tmp_path / "beside.py").write_text("WIDTH = 3\n")
    others.append(digest_of("--model.network", "own_net.Net"))
    assert len({plain, *others}) == 6


def test_a_digest_is_also_of_code_in_a_folder_that_is_no_package(monkeypatch, tmp_path):
    """Such as a notebook's, which writes submission/my_network.py."""
    network = tmp_path / "loose_folder" / "net.py"
    network.parent.mkdir()
    network.write_text("from torch import nn\n\n\nclass Net(nn.Flatten):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = digest_of("--model.network", "loose_folder.net.Net")
    network.write_text(network.read_text() + "    WIDTH = 3\n")
    assert digest_of("--model.network", "loose_folder.net.Net") != before


def test_whoever_stops_stops_the_trainings_and_leaves_only_what_is_whole(monkeypatch, tmp_path):
    killed = []

    class Sleeper:
        sentinel = 0
        pid, exitcode = 1, -9

        def start(self): ...
        def join(self): ...
        def kill(self):
            killed.append(self)

    class Context:
        def Process(self, target, args):
            return Sleeper()

    def interrupted(sentinels):
        raise KeyboardInterrupt

    monkeypatch.setattr(training_pool, "process_context", Context)
    monkeypatch.setattr(training_pool, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(trained([Job({}, 0, "a")], tmp_path, 1))
    assert killed and not list(tmp_path.iterdir())


def test_what_a_killed_study_left_is_swept_away_and_nothing_else(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f".a.{dead.pid}", f".b.{os.getpid()}", "c"):
        (tmp_path / name).mkdir()
    training_pool.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f".b.{os.getpid()}", "c"}


def test_jobs_that_are_no_longer_wanted_end_the_study(tmp_path):
    assert not list(trained([Job({}, 0, "a"), Job({}, 1, "b")], tmp_path, 2, skipped=lambda job: True))


def test_a_process_that_was_killed_says_so(tmp_path):
    class Killed:
        exitcode = -9

    (tmp_path / ".a").mkdir()
    said = training_pool.outcome(Killed(), tmp_path / ".a", tmp_path / "a")
    assert isinstance(said, Failure) and "memory" in said.said and not list(tmp_path.iterdir())


def test_what_a_process_says_is_told_where_there_are_no_signals(monkeypatch, tmp_path):
    """As on Windows."""

    class Failed:
        exitcode = 1

    monkeypatch.delattr(signal, "SIGKILL")
    (tmp_path / ".a").mkdir()
    (tmp_path / ".a" / "error.txt").write_text("why")
    assert training_pool.outcome(Failed(), tmp_path / ".a", tmp_path / "a") == Failure("why")


@pytest.mark.parametrize("kept", ['{"of": "an older version"}', None])
def test_a_kept_folder_that_cannot_be_read_is_replaced(kept, tmp_path):
    class Ended:
        exitcode = 0

    place, folder = tmp_path / ".a", tmp_path / "a"
    for each in (place, folder):
        each.mkdir()
    (folder / "log.txt").write_text("")
    if kept:
        (folder / "result.json").write_text(kept)
    measured = dict.fromkeys(("accuracy", "loss", "train_loss", "val_loss"), 0.5)
    (place / "result.json").write_text(
        RunResult(seed=0, **measured, curves={}, remarks=[], seconds=1).model_dump_json()
    )
    result = training_pool.outcome(Ended(), place, folder)
    assert training_pool.read_result(folder) == result is not None and not place.exists()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no forking")
@pytest.mark.parametrize(
    ("accelerators", "free", "expected"),
    [(["cpu"], 80, 16), (["cpu", "auto"], 80, 16), (["auto"], 15, 3), (["gpu"], 3, 1), (["auto"], None, 1)],
)
def test_a_gpu_takes_as_many_trainings_as_its_free_memory_does(accelerators, free, expected, monkeypatch):
    monkeypatch.setattr(training_pool, "cores", lambda: 16)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: free is not None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int((free or 0) * 1024**3), 80 * 1024**3))
    assert training_pool.at_once(accelerators) == expected
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert training_pool.at_once(accelerators) == 16


@pytest.mark.parametrize("said", ["CUDA out of memory. Tried to allocate 2 GiB", "CUBLAS_STATUS_ALLOC_FAILED"])
def test_a_training_that_finds_no_memory_may_find_it_alone(said, tmp_path):
    (tmp_path / ".a").mkdir()
    (tmp_path / ".a" / "error.txt").write_text(said)
    found = training_pool.outcome(SimpleNamespace(exitcode=1), tmp_path / ".a", tmp_path / "a")
    assert found == Failure(f"{said}; try --jobs 1")


def test_no_training_is_forked_on_macos(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert training_pool.process_context().get_start_method() == "spawn"


def test_ctrl_c_is_not_for_the_server_that_imports(monkeypatch):
    started = []

    def server():
        started.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    tracker = SimpleNamespace(ensure_running=lambda: started.append("tracker"))  # which unblocks Ctrl-C as it starts
    monkeypatch.setattr(training_pool, "resource_tracker", tracker)
    monkeypatch.setattr(training_pool, "forkserver", SimpleNamespace(ensure_running=server))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    training_pool.process_context()
    assert started[0] == "tracker" and signal.SIGINT in started[1]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_a_training_is_measured_in_its_own_precision(precision, tmp_path):
    settings = merged(read_arguments([*TINY, "--trainer.precision", precision]).overlays)
    assert fitted(settings, 0, tmp_path).train_loss > 0


def test_half_a_result_is_none(tmp_path):
    (tmp_path / "result.json").write_text('{"seed": 0')
    assert training_pool.read_result(tmp_path) is None
    assert training_pool.count_kept([Job({}, 0, tmp_path.name)], tmp_path.parent) == 0
    with pytest.raises(ValueError):
        RunResult.model_validate_json("{}")


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        (["x=--run.name y"], "--arm x: changes nothing of the base"),
        (["x=--seed_everything 3"], "--arm x: changes nothing of the base"),
        (["x=--model.network.width 4"], "--arm x: changes nothing of the base"),
        (["x=--data.source.train 200"], "--arm x: changes data.source"),
        (["x=--model.optimizer.rate 3"], "--arm x: model.optimizer"),
    ],
)
def test_an_arm_that_compares_nothing_is_one_line(arms, said, tmp_path, capsys):
    options = [word for arm in arms for word in ("--arm", arm)]
    assert main(["study", *TINY, *options, "--out", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_what_is_the_same_once_more_is_left_out_and_told(capsys):
    arms = ["x=--data.batch_size 25", "y=--data.batch_size=25", "z=--data.batch_size 50"]
    complete, _ = completed_arms(read_plan([*TINY, *(word for arm in arms for word in ("--arm", arm))]))
    said = capsys.readouterr().err
    assert [*complete] == ["base", "x"]
    assert "--arm y: is the same as x" in said and "--arm z: changes nothing of the base" in said


def test_a_cell_that_is_the_base_once_more_is_no_arm_of_its_own(tmp_path):
    grid = ["--grid", "batch=--data.batch_size 50 25", "--grid", "width=--model.network.width 4 8"]
    complete, cells = completed_arms(read_plan([*TINY, *grid]))
    assert len(complete) == 4 and cells["base"] == (0, 0) and "batch 50, width 4" not in complete


def test_a_grid_has_no_cell_twice():
    grid = ["--grid", "batch=--data.batch_size 25 30", "--grid", "rate=--model.optimizer.lr 0.3 0.30"]
    with pytest.raises(UserError, match="--arm batch 25, rate 0.30: is the same as batch 25, rate 0.3"):
        completed_arms(read_plan([*TINY, *grid]))


@pytest.fixture
def made_up(monkeypatch):
    """Trainings that take no time: a seed's accuracy is 0.1 more than the seed before's, and a tenth of the width."""

    def trained(jobs, folder, workers, skipped):
        for job in jobs:
            accuracy = 0.1 * job.seed + job.settings["model"]["network"]["init_args"]["width"] / 100
            curves = {name: [accuracy, accuracy] for name in CURVES}
            measured = {"accuracy": accuracy, "loss": 1.0, "train_loss": 0.5, "val_loss": 1.0}
            yield job, RunResult(seed=job.seed, **measured, curves=curves, remarks=[], seconds=1.0)

    monkeypatch.setattr("project.studies.study_trainings.trained", trained)


def test_what_is_going_to_run_is_said_at_once_and_what_is_kept_when_it_begins(made_up, tmp_path, monkeypatch, capsys):
    command = [
        "study",
        *TINY,
        "--arm",
        "wide=--model.network.width 8",
        "--seeds",
        "3",
        "--jobs",
        "2",
        "--out",
        str(tmp_path),
    ]
    monkeypatch.setattr("project.studies.study_trainings.count_kept", lambda jobs, folder: 4)
    assert main([*command, "--name", "w"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("w: 2 arms with 3 seeds, 6 trainings\n")
    assert "w: 6 trainings, 2 at once; 4 of them are kept already ...\n" in said.err


def test_a_grid_is_told_by_its_cells_and_drawn(made_up, tmp_path, capsys):
    grid = ["--grid", "batch=--data.batch_size 50 25", "--grid", "width=--model.network.width 4 8 12"]
    assert main(["study", *TINY, *grid, "--seeds", "2", "--out", str(tmp_path), "--name", "g"]) == 0
    assert "batch 25, width 12: +8.0 points (95 % interval 8.0 to 8.0)" in capsys.readouterr().out
    study = json.loads((tmp_path / "g" / "study.json").read_text())
    assert [axis["levels"] for axis in study["grid"]] == [["50", "25"], ["4", "8", "12"]]
    assert sorted(arm["cell"] for arm in study["arms"]) == [[row, column] for row in (0, 1) for column in (0, 1, 2)]
    drawn = (tmp_path / "g" / "figure.svg").read_text()
    assert "batch" in drawn and (tmp_path / "g" / "figure.png").stat().st_size > 10_000


def test_fit_with_several_seeds_tells_the_mean_and_its_interval(made_up, tmp_path, capsys):
    assert main(["fit", *TINY, "--seeds", "3", "--out", str(tmp_path)]) == 0
    assert "base: 14.0 % (95 % interval 0.0 to 38.8)" in capsys.readouterr().out
    study = json.loads((tmp_path / "base" / "study.json").read_text())
    assert len(study["arms"]) == 1 and len(study["arms"][0]["runs"]) == 3


def test_seeds_that_all_come_to_the_same_numbers_are_told(monkeypatch, tmp_path, capsys):
    def trained(jobs, folder, workers, skipped):
        for job in jobs:
            loss = 1.0 if job.settings["model"]["network"]["init_args"]["width"] == 8 else 1.0 + job.seed
            measured = dict.fromkeys(("accuracy", "loss", "train_loss", "val_loss"), 0.5)
            yield (
                job,
                RunResult(seed=job.seed, **measured, curves=dict.fromkeys(CURVES, [loss]), remarks=[], seconds=1.0),
            )

    monkeypatch.setattr("project.studies.study_trainings.trained", trained)
    command = [*TINY, "--arm", "wide=--model.network.width 8", "--seeds", "3", "--out", str(tmp_path)]
    run(read_plan(command))
    said = capsys.readouterr().err
    assert "note: wide: all 3 seeds came to the very same numbers" in said and "base:" not in said


def test_a_study_s_runs_are_a_group_in_wandb_over_the_epochs(made_up, monkeypatch, tmp_path, capsys):
    """What W&B is told; its own files are its own."""
    runs = []

    class Logged:
        def __init__(self, **given):
            self.given, self.summary, self.rows, self.axes, self.finished = given, {}, [], [], False
            runs.append(self)

        def define_metric(self, name, step_metric=None):
            self.axes.append((name, step_metric))

        def log(self, row):
            self.rows.append(row)

        def finish(self):
            self.finished = True

    monkeypatch.setattr("wandb.init", Logged)
    command = [*TINY, "--arm", "wide=--model.network.width 8", "--seeds", "2", "--out", str(tmp_path)]
    assert main(["study", *command, "--name", "s", "--wandb", "offline"]) == 0
    assert "W&B: 4 runs in the group s, offline" in capsys.readouterr().out
    assert [run.given["job_type"] for run in runs] == ["base", "base", "wide", "wide"]
    assert {run.given["group"] for run in runs} == {"s"} and all(run.finished for run in runs)
    last = runs[-1]
    assert last.axes == [("epoch", None), ("*", "epoch")] and [row["epoch"] for row in last.rows] == [1, 2]
    assert last.rows[0]["val/accuracy"] == pytest.approx(0.18) and last.summary["accuracy"] == pytest.approx(0.18)


def test_each_arm_is_completed_once():
    plan = read_plan([*TINY, "--arm", "x=--data.batch_size 25"])
    assert [one["data"]["batch_size"] for one in completed_arms(plan)[0].values()] == [50, 25]
