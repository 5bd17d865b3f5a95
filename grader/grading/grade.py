"""The walk: take submissions in, ask the ledger which trainings are wanted, have them made, and record what they came to."""

import math
from functools import cached_property
from pathlib import Path
from typing import Any

from grader.engines.engine import Train
from grader.grading.ranking import judged
from grader.grading.register_submissions import TakenIn, all_taken_in
from grader.grading.settings import Settings, circumstances, needs, training_seed
from grader.grading.status import Status
from grader.grading.training_queue import Schedule, Task
from grader.grading.verdicts import Verdict, pending_trainings
from grader.intake.downloads import find_downloads
from grader.intake.submission import Submission
from grader.ledger.ledger import Graded, now
from grader.ledger.measurement import COMPUTATION, Measurement
from grader.ledger.results_folder import OpenResults, store_rules
from grader.ledger.submission_store import kept
from grader.rerun.grading_data import GradingData, images_key, prepare
from grader.rerun.job import Job
from grader.rules import Rules
from grader.safe_text import printable
from project.support.errors import UserError


def grade(folder: Path, opened: OpenResults, rules: Rules, settings: Settings) -> None:
    """Measure everything in `folder` that these rules want measured and that has not been yet.

    Args:
        folder: Submissions, as they were downloaded; or a single one.
        opened: The results folder; it takes over the rules.
        settings: As `Settings.checked` gives them.
    """
    known = circumstances(rules, settings)
    unsafe = "" if settings.sandboxed else ", WITHOUT A SANDBOX"
    print(f"Training on {known['device']}{unsafe}; results in {opened.folder}/", flush=True)
    downloads = find_downloads(folder, rules.deadline)
    if not downloads:
        raise UserError(f"{folder}: no submissions; expected folders, archives or git repositories in it")
    for each in downloads:
        if each.attempts:
            print(f"{each.student}: {printable(each.source.name)} counts, of {each.attempts + 1} attempts")
    store_rules(opened.folder, rules)
    with settings.engine.session(needs(rules, settings, opened.folder)) as train:
        taken_in = list(all_taken_in(downloads, opened, rules, images_key(rules, opened.secret)))
        for student in settings.regrade:
            regrade(opened, student)
        Walk(taken_in, opened, rules, settings, known).run(train)


