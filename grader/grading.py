"""The walk: take submissions in, ask the ledger what is pending, rerun it, record, rank."""

import errno
import hashlib
import json
import math
import platform
import sqlite3
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from grader.intake.checks import LATE, check, rejections
from grader.intake.downloads import Download, find_downloads
from grader.intake.estimate import estimated_work
from grader.intake.submission import Submission, Unusable, printable, take_in, unusable
from grader.progress import Progress
from grader.rerun import bubblewrap, sandbox
from grader.rerun.dataset import DATA, GradingData, prepare
from grader.rerun.engine import Engine, LocalEngine
from grader.rerun.job import REPOSITORY, Job
from grader.rerun.repository import exported
from grader.rerun.result import Result, wilson_interval
from grader.rerun.seats import Needs
from grader.results.archive import keep
from grader.results.folder import RULES_FILE, locked, stored_secret
from grader.results.ledger import Ledger, now
from grader.results.publishing import publish
from grader.results.ranking import median
from grader.results.wandb_runs import mirror
from grader.schedule import Schedule, Task
from project.assignment import Assignment
from project.errors import UserError
from project.files import write_atomically
from project.run import device_name

SLOW = 10  # times the verified ones' seconds of an epoch, from which on a person should look
# rules that change no single training
WITHOUT_BEARING = ("seeds", "seeds_near_target", "deadline", "late", "bonus", "site", "trainings_per_gpu")
PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "jsonargparse", "numpy", "safetensors")


@dataclass(frozen=True)
class Settings:
    """How to grade.

    Attributes:
        device: auto, cpu or cuda.
        sandboxed: False runs student code as plain processes.
        secret: Seed of the withheld split and of the trainings. By default the results folder's own, drawn once.
        regrade: Ids of students whose results are to be made anew.
        wait: Wait for another grader that is at work in the same folder.
        wandb: offline, online or disabled: whether reruns become W&B runs.
        max_hours: No training begins after so many hours; None for no end.
        engine: Where jobs run.
        back_off: Seconds before what failed through a fault of ours is tried again.
    """

    device: str = "auto"
    sandboxed: bool = True
    secret: int | None = None
    regrade: tuple[str, ...] = ()
    wait: bool = False
    wandb: str = "disabled"
    max_hours: float | None = None
    engine: Engine = LocalEngine()
    back_off: float = 5.0


def grade(folder: Path, results: Path, rules: Assignment, settings: Settings = Settings()) -> str:
    """Grade everything in `folder` that `results` has no result for yet, and return the leaderboard as a table.

    Args:
        folder: Submissions, as they were downloaded; or a single one.
        results: Folder of the ledger and all else; made where it is missing.
    """
    settings = ready(settings)
    try:
        with locked(results, settings.wait):
            secret = stored_secret(results, settings.secret)
            unsafe = "" if settings.sandboxed else ", WITHOUT A SANDBOX"
            print(f"Training on {device_label(settings.device)}{unsafe}; results in {results}/", flush=True)
            downloads = find_downloads(folder, rules.deadline_time)
            for each in downloads:
                if each.attempts:
                    print(f"{each.student}: {printable(each.source.name)} counts, of {each.attempts + 1} attempts")
            submissions = distinct([received(each) for each in downloads])
            if not submissions:
                raise UserError(f"{folder}: no submissions; expected folders, archives or git repositories in it")
            write_atomically(results / RULES_FILE, json.dumps(asdict(rules), indent=2) + "\n")
            ledger = Ledger(results / "ledger.sqlite")
            try:
                for student in settings.regrade:
                    regrade(ledger, student)
                Grading(submissions, ledger, results, rules, settings, secret).run()
                table = publish(ledger, results)
            finally:
                ledger.close()
            if said := mirror(results, settings.wandb):
                print(said)
            return table
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        go_on = "what is recorded is safe; mend that, and the same command goes on"
        raise UserError(f"--out {results}: cannot be written ({error}); {go_on}") from None


