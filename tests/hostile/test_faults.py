"""Our own faults: whatever fails on our side, nothing is lost, nothing counts twice, and no student is charged."""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.cli import main
from grader.grading.training_queue import MOST_ATTEMPTS
from grader.intake.submission import take_in
from grader.ledger.measurement import Ended, Measurement
from grader.ledger.results_folder import locked
from grader.rerun.failures import PREPARES, check_end
from grader.rerun.gpu_faults import is_unwell
from grader.rerun.job import Job, Slot
from grader.rerun.rerun import run_job
from grader.sandbox.sandboxed_program import Process
from grader.sandbox.supervision import Outcome
from project.assignment import FAMILIES
from project.support.errors import UserError
from tests.grader.engines import LOST, MadeUp, graded, scored
from tests.hostile.cases import RULES, Case, write
from tests.hostile.classroom import given_up
from tests.hostile.kills import kill_at_random


class Failing(MadeUp):
    """An engine whose first jobs are lost to a fault of ours."""

    def __init__(self, faults: int):
        self.faults = faults

    def result(self, job):
        self.faults -= 1
        return LOST.but(said="the node is gone") if self.faults >= 0 else scored()


def outcomes(results: Path) -> list[str]:
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return [
            row[0]
            for row in database.execute("SELECT json_extract(measurement, '$.outcome') FROM measurements ORDER BY id")
        ]


@pytest.fixture
def submissions(tmp_path) -> Path:
    return write(Case("honest", "passed"), tmp_path / "submissions").parent


def test_a_lost_job_is_run_again_and_the_student_not_charged(submissions, tmp_path):
    graded(submissions, tmp_path / "results", RULES, Failing(1), back_off=0)
    assert outcomes(tmp_path / "results") == ["infrastructure", "scored"]


def test_lost_again_and_again_it_is_pending_until_the_next_run(submissions, tmp_path):
    table = graded(submissions, tmp_path / "results", RULES, Failing(9), back_off=0)
    assert "infrastructure" in table and "the node is gone" in table
    graded(submissions, tmp_path / "results", RULES, Failing(0), back_off=0)
    assert outcomes(tmp_path / "results") == ["infrastructure"] * MOST_ATTEMPTS + ["scored"]


class FailingAlone(MadeUp):
    """An engine on which one student's jobs fail through what looks like a fault of ours, and the others' go well."""

    def __init__(self, whose: set[str]):
        self.whose, self.seeds = whose, []

    def result(self, job):
        if job.submission.student not in self.whose:
            return scored()
        self.seeds.append(job.seed)
        return LOST


def test_whom_faults_meet_alone_is_shown_to_a_person_and_not_tried_for_ever(tmp_path):
    folder, results = tmp_path / "submissions", tmp_path / "results"
    for name in ("alice", "bob", "mallory"):
        source = write(Case(name, "passed", files={"student.yaml": f"id: {name}\nname: {name}\n"}), tmp_path / name)
        folder.mkdir(exist_ok=True)
        source.rename(folder / name)
    rules, engine = RULES.but(seeds=3, seeds_near_target=3), FailingAlone({"mallory"})
    for _ in range(3):
        table = graded(folder, results, rules, engine, back_off=0)
    assert (
        outcomes(results).count("infrastructure") == len(engine.seeds) <= MOST_ATTEMPTS + 1
    )  # the first, before others were
    assert outcomes(results).count("scored") == 6
    assert "a person has to look" in table and "others did not meet" in table
    engine.whose = set()
    assert "a person has to look" not in graded(folder, results, rules, engine, regrade=("mallory",))
    assert outcomes(results).count("scored") == 9


def test_faults_that_meet_all_are_no_student_s(tmp_path, submissions):
    engine = FailingAlone({"mallory", "alice"})
    source = write(Case("x", "passed", files={"student.yaml": "id: alice\nname: A\n"}), tmp_path / "x")
    source.rename(submissions / "alice")
    assert "a person has to look" not in graded(submissions, tmp_path / "results", RULES, engine, back_off=0)
    engine.whose = set()
    graded(submissions, tmp_path / "results", RULES, engine, back_off=0)
    assert outcomes(tmp_path / "results").count("scored") == 2


