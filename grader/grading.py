"""The walk: take submissions in, ask the ledger what is pending, rerun it, record, rank."""

import fcntl
import hashlib
import json
import os
import platform
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import torch

from grader.intake.checks import check, rejections
from grader.intake.submission import Submission, find_submissions, printable, take_in
from grader.rerun import sandbox
from grader.rerun.dataset import prepare
from grader.rerun.engine import LocalEngine
from grader.rerun.job import REPOSITORY, Job, Result
from grader.results.exports import as_table, export
from grader.results.ledger import Ledger
from grader.results.ranking import leaderboard
from project.assignment import Assignment
from project.errors import UserError
from project.run import device_name, write_atomically

MAX_INFRASTRUCTURE_ATTEMPTS = 2  # in one run of the grader; the next run tries again
EPOCH = re.compile(r"epoch +(\d+)/(\d+)")


def grade(folder: Path, results: Path, rules: Assignment, device: str, sandboxed: bool, secret: int | None) -> str:
    """Grade everything in `folder` that `results` has no result for yet, and return the leaderboard as a table.

    Args:
        folder: Submissions: folders, zips, tars; or a single one.
        results: Folder of the ledger and all else; made where it is missing.
        device: auto, cpu or cuda.
        sandboxed: False runs student code as plain processes.
        secret: Seed of the withheld split and of the trainings. By default the results folder's own, drawn once.
    """
    if sandboxed and (reason := sandbox.unavailable()):
        raise UserError(f"no sandbox: {reason} To run student code without one, add --unsafe-no-sandbox")
    device = chosen_device(device)
    with locked(results):
        secret = stored_secret(results, secret)
        say(f"Training on {device_label(device)}{'' if sandboxed else ', WITHOUT A SANDBOX'}; results in {results}/")
        submissions = distinct([take_in(source) for source in find_submissions(folder)])
        if not submissions:
            raise UserError(f"{folder}: no submissions; expected folders, zips or tars in it")
        ledger = Ledger(results / "ledger.sqlite")
        try:
            grade_all(submissions, ledger, results, rules, device, sandboxed, secret)
            return publish(ledger, results, rules)
        finally:
            ledger.close()