class Grading:
    """One run of the grader over submissions. It alone writes to the ledger, whoever trains."""

    def __init__(
        self,
        submissions: list[Submission],
        ledger: Ledger,
        results: Path,
        rules: Assignment,
        settings: Settings,
        secret: int,
    ):
        self.submissions = {submission.student: submission for submission in submissions}
        self.ledger, self.results, self.rules = ledger, results, rules
        self.settings, self.secret = settings, secret
        self.key = rules_digest(rules, secret)
        self.circumstances = circumstances(rules, settings)
        self.progress = Progress(len(submissions))
        self.flags: dict[str, list[str]] = {}  # of each student, from the checks
        self.schedule = Schedule(settings.back_off)
        self.running: dict[tuple[str, int], tuple[Task, str]] = {}  # by student and seed, with when it began
        self.ends = time.monotonic() + 3600 * settings.max_hours if settings.max_hours else math.inf

    @cached_property
    def data(self) -> GradingData:
        return prepare(self.rules, self.secret, self.results)

    def run(self) -> None:
        for submission in self.submissions.values():  # all are noted before the first is run
            source = printable(submission.source.name)
            keep(self.results, submission.digest, submission.files)
            about = (submission.student, submission.name, submission.digest, submission.tier, source, self.key)
            self.ledger.take_in(now(), *about)
        with self.progress.shown():
            for submission in self.submissions.values():
                before = len(self.done(submission))
                if result := self.settled(submission):
                    self.progress.end(submission.student, result, ran=len(self.done(submission)) > before)
                else:
                    self.want(submission)
            if len(self.schedule):
                for job, result in self.settings.engine.run(
                    self.next_job, self.watch, needs(self.rules, self.settings, self.results)
                ):
                    self.ended(job, result)
            if len(self.schedule):
                print(f"--max-hours {self.settings.max_hours:g} are over; the same command goes on", flush=True)

    def settled(self, submission: Submission) -> Result | None:
        """A submission's result, if it needs no training: had before, or rejected by the checks."""
        done = self.done(submission)
        if ended := next((r for seed, r in done.items() if seed is not None and r.accuracy is None), None):
            return ended
        findings = check(submission, self.rules)
        flags = [] if self.settings.sandboxed else ["graded without a sandbox"]
        flags += [finding.what for finding in findings if finding.where == LATE]
        if found := rejections(findings):
            reason = str(found[0]) + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
            result = Result("rejected", reason, flags=flags)
            if not done:
                self.record(submission, None, now(), result)
            return next(iter(done.values()), result)
        if None in done:  # rejected before, and for something that is no fault any more: a later deadline
            self.ledger.regrade(now(), submission.student)
            done = {}
        self.flags[submission.student] = flags
        return median(list(done.values())) if len(done) >= seeds_wanted(list(done.values()), self.rules) else None

    def want(self, submission: Submission) -> None:
        """Queue a submission's next training."""
        index = len(self.done(submission))
        urgent = index >= self.rules.seeds
        work = estimated_work(submission)
        self.schedule.add(Task(submission.student, index, urgent, submission.tier == "verified", work))

    def next_job(self) -> Job | None:
        """What an engine is to run next. Where all that is left has to wait, so does this."""
        while time.monotonic() < self.ends:
            if task := self.schedule.take(time.monotonic()):
                return self.job(task)
            later = self.schedule.next_time()
            if self.running or later is None:
                return None
            time.sleep(max(0.0, later - time.monotonic()))
        return None

    def job(self, task: Task) -> Job:
        submission = self.submissions[task.student]
        place = f"{submission.digest[:12]}-{self.key[:8]}-{task.index + 1}"
        if times := self.ledger.round(submission.student):
            place += f"-regrade-{times}"
        folder = self.results / "attempts" / submission.student / place
        seed = training_seed(self.secret, task.index)
        self.running[task.student, seed] = task, now()
        self.progress.begin(task.student, f"training, seed {task.index + 1}" if task.index else "training")
        return Job(submission, seed, self.rules, self.data, self.settings.device, folder, self.settings.sandboxed)

    def watch(self, job: Job, line: str) -> None:
        self.progress.see(job.submission.student, line)

    def ended(self, job: Job, result: Result) -> None:
        """Record an attempt, and queue what follows from it."""
        task, started = self.running.pop((job.submission.student, job.seed))
        submission = self.submissions[task.student]
        result.flags += self.flags[task.student] + self.slowness(submission, result)
        folder = str(job.folder.relative_to(self.results))
        result.details |= {"samples": len(self.data.labels_N), "folder": folder}
        self.record(submission, job.seed, started, result)
        if result.verdict == "infrastructure":
            self.progress.tell(task.student, f"infrastructure: {result.reason}")
            if self.schedule.again(task, time.monotonic()):
                return
        if result.accuracy is not None:  # else another seed would not mend it
            done = list(self.done(submission).values())
            if len(done) < seeds_wanted(done, self.rules):
                self.want(submission)
                return
            result = median(done)
        self.progress.end(task.student, result, ran=True)

    def done(self, submission: Submission) -> dict[int | None, Result]:
        return self.ledger.results(submission.student, submission.digest, self.key)

    def record(self, submission: Submission, seed: int | None, started: str, result: Result) -> None:
        identity = (submission.student, submission.digest, self.key)
        self.ledger.record(started, now(), *identity, seed, result, self.circumstances)

    def slowness(self, submission: Submission, result: Result) -> list[str]:
        """A flag for an audited training whose epochs took far longer than those of the verified ones."""
        if submission.tier != "audited" or not result.seconds or not result.epochs:
            return []
        if not (verified := self.ledger.epoch_seconds(self.key)):
            return []
        times = result.seconds / result.epochs / statistics.median(verified)
        return [f"an epoch took {times:.0f} times as long as the verified ones' median"] if times > SLOW else []


