"""Every rerun as a W&B run of its own, and the leaderboard as a table: `python -m grader.publish.wandb_runs RESULTS MODE`.

A process of its own, so that W&B cannot touch a grade: whatever fails here, the ledger is closed already.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry, judged, standings
from grader.grading.verdicts import Verdict
from grader.ledger.ledger import Graded, Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import LEDGER, stored_rules

PROJECT = "fifteen-epochs-grading"
SECONDS = 600
LONGEST_TAG = 64  # W&B's own limit
COLUMNS = (
    "rank",
    "student",
    "name",
    "verdict",
    "tier",
    "accuracy",
    "epochs",
    "seconds",
    "parameters",
    "bonus",
    "total",
)


def mirror(results: Path, mode: str) -> str:
    """Have what is new in a results folder logged by another process. Returns what to tell: one line, or nothing.

    WANDB_MODE=disabled in the environment turns it off, as it does W&B itself.
    """
    if "disabled" in (mode, os.environ.get("WANDB_MODE")):
        return ""
    command = [sys.executable, "-m", "grader.publish.wandb_runs", str(results.resolve()), mode]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=Path(__file__).parents[2])
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"W&B: no runs were logged ({type(error).__name__}); the grades are not touched by it"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"W&B: not all runs were logged ({said[:200]}); the grades are not touched by it"
    return done.stdout.strip()


def log_all(results: Path, mode: str) -> str:
    """Log every rerun that has not been logged in this mode, then the leaderboard. Returns a line that says so."""
    folder = results / "wandb"
    prefix = "run" if mode == "online" else "offline-run"
    logged = {path.name.rpartition("-")[2] for path in folder.glob(f"{prefix}-*")}
    ledger, rules = Ledger(results / LEDGER), stored_rules(results)
    try:
        entries = [standing.entry for standing in standings(ledger, rules)]
        found = list(judged(ledger, rules))
    finally:
        ledger.close()
    new = [
        (graded, verdict, index, measurement)
        for graded, verdict in found
        for index, measurement in graded.measurements.items()
        if measurement.folder and run_id(measurement) not in logged
    ]
    if not new:
        return ""
    for graded, verdict, index, measurement in new:
        log_rerun(results, mode, graded, verdict, index, measurement)
    log_leaderboard(results, mode, entries)
    where = f"`wandb sync {folder}/offline-run-*` uploads them" if mode == "offline" else "uploaded"
    return f"W&B: {len(new)} runs and the leaderboard, {where}"


def run_id(measurement: Measurement) -> str:
    """The same for a rerun every time, so that it is logged once."""
    return hashlib.sha256(measurement.folder.encode()).hexdigest()[:12]


def log_rerun(results: Path, mode: str, graded: Graded, verdict: Verdict, index: int, measurement: Measurement) -> None:
    names = measurement.names
    strategies = [name for family in names.values() for name in family]
    run = begin(
        results,
        mode,
        id=run_id(measurement),
        name=f"{graded.student}-{index + 1}",
        group=graded.student,
        job_type="rerun",
        tags=[tag[:LONGEST_TAG] for tag in dict.fromkeys([verdict.name, graded.tier, *strategies])],
        config={"student": graded.student, "digest": graded.digest, "tier": graded.tier, "strategies": names},
    )
    try:
        to_draw = json.loads((results / measurement.folder / "to_draw.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        to_draw = {}
    for row in to_draw.get("curves", []):
        run.log({name: value for name, value in row.items() if value is not None})
    summary = {name: getattr(measurement, name) for name in ("accuracy", "epochs", "parameters", "seconds")}
    summary |= {"verdict": verdict.name, "reason": verdict.reason}
    run.summary.update({f"grader/{name}": value for name, value in summary.items() if value is not None})
    run.finish()


def log_leaderboard(results: Path, mode: str, entries: list[Entry]) -> None:
    import wandb

    run = begin(results, mode, name="leaderboard", job_type="leaderboard")
    rows = [[getattr(entry, column) for column in COLUMNS] for entry in entries]
    run.log({"leaderboard": wandb.Table(columns=list(COLUMNS), data=rows)})
    run.finish()


def begin(results: Path, mode: str, **settings: Any) -> Any:
    import wandb

    quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True)
    return wandb.init(project=PROJECT, mode=mode, dir=str(results), settings=quiet, **settings)


if __name__ == "__main__":
    os.environ["WANDB_SILENT"] = "true"
    print(log_all(Path(sys.argv[1]), sys.argv[2]))
