"""The walk: take submissions in, ask the ledger what is pending, rerun it, record, rank."""

import errno
import hashlib
import json
import platform
import sqlite3
import statistics
import subprocess
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from grader.intake.checks import LATE, check, rejections
from grader.intake.downloads import Download, find_downloads
from grader.intake.submission import Submission, Unusable, printable, take_in, unusable
from grader.progress import Progress
from grader.rerun import sandbox
from grader.rerun.dataset import GradingData, prepare
from grader.rerun.engine import Engine, LocalEngine
from grader.rerun.job import REPOSITORY, Job
from grader.rerun.repository import exported
from grader.rerun.result import Result, wilson_interval
from grader.results.archive import keep
from grader.results.exports import as_table, export
from grader.results.folder import locked, stored_secret
from grader.results.ledger import Ledger
from grader.results.ranking import median, standings
from grader.results.site import build
from grader.results.wandb_runs import mirror
from project.assignment import Assignment
from project.errors import UserError
from project.run import device_name, write_atomically

MAX_INFRASTRUCTURE_ATTEMPTS = 2  # in one run of the grader; the next run tries again
SLOW = 10  # times the verified ones' seconds of an epoch, from which on a person should look
RULES_FILE = "assignment.json"  # in a results folder: the rules of the last run
# rules that change no single training
WITHOUT_BEARING = ("seeds", "seeds_near_target", "deadline", "late", "bonus", "site")
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
        engine: Where jobs run.
    """

    device: str = "auto"
    sandboxed: bool = True
    secret: int | None = None
    regrade: tuple[str, ...] = ()
    wait: bool = False
    wandb: str = "disabled"
    engine: Engine = LocalEngine()


def grade(folder: Path, results: Path, rules: Assignment, settings: Settings = Settings()) -> str:
    """Grade everything in `folder` that `results` has no result for yet, and return the leaderboard as a table.

    Args:
        folder: Submissions, as they were downloaded; or a single one.
        results: Folder of the ledger and all else; made where it is missing.
    """
    if settings.sandboxed and (reason := sandbox.unavailable()):
        raise UserError(f"no sandbox: {reason} To run student code without one, add --unsafe-no-sandbox")
    settings = replace(settings, device=chosen_device(settings.device))
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
            ledger = Ledger(results / "ledger.sqlite")
            try:
                for student in settings.regrade:
                    regrade(ledger, student)
                Grading(submissions, ledger, results, rules, settings, secret).run()
                table = publish(ledger, results, rules)
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
    """One run of the grader over submissions; verified ones first, since audited ones are compared with them."""

    def __init__(
        self,
        submissions: list[Submission],
        ledger: Ledger,
        results: Path,
        rules: Assignment,
        settings: Settings,
        secret: int,
    ):
        self.submissions = sorted(submissions, key=lambda submission: submission.tier != "verified")
        self.ledger, self.results, self.rules = ledger, results, rules
        self.settings, self.secret = settings, secret
        self.key = rules_digest(rules, secret)
        self.circumstances = circumstances(rules, settings)
        self.progress = Progress(len(submissions))

    @cached_property
    def data(self) -> GradingData:
        return prepare(self.rules, self.secret, self.results)

    def run(self) -> None:
        for submission in self.submissions:  # all are noted before the first is run
            source = printable(submission.source.name)
            keep(self.results, submission.digest, submission.files)
            about = (submission.student, submission.name, submission.digest, submission.tier, source, self.key)
            self.ledger.take_in(now(), *about)
        with self.progress.shown():
            for submission in self.submissions:
                self.progress.begin(submission.student, "checking")
                before = self.done(submission)
                result = self.final_result(submission)
                self.progress.end(result, ran=self.done(submission) != before)

    def final_result(self, submission: Submission) -> Result:
        """Bring a submission to its result: checks, then as many trainings as the rules want."""
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
        while (index := len(done)) < seeds_wanted(list(done.values()), self.rules):
            result = self.trained(submission, index, flags)
            if result.accuracy is None:
                return result  # another seed would not mend it
            done = self.done(submission)
        return median(list(done.values()))

    def trained(self, submission: Submission, index: int, flags: list[str]) -> Result:
        """Run the training number `index`, again where the failure was ours, and record each attempt."""
        place = f"{submission.digest[:12]}-{self.key[:8]}-{index + 1}"
        if times := self.ledger.round(submission.student):
            place += f"-regrade-{times}"
        folder = self.results / "attempts" / submission.student / place
        seed = training_seed(self.secret, index)
        job = Job(submission, seed, self.rules, self.data, self.settings.device, folder, self.settings.sandboxed)
        for _attempt in range(MAX_INFRASTRUCTURE_ATTEMPTS):
            started = now()
            self.progress.show(f"training, seed {index + 1}" if index else "training")
            ((_, result),) = self.settings.engine.run([job], lambda job, line: self.progress.see(line))
            result.flags += flags + self.slowness(submission, result)
            result.details |= {"samples": len(job.data.labels_N), "folder": str(folder.relative_to(self.results))}
            self.record(submission, seed, started, result)
            if result.verdict != "infrastructure":
                break
            self.progress.tell(f"infrastructure: {result.reason}")
        return result

    def done(self, submission: Submission) -> dict[int | None, Result]:
        return self.ledger.results(submission.student, submission.digest, self.key)

    def record(self, submission: Submission, seed: int | None, started: str, result: Result) -> None:
        identity = (submission.student, submission.digest, self.key)
        self.ledger.record(started, now(), *identity, seed, result, self.circumstances)

    def slowness(self, submission: Submission, result: Result) -> list[str]:
        """A flag for an audited training whose epochs took far longer than those of the verified ones."""
        verified = self.ledger.epoch_seconds(self.key)
        if submission.tier != "audited" or not result.seconds or not result.epochs or not verified:
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


def seeds_wanted(done: list[Result], rules: Assignment) -> int:
    """How many trainings a submission gets: more, where its accuracy cannot be told from the target."""
    if len(done) < rules.seeds:
        return rules.seeds
    found = median(done)
    low, high = wilson_interval(found.accuracy, found.details["samples"])
    return max(rules.seeds, rules.seeds_near_target) if low <= rules.target_accuracy <= high else rules.seeds


def regrade(ledger: Ledger, student: str) -> None:
    try:
        ledger.regrade(now(), student)
    except KeyError:
        raise UserError(
            f"--regrade {student}: the ledger knows no such student; the ids are on the leaderboard"
        ) from None


def publish(ledger: Ledger, results: Path, rules: Assignment | None = None) -> str:
    """Write the leaderboard's files and pages from the ledger, and return the table. By default by the last run's rules."""
    known = results / RULES_FILE
    if rules is None:
        rules = Assignment.load(known)
    else:
        write_atomically(known, json.dumps(asdict(rules), indent=2) + "\n")
    secret = stored_secret(results, None)
    found = standings(ledger, rules.site.best)
    entries = [standing.entry for standing in found]
    export(results, asdict(rules), now(), ledger.circumstances().get("device", "nothing yet"), entries)
    build(results, rules, found, ledger, secret)
    return as_table(entries)


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


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
