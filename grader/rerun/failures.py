"""Trainings and predictions that failed: whose fault that was, and what is said of it."""

import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from grader.ledger.measurement import Ended, LimitName, Measurement
from grader.rerun.census import read_census, without_families
from grader.rerun.crash_report import Crash, read_crash
from grader.rerun.gpu_faults import lacked_memory, machine_failed
from grader.rerun.job import Job
from grader.safe_text import printable
from grader.sandbox.gpu_devices import smi_name
from grader.sandbox.supervision import Outcome
from grader.sandbox.untrusted_files import Unreadable

MISSING_FAMILY = 3  # the exit status by which trainee.py says so
PREPARES, READY = "preparing", "ready to train"  # what our programs print even where nothing is wrong
MOSTLY_FREE = 0.8  # share of a GPU's memory; the rest may be other programs that prepare or predict
SECONDS_TO_LET_GO = 20
SETTING = re.compile(  # that can name a student's class
    r"\bmodel\.(network|optimizer|scheduler|regularization|initialization|normalization)\b"
    r"|\bdata\.augmentation\b|\btrainer\.callbacks\b"
)


def check_training(
    job: Job, outcome: Outcome, trained: Path, free: float | None = None, gpu: int | None = None
) -> None:
    """Raises Ended where the training failed; `free` and `gpu` as for `check_end`."""
    if outcome.ending == "exited" and outcome.status == MISSING_FAMILY:
        with suppress(Unreadable):
            seen = without_families(Measurement(outcome="scored", **read_census(trained / "census.json")), job.rules)
            if seen.missing:
                raise Ended(seen)
    if outcome.ending == "exited" and outcome.status == 2:
        raise Ended(refusal(job, last_words(job.folder / "trainee.log"), crash_of(job, trained)))
    check_end(job, outcome, trained, free=free, gpu=gpu)


def refusal(job: Job, error: str, crash: Crash | None) -> Measurement:
    """A configuration that could not be used, for a reason that our code told in one line, or that a student's gave."""
    said, publicly = error.removeprefix("error: "), ""
    found = SETTING.search(error)
    setting = found[0] if found else "its configuration"
    if crash:
        said, publicly = f"{setting}: {crash.said}", f"{setting}: {crash.said_publicly}"
    elif job.submission.tier == "audited":
        publicly = f"{setting} cannot be used"
    return Measurement(outcome="refused", said=said, publicly=publicly, frames=crash.frames if crash else [])


def check_end(
    job: Job,
    outcome: Outcome,
    left: Path,
    stage: str = "trainee",
    seconds: float | None = None,
    free: float | None = None,
    gpu: int | None = None,
) -> None:
    """Raises Ended where a program failed: the sandbox's failure is our fault, any other is the submission's.

    Args:
        left: Folder with what the program wrote.
        stage: `trainee`, or one of the predictor's.
        seconds: That it had, where not the rules' minutes.
        free: Share of the GPU's memory that was free when it began: what others held is no student's fault.
        gpu: Number of the device file of the one that it ran on, where it did.
    """
    limits, doing = job.rules.limits, "training" if stage == "trainee" else "predicting"
    minutes = limits.minutes if seconds is None else seconds / 60
    if outcome.ending == "sandbox":
        said = f"the sandbox failed: {outcome.detail}"
        raise Ended(Measurement(outcome="infrastructure", said=said, publicly="the sandbox failed"))
    written = f"wrote more than {limits.output_mb:g} MB or {limits.output_files} files"
    exceeded: dict[str, tuple[str, dict[LimitName, float]]] = {
        "time": (f"took longer than {round(minutes, 2):g} minutes", {"minutes": limits.minutes}),
        "memory": (f"used more than {limits.memory_gb:g} GB of memory", {"memory_gb": limits.memory_gb}),
        "output": (written, {"output_mb": limits.output_mb, "output_files": limits.output_files}),
        "processes": (f"ran more than {limits.processes} processes and threads", {"processes": limits.processes}),
    }
    if outcome.ending in exceeded:
        said, stopped_by = exceeded[outcome.ending]
        raise Ended(Measurement(outcome="limit", said=f"{doing} {said}", limits=stopped_by))
    if outcome.status != 0:
        crash, words = crash_of(job, left), last_words(job.folder / f"{stage}.log")
        only_ours = job.submission.tier == "verified"
        said = last_said(job, left, stage)
        lacked = lacked_memory(said)
        if lacked and free is not None and free < MOSTLY_FREE:
            raise Ended(Measurement(outcome="infrastructure", said=f"others held {1 - free:.0%} of the GPU's memory"))
        if job.device == "cuda" and machine_failed(said, only_ours, gpu):
            said = f"the GPU failed: {printable(said, 200)}"
            raise Ended(Measurement(outcome="infrastructure", said=said, publicly="the GPU failed"))
        if lacked and free is not None:
            frames = crash.frames if crash else []
            raise Ended(Measurement(outcome="crashed", said=f"{doing} ran out of the GPU's memory", frames=frames))
        raise Ended(crashed(doing, outcome.status, crash, words))


def crashed(doing: str, status: int | None, crash: Crash | None, words: str) -> Measurement:
    """A program that failed: by an exception, by a signal, or in a way of which only its log's last words tell."""
    if crash:
        said, publicly = crash.said, crash.said_publicly
    elif name := signal_name(status):
        said = publicly = f"the process died of signal {name}"
    else:
        said, publicly = words, f"it ended with status {status}"
    said, publicly = f"{doing} crashed: {said}", f"{doing} crashed: {publicly}"
    return Measurement(outcome="crashed", said=said, publicly=publicly, frames=crash.frames if crash else [])


def last_said(job: Job, left: Path, stage: str = "trainee") -> str:
    """The last words of a program that failed."""
    crash = crash_of(job, left)
    return crash.message if crash else last_words(job.folder / f"{stage}.log")


def crash_of(job: Job, left: Path) -> Crash | None:
    return read_crash(left / "crash.json", job.submission.modules)


def signal_name(status: int | None) -> str:
    """The signal that ended a process; empty for another end. A launcher may report it as a shell does: 128 more."""
    number = -(status or 0) if (status or 0) < 0 else (status or 0) - 128
    return signal.Signals(number).name if number in {*signal.Signals} else ""


def gpu_free(gpu: int, enough: float) -> float | None:
    """The share of a GPU's memory that is free; None where nvidia-smi does not tell.

    Waits up to SECONDS_TO_LET_GO for `enough` of it: the driver frees a killed process's memory some time later.
    """
    command = [
        "nvidia-smi",
        f"--id={smi_name(gpu)}",
        "--query-gpu=memory.free,memory.total",
        "--format=csv,noheader,nounits",
    ]
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