def grade_all(
    submissions: list[Submission],
    ledger: Ledger,
    results: Path,
    rules: Assignment,
    device: str,
    sandboxed: bool,
    secret: int,
) -> None:
    """Bring every submission to a final result, one job after another."""
    key = rules_digest(rules, secret)
    circumstances = {
        "device": device_label(device),
        "sandboxed": sandboxed,
        "limits": asdict(rules.limits),
        "code": code_version(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "max_epochs": rules.max_epochs,
    }
    flags = [] if sandboxed else ["graded without a sandbox"]
    data = None
    for number, submission in enumerate(submissions, 1):
        label = f"[{number}/{len(submissions)}] {submission.student}"
        identity = (submission.student, submission.digest, key)
        source = printable(submission.source.name)
        ledger.take_in(now(), submission.student, submission.name, submission.digest, submission.tier, source, key)
        done = ledger.results(*identity)
        if done and (None in done or any(result.accuracy is None for result in done.values())):
            say(f"{label}: graded before: {next(r for r in done.values() if r.accuracy is None).verdict}")
            continue
        started = now()
        if not done and (found := rejections(check(submission, rules))):
            reason = str(found[0]) + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")
            ledger.record(started, now(), *identity, None, Result("rejected", reason, flags=flags), circumstances)
            say(f"{label}: rejected: {reason}")
            continue
        for index in range(rules.seeds):
            seed = training_seed(secret, index)
            if seed in done:
                say(f"{label}: graded before, seed {index + 1} of {rules.seeds}: {done[seed].verdict}")
                continue
            data = data or prepare(rules, secret, results)
            attempts = results / "attempts" / submission.student / f"{submission.digest[:12]}-{key[:8]}-{index + 1}"
            job = Job(submission, seed, rules, data, device, attempts, sandboxed)
            result = run_to_a_result(
                job,
                f"{label}, seed {index + 1} of {rules.seeds}" if rules.seeds > 1 else label,
                lambda r: ledger.record(started, now(), *identity, seed, r, circumstances),
                flags,
            )
            if result.accuracy is None:
                break  # another seed would not mend it


def run_to_a_result(job: Job, label: str, record: Callable[[Result], None], flags: list[str]) -> Result:
    """Run a job, again where the failure was ours, and record each attempt."""
    for _attempt in range(MAX_INFRASTRUCTURE_ATTEMPTS):
        progress = Progress(label)
        for _, result in LocalEngine().run([job], lambda job, line: progress.see(line)):
            result.flags += flags
            result.details["samples"] = len(job.data.labels_N)
            record(result)
            shown = "" if result.accuracy is None else f" {result.accuracy:.2%} in {result.seconds:.0f} s"
            progress.end(f"{result.verdict}{shown}{': ' + result.reason if result.reason else ''}")
        if result.verdict != "infrastructure":
            break
    return result


class Progress:
    """What a running job is at: one line, rewritten in a terminal; a line each five epochs in a log."""

    def __init__(self, label: str):
        self.label, self.live = label, sys.stdout.isatty()
        self.show("training")

    def see(self, line: str) -> None:
        if found := EPOCH.match(line):
            epoch, epochs = found.groups()
            if self.live or int(epoch) % 5 == 0:
                self.show(f"training, epoch {int(epoch)} of {int(epochs)}")

    def show(self, doing: str) -> None:
        line = f"{self.label}: {doing}"
        print(f"\r\x1b[K{line}" if self.live else line, end="" if self.live else "\n", flush=True)

    def end(self, ended: str) -> None:
        self.show(ended)
        if self.live:
            print(flush=True)


def publish(ledger: Ledger, results: Path, rules: Assignment | None = None) -> str:
    """Write the leaderboard's files from the ledger, and return the table."""
    entries = leaderboard(ledger)
    known = results / "assignment.json"
    if rules is not None:
        write_atomically(known, json.dumps(asdict(rules), indent=2) + "\n")
    assignment = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    export(results, assignment, now(), ledger.circumstances().get("device", "nothing yet"), entries)
    return as_table(entries)


def distinct(submissions: list[Submission]) -> list[Submission]:
    """Two submissions under one id: both get a verdict, the second under an id of its own."""
    seen: dict[str, Submission] = {}
    for submission in submissions:
        student, number = submission.student, 2
        while student in seen:
            student, number = f"{submission.student[:58]}-{number}", number + 1
        if student != submission.student:
            first = printable(seen[submission.student].source.name)
            reason = f"the id {submission.student} is also that of {first}; hand in under your own"
            submission = Submission(submission.source, student, submission.name, submission.files, reason)
        seen[student] = submission
    return list(seen.values())


@contextmanager
def locked(results: Path) -> Iterator[None]:
    """Hold a results folder against a second grader; a killed one lets go. Raises UserError where it is held."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = open(results / ".lock", "w")
    except OSError as error:
        raise UserError(f"--out {results}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"--out {results}: another grader is at work there; wait, or take another folder") from None
        yield


def stored_secret(results: Path, given: int | None) -> int:
    """The results folder's secret seed: drawn once, readable by its owner alone."""
    path = results / "secret.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))["seed"]
        if given not in (None, stored):
            raise UserError(
                f"--secret-seed: {results} was begun with another one; leave it out, or take another folder"
            )
        return stored
    secret = secrets.randbits(62) if given is None else given
    temporary = path.with_name(".secret.json")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"seed": secret}, file)
    temporary.replace(path)
    return secret


def training_seed(secret: int, index: int) -> int:
    """The seed of the training number `index`: the same for every submission, known to none."""
    return int.from_bytes(hashlib.sha256(f"{secret} {index}".encode()).digest()[:4], "big") >> 1


def rules_digest(rules: Assignment, secret: int) -> str:
    """Results under other rules or another secret are other results."""
    return hashlib.sha256(json.dumps([asdict(rules), secret], sort_keys=True).encode()).hexdigest()


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


def code_version() -> str:
    """The repository's commit, with a mark where files differ from it; `unknown` outside a repository."""
    try:
        command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or "unknown"
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def say(line: str) -> None:
    print(line, flush=True)
