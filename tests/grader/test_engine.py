"""The engine on this machine: how many at once, who prepares meanwhile, and an end without leftovers."""

import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.rerun import engine as engines
from grader.rerun import sandbox, seats
from grader.rerun.engine import LocalEngine
from grader.rerun.program import Program
from grader.rerun.result import Result
from grader.rerun.sandbox import Stopped
from grader.rerun.seats import Needs
from project.assignment import Limits
from tests.grader.conftest import needs_sandbox


def jobs(count: int, device: str = "cpu"):
    waiting = [SimpleNamespace(name=n, device=device, sandboxed=False) for n in range(count)]
    return lambda: waiting.pop(0) if waiting else None


class Watched:
    """Stands in for run_job: notes how many prepare and how many train at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.prepared = self.training = self.most_prepared = self.most_training = 0

    def __call__(self, job, watch, seat):
        with self.lock:
            self.prepared += 1
            self.most_prepared = max(self.most_prepared, self.prepared)
        with seat.turn:
            with self.lock:
                self.training += 1
                self.most_training = max(self.most_training, self.training)
            time.sleep(0.03)
            with self.lock:
                self.training -= 1
        with self.lock:
            self.prepared -= 1
        return Result("passed", str(job.name), 0.9)


def needs(device: str = "cpu", per_gpu: int = 1) -> Needs:
    return Needs(device, False, Path(), per_gpu)


def ignore(job, line):
    pass


@pytest.mark.parametrize(
    ("device", "per_gpu", "training", "prepared"),
    [("cpu", 1, 2, 2), ("cuda", 1, 3, 6), ("cuda", 2, 6, 9), ("cpu", 2, 2, 2)],
)
def test_so_many_train_at_once_and_so_many_prepare(device, per_gpu, training, prepared, monkeypatch):
    watched = Watched()
    monkeypatch.setattr(seats, "run_job", watched)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    results = list(LocalEngine(at_once=2, ahead=1).run(jobs(24, device), ignore, needs(device, per_gpu)))
    assert sorted(int(result.reason) for _, result in results) == list(range(24))
    assert all(str(job.name) == result.reason for job, result in results)
    assert watched.most_training == training and watched.most_prepared == prepared


def test_it_asks_again_after_each_result(monkeypatch):
    monkeypatch.setattr(seats, "run_job", Watched())
    waiting = [SimpleNamespace(name=0, device="cpu", sandboxed=False)]
    seen = []
    for job, _ in LocalEngine().run(lambda: waiting.pop() if waiting else None, ignore, needs()):
        seen.append(job.name)
        if job.name < 5:
            waiting.append(SimpleNamespace(name=job.name + 1, device="cpu", sandboxed=False))
    assert seen == list(range(6))


def test_stopped_by_hand_it_leaves_nothing_running(monkeypatch):
    ended = threading.Event()

    def until_stopped(job, watch, seat):
        assert seat.stop.wait(10)
        ended.set()
        raise Stopped

    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(seats, "run_job", until_stopped)
    monkeypatch.setattr(engines, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(LocalEngine().run(jobs(1), ignore, needs()))
    assert ended.is_set() and threading.active_count() < 10


@pytest.fixture
def waiting_program(tmp_path) -> Program:
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, time\nprint('ready', flush=True)\nsys.stdin.readline()\nprint('begun', flush=True)\ntime.sleep(0.3)\n"
    )
    (tmp_path / "out").mkdir()
    return Program("/program.py", "-", {"/program.py": script}, tmp_path / "out")


@needs_sandbox
def test_a_program_prepares_before_its_turn_and_its_time_counts_from_there(waiting_program, tmp_path):
    turn, lines = threading.Lock(), []
    turn.acquire()
    threading.Timer(1.5, turn.release).start()
    program = Program(**{**vars(waiting_program), "turn": turn})
    outcome = sandbox.run(program, Limits(minutes=1.2 / 60), tmp_path / "log", lambda line: lines.append(line.strip()))
    assert outcome.ending == "exited" and outcome.status == 0 and 0.25 < outcome.seconds < 1.2
    assert lines == ["ready", "begun"] and not turn.locked()


@needs_sandbox
def test_a_program_is_gone_once_it_is_told_to_stop(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import subprocess\nsubprocess.run(['sleep', '61.7'])\n")
    (tmp_path / "out").mkdir()
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Stopped):
        program = Program("/program.py", "-", {"/program.py": script}, tmp_path / "out", stop=stop)
        sandbox.run(program, Limits(), Path(tmp_path / "log"))
    assert subprocess.run(["pgrep", "-f", "sleep 61[.]7"], capture_output=True).stdout == b""
