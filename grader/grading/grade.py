"""The walk: take submissions in, ask the ledger which trainings are wanted, have them made, and record what they came to."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.engines.engine import Train
from grader.grading.attempts import counting, once
from grader.grading.changed_rules import rule_changes
from grader.grading.hand_ins import ask_about_times, hand_ins, read_roster
from grader.grading.personal_rules import held_to
from grader.grading.presence import held, said_of_others
from grader.grading.ranking import judged
from grader.grading.register_submissions import in_time_before, note_missing, note_run, register, renamed, without_moved
from grader.grading.settings import Settings, circumstances, needs
from grader.grading.staff import is_staff
from grader.grading.status import Status
from grader.grading.training_queue import Schedule, Task
from grader.grading.verdicts import pending_trainings
from grader.grading.withdrawals import rounds_of, veil, without_withdrawn
from grader.intake.submission import Submission
from grader.ledger.ledger import Ledger, now
from grader.ledger.measurement import COMPUTATION, Measurement
from grader.ledger.results_folder import OpenResults, store_rules
from grader.ledger.submission_store import kept_for_training
from grader.ledger.submissions import HANDED_IN_BY, Graded
from grader.rerun.grading_data import GradingData, prepare
from grader.rerun.job import Job
from grader.rules import Rules
from grader.secret import training_seed
from project.support.errors import UserError, note
from project.support.wording import counted

HANDED_OUT = (
    "dataset: students have the images that score; give a test split with labels that nobody has, or write "
    "`images: public` into the rules (--rules), and the leaderboard says so"
)


def grade(folder: Path, opened: OpenResults, rules: Rules, settings: Settings) -> None:
    """Measure everything in `folder` that these rules ask for and that has not been measured yet.

    Args:
        folder: Submissions, as they were downloaded; or a single one.
        opened: The results folder, which keeps these rules from now on.
        settings: As `Settings.checked` gives them.
    """
    known = circumstances(rules, settings)
    unsafe = "" if settings.sandboxed else ", WITHOUT A SANDBOX"
    print(f"Training on {known['device']}{unsafe}; results in {opened.folder}/", flush=True)
    roster = read_roster(folder, settings.roster)
    terms = opened.ledger.terms()
    downloads = hand_ins(folder, rules, roster, held(opened.ledger.runs(), opened.ledger.held()), terms, veil(opened))
    downloads, roster = without_withdrawn(downloads, roster, opened)
    downloads = without_moved(downloads, roster, folder, opened)
    if not settings.accept_times:
        ask_about_times(downloads, rules, in_time_before(opened, rules), terms)
    for line in rule_changes(opened.kept_rules, rules):
        print(line)
    store_rules(opened.folder, rules)
    with settings.engine.session(needs(rules, settings, opened.folder)) as train:
        if opened.secret.part == "practice" and (said := renamed(folder, downloads, opened.ledger.runs())):
            note(said)
        work = register(downloads, opened, rules, roster)
        note_run(folder, downloads, opened)
        handed_in, flags = opened.ledger.held(), opened.ledger.flags()
        for student in work:
            for flag in flags[student]:
                print(f"{student}: {handed_in[student]}: {flag}")
        if roster and (missing := note_missing(roster, folder, opened, rules)):
            listed = ", ".join(f"{student.name} ({student.student})" for student in missing)
            print(f"{len(missing)} of {len(roster.students)} on the roster handed in nothing: {listed}")
        for line in said_of_practice(opened, rules):
            print(line)
        for line in said_of_others(opened.ledger.runs(), handed_in, flags, opened.ledger.called()):
            print(line)
        if unknown := sorted({*settings.regrade} - opened.ledger.students()):
            raise UserError(f"--regrade {unknown[0]}: the ledger knows no such student; the ids are on the leaderboard")
        for student in settings.regrade:
            before, _ = next(judged(opened.ledger, rules, student))
            student = before.carrier
            if student in opened.ledger.students():  # who is trained for the group; a number has handed in nothing
                before, _ = next(judged(opened.ledger, rules, student))
            if opened.ledger.round(student) and pending_trainings(before, rules):
                print(f"{student}: goes on with the regrade that was begun")
            else:
                opened.ledger.regrade(now(), settings.by, student, settings.reason)
        if any(HANDED_IN_BY in each.known_as for each in downloads):
            trained = once(each for each in counting(opened.ledger, rules) if each.student in work)
            work = {each.student: work[each.student] for each in trained}
        Walk(work, opened, rules, settings, known).run(train)


def said_of_practice(opened: OpenResults, rules: Rules) -> Iterator[str]:
    """A line where practice was before this round: that it counts no more, and who has handed in nothing since."""

    def students(ledger: Ledger) -> set[str]:
        return {each.student for each, _ in judged(ledger, rules) if each.digest and not is_staff(each, rules)}

    for _, practised, own in rounds_of(opened, students):
        if not own:
            left = ", ".join(sorted(practised - opened.ledger.students()))
            more = f"; with nothing handed in to this round: {left}" if left else ""
            yield f"practice is over, and nothing that was handed in to it counts in this round{more}"


class Walk:
    """One run of the grader over submissions: the work of an engine. It alone writes to the ledger, whoever trains.

    Args:
        work: By student, an estimate of how long a training takes, in any unit.
        known: The circumstances to record with each measurement.

    Attributes:
        data: What all jobs train and score on; made before the first of them.
    """

    data: GradingData

    def __init__(
        self, work: dict[str, float], opened: OpenResults, rules: Rules, settings: Settings, known: dict[str, Any]
    ):
        self.work, self.opened, self.rules, self.settings, self.known = work, opened, rules, settings, known
        self.ledger, self.engine = opened.ledger, settings.engine
        self.status = Status(len(work))
        self.schedule = Schedule(settings.back_off)
        self.open: dict[str, set[int]] = {}  # trainings of each student that wait or run, by their numbers
        self.lost = 0  # trainings given up in this run, through no fault of a student's
        self.running: dict[Job, tuple[Task, Graded, str]] = {}  # with when it began
        self.ends = self.engine.now() + 3600 * settings.max_hours if settings.max_hours else math.inf

    def run(self, train: Train) -> None:
        """Have everything trained that is wanted and not measured yet."""
        older = 0
        with self.status.shown:
            for graded, verdict in judged(self.ledger, self.rules):
                if graded.student not in self.work:
                    continue
                older += any(m.computation < COMPUTATION for m in graded.measurements.values())
                if pending_trainings(graded, self.rules):
                    self.want(graded)
                else:
                    ran = not graded.measurements
                    self.status.end(graded.student, verdict.name, verdict.reason, verdict.ranked, ran)
            if self.schedule.next_time() is not None:
                self.data = prepare(self.rules, self.opened.secret, self.opened.folder)  # while machines get ready
                if self.data.handed_out and self.rules.images != "public":
                    raise UserError(HANDED_OUT)
                for job, measurement in train(self):
                    self.ended(job, measurement)
        if older:
            were = "submission was" if older == 1 else "submissions were"
            print(f"{older} {were} measured by an earlier version of the grader; --regrade makes them anew")
        if self.open:
            print(f"--max-hours {self.settings.max_hours:g} are over; the same command goes on", flush=True)
        if self.lost:
            print(
                f"{counted(self.lost, 'training')} failed through faults of ours; the same command tries again",
                flush=True,
            )

    def want(self, graded: Graded) -> None:
        """Queue all trainings of a submission that are wanted by now: those near the target go on at once."""
        waiting = self.open.setdefault(graded.student, set())
        verified, work = graded.tier == "verified", self.work[graded.student]
        for index in pending_trainings(graded, self.rules):
            if self.schedule.add(Task(graded.student, index, index >= self.rules.seeds, verified, work)):
                waiting.add(index)

    def next_job(self) -> Job | None:
        while self.engine.now() < self.ends and (task := self.schedule.take(self.engine.now())):
            if task.student in self.open:
                return self.job(task)
        return None

    def next_time(self) -> float | None:
        later = self.schedule.next_time()
        return None if later is None or max(later, self.engine.now()) >= self.ends else later

    def job(self, task: Task) -> Job:
        graded, _ = next(judged(self.ledger, self.rules, task.student))
        place = f"{graded.digest[:12]}-{graded.images[:8]}-{task.index + 1}"
        if times := self.ledger.round(graded.carrier):
            place += f"-regrade-{times}"
        if row := graded.rows.get(task.index):
            place += f"-after-{row}"
        results, settings = self.opened.folder, self.settings
        files = kept_for_training(results, graded.digest)
        submission = Submission(results, graded.student, graded.name, files).without_documents
        seed, folder = training_seed(self.opened.secret, task.index), results / "attempts" / graded.student / place
        rules = held_to(self.rules, graded.terms)
        job = Job(submission, seed, rules, self.data, settings.device, folder, settings.sandboxed)
        self.running[job] = task, graded, now()
        self.status.begin(task.label)
        return job

    def watch(self, job: Job, line: str) -> None:
        if running := self.running.get(job):
            self.status.see(running[0].label, line)

    def ended(self, job: Job, measurement: Measurement) -> None:
        """Record what a training came to, and queue what follows from it."""
        task, before, started = self.running.pop(job)
        self.status.leave(task.label)
        unsafe = [] if self.settings.sandboxed else ["graded without a sandbox"]
        folder = str(job.folder.relative_to(self.opened.folder))
        measurement = measurement.but(folder=folder, flags=[*unsafe, *measurement.flags])
        self.ledger.record(started, before, task.index, job.seed, measurement, self.known | measurement.machine)
        ours = measurement.outcome == "infrastructure"
        if ours:
            self.status.tell(task.label, f"infrastructure: {measurement.said}")
        waiting = self.open.get(task.student)
        if waiting is None:  # another of its trainings has settled it
            return
        graded, verdict = next(judged(self.ledger, self.rules, task.student))
        pending = pending_trainings(graded, self.rules)
        if ours and pending:
            if self.schedule.again(task, self.engine.now()):
                return
            self.lost += 1
        waiting.discard(task.index)
        if pending:
            self.want(graded)
        else:
            waiting.clear()  # no other training would mend it
        if not waiting:
            del self.open[task.student]
            self.status.end(task.student, verdict.name, verdict.reason, verdict.ranked)
