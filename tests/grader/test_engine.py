"""The engine on this machine: how many at once, who prepares meanwhile, and an end without leftovers."""

import math
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.engines import local, machine, slots
from grader.engines.local import LocalEngine
from grader.engines.needs import Needs
from grader.ledger.measurement import Ended
from grader.rerun import rerun
from grader.rerun.gpu_turns import GPUTurns
from grader.rerun.job import Job, Slot
from grader.rerun.rerun import run_job
from grader.sandbox import supervision
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.supervision import Stopped
from tests.grader.conftest import needs_sandbox
from tests.grader.engines import scored


class Jobs:
    """Work of so many jobs; what else is to come, tests add."""

    def __init__(self, count: int, device: str = "cpu"):
        self.device, self.waiting, self.ready_at = device, [], -math.inf
        for name in range(count):
            self.add(name)

    def add(self, name: int) -> None:
        self.waiting.append(SimpleNamespace(name=name, device=self.device, sandboxed=False))

    def next_job(self):
        return self.waiting.pop(0) if self.waiting and time.monotonic() >= self.ready_at else None

    def next_time(self):
        return self.ready_at if self.waiting else None

    def watch(self, job, line):
        pass


class Watched:
    """Stands in for run_job: notes how many prepare and how many train at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.prepared = self.training = self.most_prepared = self.most_training = 0

    def __call__(self, job, watch, slot):
        with slot.preparing:
            with self.lock:
                self.prepared += 1
                self.most_prepared = max(self.most_prepared, self.prepared)
            slot.turn.acquire()
            with self.lock:
                self.training += 1
                self.most_training = max(self.most_training, self.training)
            time.sleep(0.03)
            with self.lock:
                self.training -= 1
                self.prepared -= 1
        slot.turn.release()
        return scored(flags=[str(job.name)])


def needs(device: str = "cpu", per_gpu: int = 1) -> Needs:
    return Needs(device, False, Path(), per_gpu=per_gpu)


def ran(engine: LocalEngine, work: Jobs, needs: Needs) -> list:
    with engine.session(needs) as train:
        return list(train(work))


@pytest.mark.parametrize(
    ("device", "per_gpu", "training", "prepared"),
    [("cpu", 1, 2, 2), ("cuda", 1, 3, 6), ("cuda", 2, 6, 9), ("cpu", 2, 2, 2)],
)
def test_so_many_train_at_once_and_so_many_prepare(device, per_gpu, training, prepared, monkeypatch):
    watched = Watched()
    monkeypatch.setattr(slots, "run_job", watched)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    results = ran(LocalEngine(at_once=2), Jobs(24, device), needs(device, per_gpu))
    assert sorted(int(result.flags[0]) for _, result in results) == list(range(24))
    assert all([str(job.name)] == result.flags for job, result in results)
    assert watched.most_training == training and watched.most_prepared == prepared


@pytest.mark.parametrize(
    ("memory_gb", "cores", "gigabytes", "at_once"),
    [(8, 2, 24, 2), (8, 16, 64, 8), (8, 16, 7.9, 1), (0.5, 4, 1000, 4)],
)
def test_on_a_cpu_as_many_train_as_there_are_cores_and_memory_for(memory_gb, cores, gigabytes, at_once):
    assert machine.at_once_on_cpu(memory_gb, cores, gigabytes * 10**9) == at_once
    assert machine.thread_share("cpu", at_once, cores) == cores // at_once


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("crashes", [False, True])
def test_a_cpu_predicts_before_the_next_one_trains_and_a_gpu_beside_it(device, crashes, monkeypatch, tmp_path):
    """Whatever becomes of it, a job leaves its slot to the next one."""
    slot, seen = Slot(preparing=threading.Lock(), turn=threading.Lock()), {}

    def launch(self, stage, *arguments):
        if stage == "trainee":
            slot.turn.acquire()
            self.begin_turn()
        seen[stage] = slot.preparing.locked(), slot.turn.locked()
        if crashes and stage == "predictor":
            raise RuntimeError("a fault")
        return SimpleNamespace(seconds=1.0, peak_memory=1), tmp_path

    monkeypatch.setattr(rerun.Rerun, "launch", launch)
    monkeypatch.setattr(rerun, "rerun_config", lambda job, data: {"trainer": {"max_epochs": 1}, "data": {}})
    monkeypatch.setattr(rerun, "read_summary", lambda *arguments: {"parameters": 0})
    monkeypatch.setattr(rerun.Rerun, "ask", lambda self, stage: self.launch(stage))
    monkeypatch.setattr(rerun, "predict", lambda ask, *arguments: ask("predictor"))
    for name in ("keep", "check_training", "read_output", "check_size", "gpu_free"):
        monkeypatch.setattr(rerun, name, lambda *arguments: b"")
    data = SimpleNamespace(training=tmp_path, training_images=1, scoring_images=list, labels_N=[])
    job = Job(SimpleNamespace(tier="verified"), 0, SimpleNamespace(), data, device, tmp_path)
    assert run_job(job, print, slot).outcome == "infrastructure"  # there are no logits to score
    assert seen == {"trainee": (True, True), "predictor": (False, device == "cpu")}
    assert not slot.preparing.locked() and not slot.turn.locked()


@pytest.mark.parametrize(
    ("greedy", "neighbour", "outcome", "trainings"),
    [(True, True, "crashed", 2), (False, True, "scored", 2), (True, False, "crashed", 1)],
)
def test_who_lacks_memory_beside_others_is_trained_again_alone(
    greedy, neighbour, outcome, trainings, monkeypatch, tmp_path
):
    """Whoever asks for too much is to blame, and whoever others left too little is not."""
    turns, held, launched = GPUTurns(2), threading.Event(), []
    slot = Slot(turn=turns, alone=turns.alone, per_gpu=2)

    def launch(self, stage, *arguments):
        turn = self.own_turn or slot.turn
        assert turn.acquire(timeout=10)
        launched.append(turns.taken)
        self.begin_turn()
        (tmp_path / "trainee.log").write_text("CUDA out of memory")
        held.set()  # the neighbour ends
        (tmp_path / "trained" / "out").mkdir(parents=True)
        failed = greedy or len(launched) == 1
        return supervision.Outcome("exited", int(failed), 1.0, 1), tmp_path / "trained" / "out"

    def neighbours_turn():
        turns.acquire()
        ready.set()
        held.wait(10)
        turns.release()

    ready = threading.Event()
    if neighbour:
        threading.Thread(target=neighbours_turn).start()
        ready.wait(10)
    monkeypatch.setattr(rerun.Rerun, "launch", launch)
    monkeypatch.setattr(rerun, "gpu_free", lambda gpu, enough: 0.98 if turns.taken == 1 else 0.4)
    monkeypatch.setattr(rerun, "rerun_config", lambda job, data: {"trainer": {"max_epochs": 1}, "data": {}})
    monkeypatch.setattr(rerun, "read_output", lambda *arguments: pytest.fail("it ended well") if greedy else b"")
    monkeypatch.setattr(rerun, "read_summary", lambda *arguments: (_ for _ in ()).throw(Ended(scored())))
    limits = SimpleNamespace(minutes=1, output_mb=1, output_files=1, memory_gb=1, processes=1)
    submission = SimpleNamespace(tier="audited", modules={})
    job = Job(submission, 0, SimpleNamespace(limits=limits), SimpleNamespace(training=tmp_path), "cuda", tmp_path)
    assert run_job(job, print, slot).outcome == outcome
    assert launched == [2, 1][-trainings:] if neighbour else launched == [1]
    assert turns.taken == 0 and turns.acquire(timeout=0) and turns.acquire(timeout=0) and not turns.acquire(timeout=0)


def test_a_turn_alone_waits_for_others_and_keeps_them_away():
    turns = GPUTurns(2)
    assert turns.acquire() and turns.acquire() and not turns.acquire(timeout=0)
    with turns.alone() as alone:
        turns.release()
        assert not alone.acquire(timeout=0) and not turns.acquire(timeout=0)
        turns.release()
        assert alone.acquire(timeout=0) and not turns.acquire(timeout=0)
        alone.release()
        assert not turns.acquire(timeout=0)
    assert turns.acquire(timeout=0) and turns.acquire(timeout=0)


def test_it_asks_again_after_each_result(monkeypatch):
    monkeypatch.setattr(slots, "run_job", Watched())
    work, seen = Jobs(1), []
    with LocalEngine().session(needs()) as train:
        for job, _ in train(work):
            seen.append(job.name)
            if job.name < 5:
                work.add(job.name + 1)
    assert seen == list(range(6))


def test_it_waits_for_what_is_to_be_tried_later(monkeypatch):
    monkeypatch.setattr(slots, "run_job", Watched())
    work = Jobs(2)
    work.ready_at = time.monotonic() + 0.3
    assert len(ran(LocalEngine(at_once=2), work, needs())) == 2 and time.monotonic() > work.ready_at


def test_stopped_by_hand_it_leaves_nothing_running(monkeypatch):
    ended = threading.Event()

    def until_stopped(job, watch, slot):
        assert slot.stop.wait(10)
        ended.set()
        raise Stopped

    def interrupted(*arguments, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(slots, "run_job", until_stopped)
    monkeypatch.setattr(local, "wait", interrupted)
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        ran(LocalEngine(), Jobs(1), needs())
    assert ended.is_set() and not set(threading.enumerate()) - before


@pytest.fixture
def waiting_program(tmp_path) -> Program:
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, time\n"
        "for line in ('early', 'late'): print(line, flush=True); time.sleep(0.1)\n"
        "sys.stdin.readline()\n"
        "for line in ('early', 'late'): print(line, flush=True); time.sleep(0.2)\n"
    )
    (tmp_path / "out").mkdir()
    inputs, turn = {"/program.py": script}, threading.Lock()
    return Program("/program.py", "-", inputs, tmp_path / "out", turn=turn, says=("early", "late"))


@needs_sandbox
def test_a_program_prepares_before_its_turn_and_its_wait_does_not_count(waiting_program, tmp_path):
    turn, lines = waiting_program.turn, []
    turn.acquire()
    threading.Timer(2.3, turn.release).start()
    limits = ResourceLimits(seconds=2)
    outcome = supervision.run(waiting_program, limits, tmp_path / "log", lambda line: lines.append(line.strip()))
    assert outcome.ending == "exited" and outcome.status == 0 and 0.5 < outcome.seconds < 2
    assert lines == ["early", "late"] * 2 and turn.locked()


@needs_sandbox
def test_a_program_that_never_gets_ready_runs_out_of_time_and_takes_no_turn(waiting_program, tmp_path):
    program = replace(waiting_program, says=("early", "never"))
    assert supervision.run(program, ResourceLimits(seconds=0.5), tmp_path / "log").ending == "time"
    assert not program.turn.locked()


def test_time_counts_from_where_a_program_prepares_without_its_wait(waiting_program, monkeypatch):
    now = 100.0
    monkeypatch.setattr(supervision, "time", SimpleNamespace(monotonic=lambda: now))
    with_turn, without = (
        supervision.Stopwatch(waiting_program),
        supervision.Stopwatch(replace(waiting_program, turn=None)),
    )
    told = []
    for now, line in ((103, "early\n"), (105, "early"), (107, "late"), (120, "late"), (150, "early")):
        for stopwatch in (with_turn, without):
            stopwatch.hear(line)
        if now == 120:
            with_turn.begun = now
        told.append((with_turn.seconds, without.seconds))
    assert told == [(0, 0), (2, 2), (4, 4), (4, 17), (34, 47)]


@needs_sandbox
def test_a_program_is_gone_once_it_is_told_to_stop(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import subprocess\nsubprocess.run(['sleep', '61.7'])\n")
    (tmp_path / "out").mkdir()
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Stopped):
        program = Program("/program.py", "-", {"/program.py": script}, tmp_path / "out", stop=stop)
        supervision.run(program, ResourceLimits(), Path(tmp_path / "log"))
    assert subprocess.run(["pgrep", "-f", "sleep 61[.]7"], capture_output=True).stdout == b""
