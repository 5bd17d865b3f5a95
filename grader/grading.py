"""The walk: take submissions in, ask the ledger what is pending, rerun it, record, rank."""

import hashlib
import json
import math
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from grader.intake.checks import LATE, check, rejections
from grader.intake.downloads import Download, find_downloads
from grader.intake.estimate import estimated_work
from grader.intake.submission import Submission, Unusable, printable, take_in, unusable
from grader.progress import Progress
from grader.rerun import bubblewrap, sandbox
from grader.rerun.code import REPOSITORY
from grader.rerun.dataset import DATA, GradingData, prepare
from grader.rerun.engine import Engine, LocalEngine, Train
from grader.rerun.job import Job
from grader.rerun.machine import said_by
from grader.rerun.needs import Needs
from grader.rerun.repository import exported
from grader.rerun.result import Result
from grader.results.archive import keep
from grader.results.folder import RULES_FILE, locked, stored_secret
from grader.results.ledger import Ledger, now
from grader.results.publishing import publish
from grader.results.ranking import median, seeds_wanted
from grader.results.wandb_runs import mirror
from grader.schedule import Schedule, Task
from project.assignment import Assignment
from project.errors import UserError
from project.files import write_atomically

SLOW = 10  # times the verified ones' seconds of an epoch, from which on a person should look
SPARE_MINUTES = 10  # for all that a job does beside what the rules limit
# rules that change no single training
WITHOUT_BEARING = ("seeds", "seeds_near_target", "deadline", "late", "bonus", "site", "trainings_per_gpu")


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
    with locked(results, settings.wait):
        secret = stored_secret(results, settings.secret)
        known = circumstances(rules, settings)
        unsafe = "" if settings.sandboxed else ", WITHOUT A SANDBOX"
        print(f"Training on {known['device']}{unsafe}; results in {results}/", flush=True)
        downloads = find_downloads(folder, rules.deadline_time)
        if not downloads:
            raise UserError(f"{folder}: no submissions; expected folders, archives or git repositories in it")
        for each in downloads:
            if each.attempts:
                print(f"{each.student}: {printable(each.source.name)} counts, of {each.attempts + 1} attempts")
        write_atomically(results / RULES_FILE, json.dumps(asdict(rules), indent=2) + "\n")
        ledger = Ledger(results / "ledger.sqlite")
        try:
            with settings.engine.opened(needs(rules, settings, results)) as train:
                submissions = {each.student: each for each in taken_in(downloads, results)}
                for student in settings.regrade:
                    regrade(ledger, student)
                Grading(submissions, ledger, results, rules, settings, secret, known).run(train)
            table = publish(ledger, results)
        finally:
            ledger.close()
        if said := mirror(results, settings.wandb):
            print(said)
        return table


