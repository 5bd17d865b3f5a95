"""Reruns variants of one submission, to tell what each family contributed to it."""

import math
from collections import Counter, deque
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import yaml

from grader.grading.contributions import WHOLE, contributions, variant, variant_names
from grader.grading.schedule import MOST_ATTEMPTS
from grader.grading.status import Progress
from grader.grading.walk import Settings, circumstances, needs, ready, rules_digest, training_seed
from grader.intake.strict_yaml import load
from grader.intake.submission import Submission
from grader.ledger.ledger import now
from grader.ledger.results_folder import stored_secret
from grader.ledger.submission_store import kept
from grader.publish.desk import Desk, opened
from grader.publish.publishing import publish
from grader.rerun.grading_data import prepare
from grader.rerun.job import Job
from grader.rerun.visible_code import REPOSITORY
from project.support.errors import UserError
from project.training.command_line import complete_config
from project.training.figures import draw_contributions

BASE = REPOSITORY / "configs" / "base.yaml"


def ablate(results: Path, student: str, seeds: int | None, settings: Settings) -> tuple[str, Path]:
    """Run all variants of a graded submission that have not been run yet, and return their table and the figure.

    Args:
        seeds: Trainings of each variant, with the seeds of the grading; at least as many as the submission had.

    Raises:
        UserError: The student is unknown, or the submission has no accuracy of its own.
    """
    settings = ready(settings)
    with opened(results, settings.wait) as desk:
        rows = run_variants(desk, student, seeds, settings)
        publish(desk.ledger, results)
    figure = results / "ablations" / f"{student}.png"
    draw_contributions(rows, desk.rules.target_accuracy, figure)
    return as_table(rows), figure


def run_variants(desk: Desk, student: str, seeds: int | None, settings: Settings) -> list[dict]:
    """Run what has not been run yet. Returns the rows to show."""
    ledger, results, rules = desk.ledger, desk.results, desk.rules
    found = next((row for row in ledger.newest() if row["student"] == student), None)
    if found is None:
        raise UserError(f"{student}: the ledger knows no such student; the ids are on the leaderboard")
    done = ledger.results(student, found["digest"], found["rules"])
    files = kept(results, found["digest"])
    if not done or any(result.accuracy is None for result in done.values()) or not files:
        raise UserError(f"{student}: has no accuracy to explain; only what was trained and scored can be taken apart")
    secret = stored_secret(results, None)
    if rules_digest(rules, secret) != found["rules"]:
        raise UserError(f"{student}: was graded by other rules than the last ones; grade it again first")
    submission = Submission(results, student, found["name"], files)
    config, base = load(files["config.yaml"]), yaml.safe_load(complete_config(["--config", str(BASE)]))
    free = rules.but(families=[])  # of a variant, none is asked for
    data = prepare(rules, secret, results)
    wanted = [training_seed(secret, index) for index in range(max(seeds or 1, len(done)))]
    names = variant_names(rules.families)
    variants = ledger.variants(found["digest"], found["rules"])
    jobs: dict[Job, tuple[str, int]] = {}  # with the variant and the seed
    for name in names:
        changed = yaml.safe_dump(variant(config, base, name, rules.families), sort_keys=False).encode()
        version = replace(submission, files={**files, "config.yaml": changed})
        for number, seed in enumerate(wanted, start=1):
            if seed not in variants.get(name, {}) and not (name == WHOLE and seed in done):
                place = f"{name.replace(' ', '-')}-{number}"
                folder = results / "ablations" / student / found["digest"][:12] / place
                job = Job(version, seed, free, data, settings.device, folder, settings.sandboxed)
                jobs[job] = name, seed
    progress = Progress(len(jobs))
    about, known = (student, found["digest"], found["rules"]), circumstances(rules, settings)
    queue = Queue(list(jobs), progress)
    engine = settings.engine.opened(needs(rules, settings, results)) if jobs else nullcontext(lambda work: ())
    with engine as train, progress.shown():
        for job, result in train(queue):
            progress.leave(job.folder.name)
            if result.verdict != "infrastructure":
                ledger.record_variant(now(), *about, *jobs[job], result, known | result.machine)
            elif queue.again(job):
                progress.tell(job.folder.name, f"infrastructure: {result.reason}")
                continue
            progress.end(job.folder.name, result, ran=True)
    variants = ledger.variants(found["digest"], found["rules"])
    return contributions(variants, list(done.values()), rules.families)


class Queue:
    """An engine's work: these jobs, in this order."""

    def __init__(self, jobs: list[Job], progress: Progress):
        self.jobs, self.progress = deque(jobs), progress
        self.attempts: Counter[Job] = Counter()

    def next_job(self) -> Job | None:
        if not self.jobs:
            return None
        self.progress.begin(self.jobs[0].folder.name, "training")
        self.attempts[self.jobs[0]] += 1
        return self.jobs.popleft()

    def again(self, job: Job) -> bool:
        """Have a job tried again, last of all; False where it has been tried often enough."""
        if self.attempts[job] >= MOST_ATTEMPTS:
            return False
        self.jobs.append(job)
        return True

    def next_time(self) -> float | None:
        return -math.inf if self.jobs else None

    def watch(self, job: Job, line: str) -> None:
        self.progress.see(job.folder.name, line)


def as_table(rows: list[dict]) -> str:
    """The rows for a terminal."""
    lines = [f"{'variant':24}  accuracy        against the whole  seeds"]
    for row in rows:
        spread = "" if row["std"] is None else f" ± {100 * row['std']:.2f}"
        accuracy = row["reason"] if row["mean"] is None else f"{100 * row['mean']:.2f}{spread} %"
        difference = "" if row["difference"] is None else f"{100 * row['difference']:+.2f}"
        lines.append(f"{row['label']:24}  {accuracy:14}  {difference:>17}  {row['seeds']:5}")
    if any(row["std"] is None for row in rows):
        lines.append("With one seed each, small differences may be chance; --seeds 3 shows their spread.")
    return "\n".join(lines)
