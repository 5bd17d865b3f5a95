"""From a study's plan to what its trainings came to."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from project.assignment import RULES, Assignment
from project.studies.one_training import RunResult
from project.studies.study_arms import BASE
from project.studies.study_plan import RUNS, Plan
from project.studies.study_result import ArmResult, GridAxis, Judged, StudyResult
from project.studies.training_pool import Failure, Job, at_once, complete_of, count_kept, jobs_for, trained
from project.support.errors import UserError, note
from project.support.progress import fraction_shown
from project.support.wording import counted


def run(plan: Plan) -> StudyResult:
    """Train each arm with each seed, where that is not done yet, and return the study without its answers.

    Raises UserError where an arm's settings are wrong, change nothing, or change the images.
    """
    complete, cells = completed_arms(plan)
    base, *_ = arms = [arm for arm in plan.arms if arm.name in complete]
    seeds = range(plan.first_seed, plan.first_seed + plan.seeds)
    of_arms = [jobs_for(plan.settings(arm), complete[arm.name], seeds, plan.measure) for arm in arms]
    by_digest = {job.digest: arm for arm, own in zip(arms, of_arms) for job in own}
    # All arms with a seed before the next one: what is wrong with an arm shows early.
    jobs = [job for of_a_seed in zip(*of_arms) for job in of_a_seed]
    runs: dict[str, list[RunResult]] = {arm.name: [] for arm in arms}
    failed: dict[str, str] = {}

    def left_out(job: Job) -> bool:
        return by_digest[job.digest].name in failed

    workers = min(plan.jobs or at_once(each["trainer"]["accelerator"] for each in complete.values()), len(jobs))
    kept = count_kept(jobs, plan.folder / RUNS)
    label = f"{plan.name}: {counted(len(jobs), 'training')}, {workers} at once"
    label += f"; {kept} of them {'is' if kept == 1 else 'are'} kept already" if kept else ""
    done = 0
    try:
        outcomes = trained(jobs, plan.folder / RUNS, workers, left_out)
        with fraction_shown(label) as shown, closing(outcomes):
            for job, outcome in outcomes:
                name = by_digest[job.digest].name
                if isinstance(outcome, Failure):
                    failed.setdefault(name, outcome.said)
                else:
                    runs[name].append(outcome)
                    done += 1
                shown(done / len(jobs))
    except KeyboardInterrupt:
        print(f"\nStopped; {done} of {counted(len(jobs), 'run')} are kept, and the same command goes on")
        raise
    for name, own in runs.items():
        if same_numbers(own):
            all_seeds = f"all {len(own)} seeds came to the very same numbers, so its interval tells nothing"
            note(f"{name}: {all_seeds}; does its code set a seed of its own?")
    rules = Assignment.load(complete[base.name]["run"]["rules"] or RULES)
    axes = [GridAxis(name=axis.name, levels=[level.name for level in axis.levels]) for axis in plan.grid]
    return StudyResult(
        name=plan.name,
        question=plan.question,
        base=plan.command,
        images=complete[base.name]["data"]["source"],
        metric=plan.metric,
        measured=plan.measure,
        claims=[Judged(**claim.model_dump()) for claim in plan.claims],
        seeds=plan.seeds,
        target=rules.target_accuracy,
        grid=(axes[0], axes[1]) if axes else None,
        arms=[
            ArmResult(
                name=arm.name,
                overlay=arm.text,
                cell=cells.get(arm.name),
                failed=failed.get(arm.name),
                runs=sorted(runs[arm.name], key=lambda run: run.seed),
            )
            for arm in arms
        ],
    )


def completed_arms(plan: Plan) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[int, int]]]:
    """Each arm's complete configuration, and its cell in the grid. Raises UserError where a comparison would be none.

    An arm that is the base or another one once more is left out, as some of a folder's are; a grid's cell that is the base once
    more is the base's, and of all others each is another.
    """
    complete: dict[str, dict[str, Any]] = {}
    cells: dict[str, tuple[int, int]] = {}
    left_out: list[str] = []
    base, *_ = plan.arms
    for arm in plan.arms:
        try:
            found = complete_of(plan.settings(arm))
        except UserError as error:
            raise UserError(f"--arm {arm.name}: {error}" if arm is not base else str(error)) from None
        twin = next((other for other, earlier in complete.items() if same(found, earlier)), None)
        if twin == base.name and arm.cell and base.name not in cells:
            cells[base.name] = arm.cell
            continue
        if twin:
            alike = f"changes nothing of the {BASE}" if twin == base.name else f"is the same as {twin}"
            said = f"--arm {arm.name}: {alike}; seeds and the folder of a run make no arm"
            if arm.cell:
                raise UserError(said)  # a grid would have a hole
            left_out.append(said)
            continue
        if complete and found["data"]["source"] != complete[base.name]["data"]["source"]:
            raise UserError(f"--arm {arm.name}: changes data.source; what is measured on other images compares nothing")
        complete[arm.name] = found
        if arm.cell:
            cells[arm.name] = arm.cell
    if left_out and len(complete) == 1:
        raise UserError(left_out[0])
    for said in left_out:
        note(f"left out: {said}")
    return complete, cells


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two configurations train alike."""
    return one | {"run": None} == other | {"run": None}


def same_numbers(runs: Sequence[RunResult]) -> bool:
    """Whether several runs have the same losses in all epochs, of which one at least is a number."""
    losses = {tuple(run.curves["train/loss"]) for run in runs}
    return len(runs) > 1 and len(losses) == 1 and any(loss is not None for loss in losses.pop())