class Grading:
    """One run of the grader over submissions: the work of an engine. It alone writes to the ledger, whoever trains.

    Args:
        submissions: By student.
        known: The circumstances to record with each attempt.
    """

    def __init__(
        self,
        submissions: dict[str, Submission],
        ledger: Ledger,
        results: Path,
        rules: Assignment,
        settings: Settings,
        secret: int,
        known: dict[str, Any],
    ):
        self.submissions, self.ledger, self.results, self.rules = submissions, ledger, results, rules
        self.settings, self.engine, self.known = settings, settings.engine, known
        self.key = rules_digest(rules, secret)
        self.secret = secret
        count = max(rules.seeds, rules.seeds_near_target)
        self.seeds = {training_seed(secret, index): index for index in range(count)}
        self.progress = Progress(len(submissions))
        self.flags: dict[str, list[str]] = {}  # of each student, from the checks
        self.work: dict[str, float] = {}
        self.schedule = Schedule(settings.back_off)
        self.open: dict[str, set[int]] = {}  # trainings of each student that wait or run, by their indices
        self.lost: set[tuple[str, int]] = set()  # trainings given up in this run, through no fault of a student's
        self.running: dict[tuple[str, int], tuple[Task, str]] = {}  # by student and seed, with when it began
        self.ends = self.engine.now() + 3600 * settings.max_hours if settings.max_hours else math.inf

    @cached_property
    def data(self) -> GradingData:
        return prepare(self.rules, self.secret, self.results)

    @cached_property
    def epoch_seconds(self) -> list[float]:
        """Of each verified training under these rules, as far as they have ended."""
        return self.ledger.epoch_seconds(self.key)

    def run(self, train: Train) -> None:
        """Have trained what is not recorded yet."""
        for submission in self.submissions.values():  # all are noted before the first is run
            source = printable(submission.source.name)
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
                self.data  # noqa: B018  made while machines get ready
                for job, result in train(self):
                    self.ended(job, result)
        if self.open:
            print(f"--max-hours {self.settings.max_hours:g} are over; the same command goes on", flush=True)
        if self.lost:
            print(f"{len(self.lost)} trainings failed through faults of ours; the same command tries again", flush=True)

    def settled(self, submission: Submission) -> Result | None:
        """A submission's result, if it needs no training: had before, or rejected by the checks."""
        done = self.done(submission)
        if ended := next((r for seed, r in done.items() if seed is not None and r.accuracy is None), None):
            return ended
        in_memory = submission.in_memory()
        findings = check(in_memory, self.rules)
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
        self.flags[submission.student], self.work[submission.student] = flags, estimated_work(in_memory)
        return median(list(done.values())) if len(done) >= seeds_wanted(list(done.values()), self.rules) else None

    def want(self, submission: Submission) -> None:
        """Queue all trainings of a submission that are wanted by now: those near the target go on at once."""
        done = self.done(submission)
        waiting = self.open.setdefault(submission.student, set())
        verified, work = submission.tier == "verified", self.work[submission.student]
        for seed, index in list(self.seeds.items())[: seeds_wanted(list(done.values()), self.rules)]:
            if seed not in done and index not in waiting and (submission.student, index) not in self.lost:
                waiting.add(index)
                self.schedule.add(Task(submission.student, index, index >= self.rules.seeds, verified, work))

    def next_job(self) -> Job | None:
        while self.engine.now() < self.ends and (task := self.schedule.take(self.engine.now())):
            if task.student in self.open:
                return self.job(task)
        return None

    def next_time(self) -> float | None:
        later = self.schedule.next_time()
        return None if later is None or max(later, self.engine.now()) >= self.ends else later

    def job(self, task: Task) -> Job:
        submission = self.submissions[task.student]
        place = f"{submission.digest[:12]}-{self.key[:8]}-{task.index + 1}"
        if times := self.ledger.round(submission.student):
            place += f"-regrade-{times}"
        folder = self.results / "attempts" / submission.student / place
        seed = training_seed(self.secret, task.index)
        self.running[task.student, seed] = task, now()
        job = Job(
            submission.in_memory(), seed, self.rules, self.data, self.settings.device, folder, self.settings.sandboxed
        )
        self.progress.begin(self.label(job), "training")
        return job

    def label(self, job: Job) -> str:
        """A training's name in the progress: the student, and which it is of several."""
        index = self.seeds[job.seed]
        return f"{job.submission.student} ({index + 1})" if index else job.submission.student

    def watch(self, job: Job, line: str) -> None:
        self.progress.see(self.label(job), line)

    def ended(self, job: Job, result: Result) -> None:
        """Record an attempt, and queue what follows from it."""
        task, started = self.running.pop((job.submission.student, job.seed))
        self.progress.leave(self.label(job))
        submission = self.submissions[task.student]
        result.flags += self.flags[task.student] + self.slowness(submission, result)
        folder = str(job.folder.relative_to(self.results))
        result.details |= {"samples": len(self.data.labels_N), "folder": folder, "training": task.index}
        self.record(submission, job.seed, started, result)
        if result.verdict == "infrastructure":
            self.progress.tell(self.label(job), f"infrastructure: {result.reason}")
        waiting = self.open.get(task.student)
        if waiting is None:  # another of its trainings has settled it
            return
        if result.verdict == "infrastructure":
            if self.schedule.again(task, self.engine.now()):
                return
            self.lost.add((task.student, task.index))
        waiting.discard(task.index)
        if result.accuracy is not None:
            self.want(submission)
            result = median(list(self.done(submission).values()))
        elif result.verdict != "infrastructure":
            waiting.clear()  # no other training would mend it
        if not waiting:
            del self.open[task.student]
            self.progress.end(task.student, result, ran=True)

    def done(self, submission: Submission) -> dict[int | None, Result]:
        """What is recorded of a submission by seed, in the order of its trainings, whichever ended first."""
        found = self.ledger.results(submission.student, submission.digest, self.key)
        return dict(sorted(found.items(), key=lambda item: self.seeds.get(item[0], len(self.seeds))))

    def record(self, submission: Submission, seed: int | None, started: str, result: Result) -> None:
        identity = (submission.student, submission.digest, self.key)
        self.ledger.record(started, now(), *identity, seed, result, self.known | result.machine)

    def slowness(self, submission: Submission, result: Result) -> list[str]:
        """A flag for an audited training whose epochs took far longer than those of the verified ones."""
        if not result.seconds or not result.epochs:
            return []
        seconds = result.seconds / result.epochs
        if submission.tier == "verified":
            self.epoch_seconds.append(seconds)
        elif self.epoch_seconds and (times := seconds / statistics.median(self.epoch_seconds)) > SLOW:
            return [f"an epoch took {times:.0f} times as long as the verified ones' median"]
        return []