class Walk:
    """One run of the grader over submissions: the work of an engine. It alone writes to the ledger, whoever trains.

    Args:
        known: The circumstances to record with each measurement.
    """

    def __init__(
        self, taken_in: list[TakenIn], opened: OpenResults, rules: Rules, settings: Settings, known: dict[str, Any]
    ):
        self.taken_in = {each.student: each for each in taken_in}
        self.opened, self.ledger, self.results, self.rules = opened, opened.ledger, opened.folder, rules
        self.settings, self.engine, self.known = settings, settings.engine, known
        self.seeds = {
            training_seed(opened.secret, index): index for index in range(max(rules.seeds, rules.seeds_near_target))
        }
        self.status = Status(len(taken_in))
        self.schedule = Schedule(settings.back_off)
        self.open: dict[str, set[int]] = {}  # trainings of each student that wait or run, by their numbers
        self.lost: set[tuple[str, int]] = set()  # trainings given up in this run, through no fault of a student's
        self.running: dict[tuple[str, int], tuple[Task, Graded, str]] = {}  # by student and seed, with when it began
        self.ends = self.engine.now() + 3600 * settings.max_hours if settings.max_hours else math.inf

    @cached_property
    def data(self) -> GradingData:
        return prepare(self.rules, self.opened.secret, self.results)

    def run(self, train: Train) -> None:
        """Have trained what is wanted and not measured yet."""
        older = 0
        with self.status.shown():
            for graded, verdict in judged(self.ledger, self.rules):
                if graded.student not in self.taken_in:
                    continue
                older += any(m.computation < COMPUTATION for m in graded.measurements.values())
                if pending_trainings(graded, self.rules):
                    self.want(graded)
                else:
                    self.status.end(graded.student, verdict, ran=not graded.measurements)
            if len(self.schedule):
                self.data  # noqa: B018  made while machines get ready
                for job, measurement in train(self):
                    self.ended(job, measurement)
        if older:
            print(
                f"{older} submissions were measured by an earlier version of what computes; --regrade makes them anew"
            )
        if self.open:
            print(f"--max-hours {self.settings.max_hours:g} are over; the same command goes on", flush=True)
        if self.lost:
            print(f"{len(self.lost)} trainings failed through faults of ours; the same command tries again", flush=True)

    def judged(self, student: str) -> tuple[Graded, Verdict]:
        """What a student has by now."""
        return next(judged(self.ledger, self.rules, student))

    def want(self, graded: Graded) -> None:
        """Queue all trainings of a submission that are wanted by now: those near the target go on at once."""
        waiting = self.open.setdefault(graded.student, set())
        verified, work = graded.tier == "verified", self.taken_in[graded.student].work
        for index in pending_trainings(graded, self.rules):
            if index not in waiting and (graded.student, index) not in self.lost:
                waiting.add(index)
                self.schedule.add(Task(graded.student, index, index >= self.rules.seeds, verified, work))

    def next_job(self) -> Job | None:
        while self.engine.now() < self.ends and (task := self.schedule.take(self.engine.now())):
            if task.student in self.open:
                return self.job(task)
        return None

    def next_time(self) -> float | None:
        later = self.schedule.next_time()
        return None if later is None or max(later, self.engine.now()) >= self.ends else later

    def job(self, task: Task) -> Job:
        graded, _ = self.judged(task.student)
        place = f"{graded.digest[:12]}-{graded.images[:8]}-{task.index + 1}"
        if times := self.ledger.round(graded.student):
            place += f"-regrade-{times}"
        if row := graded.rows.get(task.index):
            place += f"-after-{row}"
        folder = self.results / "attempts" / graded.student / place
        seed = training_seed(self.opened.secret, task.index)
        self.running[task.student, seed] = task, graded, now()
        files = kept(self.results, graded.digest)
        submission = Submission(self.results, graded.student, graded.name, files)
        job = Job(submission, seed, self.rules, self.data, self.settings.device, folder, self.settings.sandboxed)
        self.status.begin(self.label(job), "training")
        return job

    def label(self, job: Job) -> str:
        """A training's name in the status: the student, and which it is of several."""
        index = self.seeds[job.seed]
        return f"{job.submission.student} ({index + 1})" if index else job.submission.student

    def watch(self, job: Job, line: str) -> None:
        self.status.see(self.label(job), line)

    def ended(self, job: Job, measurement: Measurement) -> None:
        """Record what a training came to, and queue what follows from it."""
        task, before, started = self.running.pop((job.submission.student, job.seed))
        self.status.leave(self.label(job))
        unsafe = [] if self.settings.sandboxed else ["graded without a sandbox"]
        folder = str(job.folder.relative_to(self.results))
        measurement = measurement.but(folder=folder, flags=[*unsafe, *measurement.flags])
        self.ledger.record(started, before, task.index, job.seed, measurement, self.known | measurement.machine)
        ours = measurement.outcome == "infrastructure"
        if ours:
            self.status.tell(self.label(job), f"infrastructure: {measurement.said}")
        waiting = self.open.get(task.student)
        if waiting is None:  # another of its trainings has settled it
            return
        if ours:
            if self.schedule.again(task, self.engine.now()):
                return
            self.lost.add((task.student, task.index))
        waiting.discard(task.index)
        graded, verdict = self.judged(task.student)
        if verdict.name in ("rejected", "failed"):
            waiting.clear()  # no other training would mend it
        else:
            self.want(graded)
        if not waiting:
            del self.open[task.student]
            self.status.end(task.student, verdict, ran=True)


def regrade(opened: OpenResults, student: str) -> None:
    try:
        opened.ledger.regrade(now(), student)
    except KeyError:
        raise UserError(
            f"--regrade {student}: the ledger knows no such student; the ids are on the leaderboard"
        ) from None
