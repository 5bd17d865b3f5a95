"""Arms times seeds: what helped, and is it more than noise? `python main.py study --config A --arm B`. See docs/studies.md."""

import json
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from project.studies.study_plan import RUNS, metric_of, name_of, read_options, read_plan
from project.support.errors import UserError
from project.support.files import output, write_atomically
from project.support.progress import importing_torch
from project.support.wording import counted
from project.training.early_mistakes import check

if TYPE_CHECKING:
    from project.studies.study_result import StudyResult

FAILED = 1  # exit status where an arm failed


def main(args: Sequence[str], command: str = "study") -> int:
    """Train what is not trained yet, and say what was found. Returns 0, or FAILED where an arm failed.

    Args:
        command: `study`, whose first words may name runs that are there already; `compare`, whose first words do; or `fit`, for
            a study of one arm.
    """
    names = [*takewhile(lambda word: not word.startswith("-"), args)] if command != "fit" else []
    if command == "compare" and not names:
        raise UserError("compare: name runs that are there, such as runs/quickstart runs/quickstart-2")
    return compare(names, args[len(names) :]) if names else train_arms(args, command)


def train_arms(args: Sequence[str], command: str) -> int:
    """Train what is missing of a study, and say what was found."""
    plan = read_plan(args, command)
    check(["fit", *plan.command])
    arms, trainings = counted(len(plan.arms), "arm"), counted(len(plan.arms) * plan.seeds, "training")
    print(f"{plan.name}: {arms} with {counted(plan.seeds, 'seed')}, {trainings}", flush=True)
    importing_torch()
    from project.studies.study_result import answer
    from project.studies.study_trainings import run

    with output("--out", plan.folder):
        (plan.folder / RUNS).mkdir(parents=True, exist_ok=True)
    return write_study(answer(run(plan)), plan.folder, plan.wandb)


def compare(names: Sequence[str], args: Sequence[str]) -> int:
    """The same of runs and studies that are there already."""
    options, rest = read_options(args)
    if rest or any((options.study, options.arm, options.grid, options.seeds, options.first_seed, options.jobs)):
        raise UserError(
            "study: compares either runs that are there or arms to train; give names, or --config and --arm"
        )
    name = name_of(options, "+".join(Path(name).name for name in names))
    metric = metric_of(options, "accuracy")
    importing_torch()
    from project.studies.kept_studies import gathered
    from project.studies.study_result import answer

    return write_study(answer(gathered(names, name, metric, options.out)), options.out, options.wandb)


def write_study(study: "StudyResult", out: Path, wandb: Literal["offline", "online"] | None) -> int:
    """Write a study's folder, and print its answer."""
    # Not before: it takes seconds, which a mistake in the command need not wait for.
    from project.studies.study_figure import draw
    from project.studies.study_grid_figure import draw_grid
    from project.studies.study_page import page
    from project.studies.study_result import StudyResult, report
    from project.studies.study_table import table

    folder = out / study.name
    with output("--out", folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "study.json", study.model_dump_json(indent=2) + "\n")
        schema = StudyResult.model_json_schema(mode="serialization")
        write_atomically(folder / "study.schema.json", json.dumps(schema, indent=2) + "\n")
        write_atomically(folder / "index.html", page(study))
        write_atomically(folder / "table.md", table(study))
        for kind in ("png", "svg"):
            (draw_grid if study.grid else draw)(study, folder / f"figure.{kind}")
    print(f"{report(study)}\n\n{folder}: index.html to look at, figure.png, figure.svg, table.md, study.json")
    if wandb:
        from project.studies.study_wandb import log_runs

        count = log_runs(study, folder, wandb)
        print(f"W&B: {counted(count, 'run')} in the group {study.name}, {wandb}")
    return FAILED if any(arm.failed is not None for arm in study.arms) else 0
