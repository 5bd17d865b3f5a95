"""Reruns variants of one submission, to tell what each family contributed to it."""

from collections.abc import Callable
from pathlib import Path

import yaml

from grader.grading.ranking import judged
from grader.grading.settings import Settings, circumstances, needs
from grader.grading.status import Status
from grader.grading.strategy_contributions import WHOLE, Contribution, contributions, variant, variants
from grader.grading.training_queue import Schedule, Task
from grader.intake.strict_yaml import load
from grader.intake.submission import Submission
from grader.ledger.ledger import now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import kept_for_training
from grader.ledger.submissions import Graded
from grader.rerun.grading_data import images_key, prepare
from grader.rerun.job import Job
from grader.rerun.mounted_code import REPOSITORY
from grader.secret import training_seed
from project.support.errors import UserError
from project.training.command_line import complete_config
from project.training.figures import TRAIN, VAL, blank, save

BASE = REPOSITORY / "configs" / "base.yaml"


def ablate(opened: OpenResults, student: str, seeds: int | None, settings: Settings) -> tuple[str, Path]:
    """Run all variants of a graded submission that have not been run yet, and return their table and the figure.

    Args:
        seeds: Trainings of each variant, with the seeds of the grading; at least as many as the submission had.
        settings: As `Settings.checked` gives them.

    Raises:
        UserError: The student is unknown, or the submission has no accuracy of its own.
    """
    rules = opened.rules
    if student not in opened.ledger.students():
        raise UserError(f"{student}: the ledger knows no such student; the ids are on the leaderboard")
    graded, verdict = next(judged(opened.ledger, rules, student))
    if verdict.ranked is None:
        raise UserError(f"{student}: has no accuracy to explain; only what was trained and scored can be taken apart")
    if images_key(rules, opened.secret) != graded.images:
        raise UserError(f"{student}: was graded on other images than the rules name now; grade it again first")
    files = kept_for_training(opened.folder, graded.digest)
    run_variants(opened, graded, files, max(seeds or 1, len(graded.measurements)), settings)
    rows = contributions(opened.ledger.variants(graded), graded.measurements, rules.families)
    figure = opened.folder / "ablations" / f"{student}.png"
    draw_contributions(rows, rules.target_accuracy, figure)
    return as_table(rows), figure


def run_variants(opened: OpenResults, graded: Graded, files: dict[str, bytes], count: int, settings: Settings) -> None:
    """Run the first `count` trainings of each variant, as far as they have not been run yet."""
    ledger, results, rules = opened.ledger, opened.folder, opened.rules
    config, base = load(files["config.yaml"]), yaml.safe_load(complete_config(["--config", str(BASE)]))
    free = rules.but(families=[])  # a variant need not use any
    data = prepare(rules, opened.secret, results)
    done = ledger.variants(graded)
    jobs: dict[Job, tuple[str, int]] = {}  # with the variant and the number of the training
    for name, taken_back in variants(rules.families).items():
        changed = yaml.safe_dump(variant(config, base, taken_back), sort_keys=False).encode()
        version = Submission(results, graded.student, graded.name, {**files, "config.yaml": changed})
        there = done.get(name, {}) | (graded.measurements if name == WHOLE else {})
        for index in sorted({*range(count)} - there.keys()):
            place = f"{name.replace(' ', '-')}-{index + 1}"
            folder = results / "ablations" / graded.student / graded.digest[:12] / place
            seed = training_seed(opened.secret, index)
            jobs[Job(version, seed, free, data, settings.device, folder, settings.sandboxed)] = name, index
    if not jobs:
        return
    status, known = Status(len(jobs)), circumstances(rules, settings)
    work = Variants(jobs, status, settings.engine.now)
    with settings.engine.session(needs(rules, settings, results)) as train, status.shown:
        for job, measurement in train(work):
            status.leave(job.folder.name)
            name, index = jobs[job]
            if measurement.outcome == "infrastructure":
                if work.again(job):
                    status.tell(job.folder.name, f"infrastructure: {measurement.said}")
                    continue
            else:
                measurement = measurement.but(folder=str(job.folder.relative_to(results)))
                ledger.record(now(), graded, index, job.seed, measurement, known | measurement.machine, variant=name)
            status.end(job.folder.name, measurement.outcome, measurement.said, measurement)


class Variants:
    """An engine's work: these trainings, in the order and with the patience of all others. A task's student is a variant here.

    Args:
        jobs: With each one's variant, and its number among the variant's trainings.
        clock: The engine's.
    """

    def __init__(self, jobs: dict[Job, tuple[str, int]], status: Status, clock: Callable[[], float]):
        self.schedule, self.status, self.clock = Schedule(), status, clock
        self.jobs = {place: job for job, place in jobs.items()}
        self.tasks: dict[Job, Task] = {}
        for name, index in jobs.values():
            self.schedule.add(Task(name, index))

    def next_job(self) -> Job | None:
        if (task := self.schedule.take(self.clock())) is None:
            return None
        job = self.jobs[task.student, task.index]
        self.tasks[job] = task
        self.status.begin(job.folder.name)
        return job

    def again(self, job: Job) -> bool:
        """Have a job tried again, later; False where it has been tried often enough."""
        return self.schedule.again(self.tasks[job], self.clock())

    def next_time(self) -> float | None:
        return self.schedule.next_time()

    def watch(self, job: Job, line: str) -> None:
        self.status.see(job.folder.name, line)


def draw_contributions(rows: list[Contribution], target: float, path: Path) -> None:
    """Accuracy of each variant, beside the accuracy to reach, as a PNG."""
    from matplotlib.ticker import PercentFormatter

    rows = [row for row in rows if row["mean"] is not None]
    colors = {"whole": "0.25", "none": "0.6", "without": VAL, "only": TRAIN}
    figure, axes = blank(8, 0.8 + 0.36 * len(rows))
    bars = axes.barh(
        [row["label"] for row in rows],
        [row["mean"] for row in rows],
        xerr=[row["std"] or 0 for row in rows],
        color=[colors[row["kind"]] for row in rows],
        ecolor="0.1",
    )
    axes.bar_label(bars, [f"{row['mean']:.1%}" for row in rows], padding=6)
    axes.axvline(target, color="0.4", linewidth=1, linestyle="--")
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.08), title="What each family contributes: accuracy on images that no training saw")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    save(figure, path)


def as_table(rows: list[Contribution]) -> str:
    """The rows for a terminal."""
    lines = [f"{'variant':24}  accuracy        points against the whole    seeds"]
    for row in rows:
        spread = "" if row["std"] is None else f" ± {100 * row['std']:.2f}"
        accuracy = row["reason"] if row["mean"] is None else f"{100 * row['mean']:.2f}{spread} %"
        difference = "" if row["difference"] is None else f"{100 * row['difference']:+.2f}"
        if row["low"] is not None and row["high"] is not None:
            difference += f" ({100 * row['low']:.2f} to {100 * row['high']:.2f})"
        lines.append(f"{row['label']:24}  {accuracy:14}  {difference:>26}  {row['seeds']:5}")
    if any(row["low"] is not None for row in rows):
        lines.append(
            "In parentheses: where the true differences lie, all of them together with 95 %. What has 0 in it may be chance."
        )
    else:
        lines.append("With one seed each, small differences may be chance; --seeds 3 tells which are not.")
    return "\n".join(lines)
