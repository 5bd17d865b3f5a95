"""Trainings and predictions that failed: whose fault that was, and what is said of it."""

import subprocess
import time
from pathlib import Path

from grader.ledger.measurement import Ended, LimitName, Measurement
from grader.rerun.job import Job
from grader.safe_text import printable
from grader.sandbox.supervision import Outcome
from grader.sandbox.untrusted_files import read_json

MISSING_FAMILY = 3  # the exit status by which trainee.py says so
PREPARES, READY = "preparing", "ready to train"  # what our programs print even where nothing is wrong
MOSTLY_FREE = 0.8  # share of a GPU's memory; the rest may be other programs that prepare or predict
SECONDS_TO_LET_GO = 20


def check_training(job: Job, outcome: Outcome, trained: Path, free: float | None = None) -> None:
    """Raises Ended where the training failed."""
    if outcome.ending == "exited" and outcome.status == MISSING_FAMILY:
        left = read_json(trained / "missing.json")
        if missing := [family for family in job.rules.families if isinstance(left, list) and family in left]:
            said = f"uses no strategy of {' and '.join(missing)}"
            raise Ended(Measurement(outcome="family_missing", said=said, missing=missing))
    if outcome.ending == "exited" and outcome.status == 2:
        said = last_words(job.folder / "trainee.log").removeprefix("error: ")
        raise Ended(Measurement(outcome="refused", said=said))
    check_end(job, outcome, "training", free)


def check_end(job: Job, outcome: Outcome, doing: str, free: float | None = None) -> None:
    """Raises Ended where a program failed: the sandbox's failure is our fault, any other is the submission's.

    `free` is the share of the GPU's memory that was free when it began: what others held is no student's fault.
    """
    limits = job.rules.limits
    if outcome.ending == "sandbox":
        raise Ended(Measurement(outcome="infrastructure", said=f"the sandbox failed: {outcome.detail}"))
    written = f"wrote more than {limits.output_mb:g} MB or {limits.output_files} files"
    exceeded: dict[str, tuple[str, dict[LimitName, float]]] = {
        "time": (f"took longer than {limits.minutes:g} minutes", {"minutes": limits.minutes}),
        "memory": (f"used more than {limits.memory_gb:g} GB of memory", {"memory_gb": limits.memory_gb}),
        "output": (written, {"output_mb": limits.output_mb, "output_files": limits.output_files}),
        "processes": (f"ran more than {limits.processes} processes and threads", {"processes": limits.processes}),
    }
    if outcome.ending in exceeded:
        said, stopped_by = exceeded[outcome.ending]
        raise Ended(Measurement(outcome="limit", said=f"{doing} {said}", limits=stopped_by))
    if outcome.status != 0:
        stage = "trainee" if doing == "training" else "predictor"
        said = last_words(job.folder / f"{stage}.log")
        if free is not None and "CUDA out of memory" in said:
            if free < MOSTLY_FREE:
                held = f"others held {1 - free:.0%} of the GPU's memory"
                raise Ended(Measurement(outcome="infrastructure", said=held))
            raise Ended(Measurement(outcome="crashed", said=f"{doing} ran out of the GPU's memory"))
        raise Ended(Measurement(outcome="crashed", said=f"{doing} crashed: {said}"))


def gpu_free(gpu: int, enough: float) -> float | None:
    """The share of a GPU's memory that is free; None where nvidia-smi does not tell.

    Waits up to SECONDS_TO_LET_GO for `enough` of it: the driver frees a killed process's memory some time later.
    """
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    deadline = time.monotonic() + SECONDS_TO_LET_GO
    while True:
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
            free, total = map(float, said.splitlines()[0].split(","))
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            return None
        if free / total > enough or time.monotonic() > deadline:
            return free / total
        time.sleep(0.5)


def last_words(log: Path) -> str:
    """The last line of a log that says something."""
    text = log.read_text("utf-8", "replace")
    lines = [line for line in text.splitlines() if line.strip() not in ("", PREPARES, READY)]
    return printable(lines[-1], 200) if lines else "it said nothing"