def taken_in(downloads: list[Download], results: Path) -> Iterator[Submission]:
    """Each submission, its files kept below `results` and no longer in memory, where many would not fit.

    Of two under one id both get a verdict, the second under an id of its own.
    """
    seen: set[str] = set()
    for download in downloads:
        submission = opened(download.source, download.student, download.name)
        submission = replace(submission, submitted=download.submitted, marked_late=download.late)
        student, number = submission.student, 2
        while student in seen:
            student, number = f"{submission.student[:58]}-{number}", number + 1
        if student != submission.student:
            reason = "its id is that of another submission, too; hand in under your own"
            submission = replace(submission, student=student, unusable=reason)
        seen.add(student)
        yield replace(submission, files=keep(results, submission.digest, submission.files))


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
    # A training and two predictions of its own, each within the limit, as many to wait for, and what comes between.
    longest = 60 * (6 * rules.limits.minutes + SPARE_MINUTES)
    memory, per_gpu = rules.limits.memory_gb, rules.trainings_per_gpu
    return Needs(settings.device, settings.sandboxed, results / DATA, memory, per_gpu, longest)


def regrade(ledger: Ledger, student: str) -> None:
    try:
        ledger.regrade(now(), student)
    except KeyError:
        raise UserError(
            f"--regrade {student}: the ledger knows no such student; the ids are on the leaderboard"
        ) from None


def training_seed(secret: int, index: int) -> int:
    """The seed of the training number `index`: the same for every submission, known to none."""
    return int.from_bytes(hashlib.sha256(f"{secret} {index}".encode()).digest()[:4], "big") >> 1


def rules_digest(rules: Assignment, secret: int) -> str:
    """A training's result under other rules or another secret is another result."""
    bearing = {name: value for name, value in asdict(rules).items() if name not in WITHOUT_BEARING}
    return hashlib.sha256(json.dumps([bearing, secret], sort_keys=True).encode()).hexdigest()


def circumstances(rules: Assignment, settings: Settings) -> dict[str, Any]:
    """What a result depends on besides the submission: recorded with each attempt, with what its own machine says."""
    return {
        **settings.engine.about(settings.device),
        "sandboxed": settings.sandboxed,
        "limits": asdict(rules.limits),
        "code": code_version(),
        "max_epochs": rules.max_epochs,
    }


def ready(settings: Settings) -> Settings:
    """The settings with their device chosen. Raises UserError where this machine cannot do what they ask for."""
    if settings.sandboxed and (reason := bubblewrap.unavailable()):
        raise UserError(f"no sandbox: {reason} To run student code without one, add --unsafe-no-sandbox")
    return replace(settings, device=settings.engine.device(settings.device))


def code_version() -> str:
    """The repository's commit, with a mark where files differ from it; `unknown` outside a repository."""
    return said_by("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12") or "unknown"