def received(download: Download) -> Submission:
    """The submission in a download, with what is known of it from elsewhere."""
    submission = opened(download.source, download.student, download.name)
    return replace(submission, submitted=download.submitted, marked_late=download.late)


def opened(source: Path, student: str = "", name: str = "") -> Submission:
    """The submission in a folder, archive or repository. One that cannot be read comes back with `unusable` set."""
    with sandbox.scratch_folder() as scratch:
        try:
            return take_in(source, exported(source, scratch), student, name)
        except Unusable as error:
            return unusable(source, str(error), student, name)


def needs(rules: Assignment, settings: Settings, results: Path) -> Needs:
    """What all jobs for a results folder ask of an engine."""
    (results / DATA).mkdir(exist_ok=True)
    return Needs(settings.device, settings.sandboxed, results / DATA, rules.trainings_per_gpu)


def seeds_wanted(done: list[Result], rules: Assignment) -> int:
    """How many trainings a submission gets: more, where its accuracy cannot be told from the target.

    The first `rules.seeds` of `done`, which is in the order of the trainings, decide about that, and not what follows.
    """
    if len(done) < rules.seeds:
        return rules.seeds
    found = median(done[: rules.seeds])
    low, high = wilson_interval(found.accuracy, found.details["samples"])
    return max(rules.seeds, rules.seeds_near_target) if low <= rules.target_accuracy <= high else rules.seeds


def regrade(ledger: Ledger, student: str) -> None:
    try:
        ledger.regrade(now(), student)
    except KeyError:
        raise UserError(
            f"--regrade {student}: the ledger knows no such student; the ids are on the leaderboard"
        ) from None


def distinct(submissions: list[Submission]) -> list[Submission]:
    """Two submissions under one id: both get a verdict, the second under an id of its own."""
    seen: dict[str, Submission] = {}
    for submission in submissions:
        student, number = submission.student, 2
        while student in seen:
            student, number = f"{submission.student[:58]}-{number}", number + 1
        if student != submission.student:
            reason = "its id is that of another submission, too; hand in under your own"
            submission = replace(submission, student=student, unusable=reason)
        seen[student] = submission
    return list(seen.values())


def training_seed(secret: int, index: int) -> int:
    """The seed of the training number `index`: the same for every submission, known to none."""
    return int.from_bytes(hashlib.sha256(f"{secret} {index}".encode()).digest()[:4], "big") >> 1


def rules_digest(rules: Assignment, secret: int) -> str:
    """A training's result under other rules or another secret is another result."""
    bearing = {name: value for name, value in asdict(rules).items() if name not in WITHOUT_BEARING}
    return hashlib.sha256(json.dumps([bearing, secret], sort_keys=True).encode()).hexdigest()


def circumstances(rules: Assignment, settings: Settings) -> dict[str, Any]:
    """What a result depends on besides the submission: recorded with each attempt."""
    return {
        "device": device_label(settings.device),
        "driver": driver() if settings.device == "cuda" else None,
        "sandboxed": settings.sandboxed,
        "limits": asdict(rules.limits),
        "code": code_version(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "max_epochs": rules.max_epochs,
    }


def ready(settings: Settings) -> Settings:
    """The settings with their device chosen. Raises UserError where this machine cannot do what they ask for."""
    if settings.sandboxed and (reason := bubblewrap.unavailable()):
        raise UserError(f"no sandbox: {reason} To run student code without one, add --unsafe-no-sandbox")
    return replace(settings, device=chosen_device(settings.device))


def chosen_device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU; leave it at auto to train on the CPU")
    return device


def device_label(device: str) -> str:
    return (
        f"GPU: {device_name(torch.device('cuda'))}" if device == "cuda" else f"CPU: {device_name(torch.device('cpu'))}"
    )


def driver() -> str:
    """The NVIDIA driver's version, as far as it is told."""
    return said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0] or "unknown"


def code_version() -> str:
    """The repository's commit, with a mark where files differ from it; `unknown` outside a repository."""
    return said_by("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12") or "unknown"


def said_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
