"""Every rerun as a W&B run of its own, and the leaderboard as a table: `python -m grader.publish.wandb_runs RESULTS MODE`.

A process of its own, so that W&B cannot touch a grade: whatever fails here, the ledger is closed already.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry, standings
from grader.ledger.ledger import Graded, Ledger
from grader.ledger.result import Result

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
    ledger = Ledger(results / "ledger.sqlite")
    try:
        entries = [standing.entry for standing in standings(ledger)]
        new = [each for each in reruns(ledger) if run_id(each[-1]) not in logged]
    finally:
        ledger.close()
    if not new:
        return ""
    for graded, index, result in new:
        log_rerun(results, mode, graded, index, result)
    log_leaderboard(results, mode, entries)
    where = f"`wandb sync {folder}/offline-run-*` uploads them" if mode == "offline" else "uploaded"
    return f"W&B: {len(new)} runs and the leaderboard, {where}"


def reruns(ledger: Ledger) -> Iterator[tuple[Graded, int, Result]]:
    """Every training that left something behind."""
    for graded in ledger.graded():
        for index, result in enumerate(graded.results):
            if result.details.get("folder"):
                yield graded, index, result


def run_id(result: Result) -> str:
    """The same for a rerun every time, so that it is logged once."""
    return hashlib.sha256(result.details["folder"].encode()).hexdigest()[:12]


def log_rerun(results: Path, mode: str, graded: Graded, index: int, result: Result) -> None:
    strategies = [name for names in result.strategies.values() for name in names]
    run = begin(
        results,
        mode,
        id=run_id(result),
        name=f"{graded.student}-{index + 1}",
        group=graded.student,
        job_type="rerun",
        tags=[tag[:LONGEST_TAG] for tag in dict.fromkeys([result.verdict, graded.tier, *strategies])],
        config={
            "student": graded.student,
            "digest": graded.digest,
            "tier": graded.tier,
            "strategies": result.strategies,
        },
    )
    try:
        to_draw = json.loads((results / result.details["folder"] / "to_draw.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        to_draw = {}
    for row in to_draw.get("curves", []):
        run.log({name: value for name, value in row.items() if value is not None})
    summary = {
        name: getattr(result, name) for name in ("verdict", "reason", "accuracy", "epochs", "parameters", "seconds")
    }
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