def test_a_mistake_of_the_grader_s_own_is_no_verdict(submissions, tmp_path, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("grader.rerun.rerun.Rerun.measurement", broken)
    assert "infrastructure" in graded(submissions, tmp_path / "results", RULES, back_off=0)
    assert "ZeroDivisionError" in next((tmp_path / "results").rglob("fault.log")).read_text()


def test_a_sandbox_that_cannot_start_is_no_verdict(submissions, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("grader.sandbox.bubblewrap.isolation", lambda gpu: ["--no-such-option"])
    monkeypatch.setattr("grader.sandbox.bubblewrap.unavailable", lambda: None)
    table = graded(submissions, tmp_path / "results", RULES, sandboxed=True, back_off=0)
    assert "infrastructure" in table and "the sandbox failed" in table
    assert "each program starts anew" in capsys.readouterr().out


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(submissions, tmp_path, capsys):
    results = tmp_path / "small"
    results.mkdir()
    if os.getuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", results]).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        (results / "ballast").write_bytes(b"x" * (1 << 20))
    except OSError:
        pass
    try:
        with pytest.raises(UserError, match="cannot be written.*goes on"):
            graded(submissions, results, RULES, Failing(0), back_off=0)
        (results / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=50m", results], check=True)
        assert "passed" in graded(submissions, results, RULES, Failing(0), back_off=0)
    finally:
        subprocess.run(["umount", results], check=True)


def test_a_results_folder_that_cannot_be_written_is_one_line(submissions, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    command = ["run", str(submissions), "--out", str(tmp_path / "file" / "results"), "--unsafe-no-sandbox"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "cannot be written" in error and error.count("\n") == 1


def test_out_of_gpu_memory_counts_as_ours_where_others_held_it(tmp_path, submissions, monkeypatch):
    folder = tmp_path / "attempt"
    folder.mkdir()
    (folder / "trainee.log").write_text("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n")
    job = Job(take_in(submissions / "mallory"), 1, RULES, None, "cuda", folder)
    for free, outcome in ((0.3, "infrastructure"), (0.99, "crashed")):
        with pytest.raises(Ended) as ended:
            check_end(job, Outcome("exited", 1, 1.0, 0), folder, free=free)
        measurement = ended.value.measurement
        assert measurement.outcome == outcome and "GPU" in measurement.said


@pytest.mark.parametrize(
    ("said", "verified", "neighboured", "audited", "unwell"),
    [  # what an error is of a verified submission, of one beside others, and of an audited one, alone; and on a sick GPU
        ("CUDA out of memory. Tried to allocate 2 GiB", "crashed", "infrastructure", "crashed", "crashed"),
        ("CUDA error: out of memory", "crashed", "infrastructure", "crashed", "crashed"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", "crashed", "infrastructure", "crashed", "crashed"),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "crashed", "infrastructure", "crashed", "crashed"),
        ("CUDNN_STATUS_NOT_INITIALIZED", "infrastructure", "infrastructure", "crashed", "infrastructure"),
        ("CUDA error: uncorrectable ECC error encountered", "infrastructure", "crashed", "crashed", "infrastructure"),
        ("CUDA-capable device(s) is/are busy or unavailable", "crashed", "crashed", "crashed", "infrastructure"),
        (
            "CUDA error: CUDA-capable device(s) is/are busy or unavailable",
            "infrastructure",
            "crashed",
            "crashed",
            "infrastructure",
        ),
        ("CUDA error: an illegal memory access was encountered", "infrastructure", "crashed", "crashed", "crashed"),
        ("mat1 and mat2 shapes cannot be multiplied", "crashed", "crashed", "crashed", "crashed"),
    ],
)
def test_whose_fault_a_gpu_s_error_is(said, verified, neighboured, audited, unwell, tmp_path, monkeypatch):
    """No code of a student's is believed that it was the GPU: the machine has to bear it out."""
    (tmp_path / "trainee.log").write_text("")
    (tmp_path / "crash.json").write_text(
        json.dumps({"exception": "RuntimeError", "message": said, "frames": [], "inside": []})
    )

    def came_to(tier: str, free: float = 0.99, sick: bool = False) -> str:
        monkeypatch.setattr("grader.rerun.gpu_faults.is_unwell", lambda gpu: sick)
        job = SimpleNamespace(
            rules=RULES, folder=tmp_path, device="cuda", submission=SimpleNamespace(modules={}, tier=tier)
        )
        with pytest.raises(Ended) as ended:
            check_end(job, Outcome("exited", 1, 1.0, 0), tmp_path, free=free, gpu=0)
        return ended.value.measurement.outcome

    found = came_to("verified"), came_to("audited", 0.3), came_to("audited"), came_to("audited", sick=True)
    assert found == (verified, neighboured, audited, unwell)


@pytest.mark.parametrize(
    ("said", "unwell"),
    [
        ("echo '0, Default'", False),
        ("echo '[N/A], Default'", False),
        ("echo '3, Default'", True),
        ("echo '0, Exclusive_Process'", True),
        ("echo 'Unable to determine the device handle'; exit 15", True),
    ],
)
def test_a_gpu_is_unwell_where_nvidia_smi_says_so(said, unwell, tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{said}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert is_unwell(0) == unwell


def trained_by(code: str, submissions: Path, folder: Path) -> Measurement:
    """What a training comes to whose program is this code."""
    slot = Slot(launch=lambda program, limits, group: Process([sys.executable, "-c", code], program, group, {}))
    job = Job(
        take_in(submissions / "mallory"),
        1,
        RULES,
        SimpleNamespace(training=folder, image_shape=(3, 2, 2)),
        "cpu",
        folder / "attempt",
    )
    return run_job(job, lambda line: None, slot)


SOME = [{"name": "some", "evidence": "made up"}]
NO_NORMALIZATION = json.dumps(
    {"strategies": {family: SOME if family != "normalization" else [] for family in FAMILIES}, "remarks": []}
)
STUDENTS_PART = f"print({PREPARES!r}, flush=True); open('census.json', 'w').write"


@pytest.mark.parametrize(
    ("code", "outcome", "said"),
    [
        ("raise ValueError('a limit')", "infrastructure", "a limit"),
        ("raise SystemExit(2)", "infrastructure", ""),
        (f"{STUDENTS_PART}(''); raise ValueError('a bug')", "crashed", "a bug"),
        (f"{STUDENTS_PART}('[]'); raise SystemExit(3)", "crashed", ""),
        (f"{STUDENTS_PART}('[\"a typo\"]'); raise SystemExit(3)", "crashed", ""),
        (f"{STUDENTS_PART}({NO_NORMALIZATION!r}); raise SystemExit(3)", "family_missing", "normalization"),
    ],
)
def test_what_fails_before_the_student_s_part_begins_is_ours(code, outcome, said, submissions, tmp_path):
    measurement = trained_by(code, submissions, tmp_path)
    assert measurement.outcome == outcome and said in measurement.said, measurement


@pytest.mark.parametrize(("megabytes", "outcome"), [(RULES.limits.output_mb - 2, "infrastructure"), (500, "crashed")])
def test_where_the_disk_lacks_the_room_that_a_program_may_fill_its_failure_is_ours(
    megabytes, outcome, submissions, tmp_path, monkeypatch
):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=megabytes * 10**6))
    measurement = trained_by(f"{STUDENTS_PART}('x' * 10**6); raise OSError", submissions, tmp_path)
    assert measurement.outcome == outcome, measurement


def test_no_program_is_to_raise_a_limit_of_this_machine(submissions, tmp_path, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (20, 30) if kind == resource.RLIMIT_NOFILE else (-1, -1))
    code = "import json, sys; print(json.load(open('../given/job.json'))['limits']); raise ValueError"
    trained_by(code, submissions, tmp_path)
    said = (tmp_path / "attempt" / "trainee.log").read_text()
    assert "'RLIMIT_NOFILE': 30" in said


def test_clocks_that_jump_lose_and_double_nothing(submissions, tmp_path, monkeypatch):
    times = iter(["2030-01-01", "1999-12-31", "2026-01-01", "1970-01-01"] * 20)
    monkeypatch.setattr("grader.ledger.ledger.now", lambda: next(times))
    for _ in range(2):
        graded(submissions, tmp_path / "results", RULES, Failing(0), back_off=0)
    assert outcomes(tmp_path / "results") == ["scored"]


def test_a_second_grader_waits_where_it_is_told_to(tmp_path):
    entered = threading.Event()

    def second() -> None:
        with locked(tmp_path / "results", wait=True):
            entered.set()

    with locked(tmp_path / "results"):
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    thread.join()


def test_regrade_begins_anew_and_keeps_what_was(submissions, tmp_path):
    results = tmp_path / "results"
    graded(submissions, results, RULES, Failing(0), back_off=0)
    graded(submissions, results, RULES, Failing(0), regrade=("mallory",))
    assert outcomes(results) == ["scored", "scored"]
    with pytest.raises(UserError, match="no such student"):
        graded(submissions, results, RULES, Failing(0), regrade=("nobody",))


def test_a_training_is_given_up_only_where_faults_of_its_student_came_more_than_once(tmp_path):
    """Student, training, and whether the attempt counts: two faults of b are of two trainings, c has one."""
    rows = [("a", 0, 0), ("a", 0, 0), ("a", 1, 1), ("b", 0, 0), ("b", 1, 0), ("c", 0, 0), ("d", 0, 0), ("d", 0, 1)]
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)) as database:
        database.execute("CREATE TABLE measurements (student, training, counts)")
        database.executemany("INSERT INTO measurements VALUES (?, ?, ?)", rows)
    assert given_up(tmp_path) == {"a": 1, "b": 2}


@pytest.mark.parametrize("kills", [2, pytest.param(200, marks=pytest.mark.slow)])
def test_killed_at_random_nothing_is_lost_or_doubled(kills, tmp_path):
    found = kill_at_random(tmp_path, kills)
    assert found["kills"] >= kills and found["lost"] == found["doubled"] == found["charged"] == 0, found
