"""Arms times seeds: what helped, and is it more than noise? `python main.py study --config A --arm B`. See docs/studies.md."""

import json
from collections.abc import Sequence

from project.studies.study_plan import RUNS, read_plan
from project.support.files import output, write_atomically
from project.training.early_mistakes import check

FAILED = 1  # exit status where an arm failed


def main(args: Sequence[str]) -> int:
    """Train what is not trained yet, and say what was found. Returns 0, or FAILED where an arm failed."""
    plan = read_plan(args)
    check(["fit", *plan.command])
    # Not before: it takes seconds, which a mistake in the command need not wait for.
    from project.studies.study_figure import draw
    from project.studies.study_page import page
    from project.studies.study_result import StudyResult, answer, report
    from project.studies.study_trainings import run

    with output("--out", plan.folder):
        (plan.folder / RUNS).mkdir(parents=True, exist_ok=True)
    study = answer(run(plan))
    folder = plan.folder / plan.name
    with output("--out", folder):
        folder.mkdir(exist_ok=True)
        write_atomically(folder / "study.json", study.model_dump_json(indent=2) + "\n")
        schema = StudyResult.model_json_schema(mode="serialization")
        write_atomically(folder / "study.schema.json", json.dumps(schema, indent=2) + "\n")
        write_atomically(folder / "index.html", page(study))
        for kind in ("png", "svg"):
            draw(study, folder / f"figure.{kind}")
    print(f"{report(study)}\n\n{folder}: index.html to look at, figure.png, figure.svg, study.json")
    return FAILED if any(arm.failed is not None for arm in study.arms) else 0
