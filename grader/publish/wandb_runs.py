"""Every rerun as a W&B run, and the leaderboard as a table: `python -m grader.publish.wandb_runs RESULTS MODE`.

A process of its own, so that W&B cannot touch a grade: whatever fails here, the grades are in the ledger already.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from grader.grading.ranking import judged, standings
from grader.grading.verdicts import Verdict, accuracy
from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement, drawing
from grader.ledger.results_folder import LEDGER, RULES_FILE, OpenResults, stored_secret
from grader.ledger.submissions import Graded
from grader.publish.practice_view import in_full
from grader.publish.pseudonyms import called
from grader.publish.public_words import OWN, public, public_name, public_reason
from grader.publish.release import is_released
from grader.rules import Rules
from grader.secret import Secret
from project.support.wording import counted

if TYPE_CHECKING:
    import wandb  # at runtime in the other process only

PROJECT = "fifteen-epochs-grading"
SECONDS = 600  # for all runs together
LIBRARIES = ("torch.", "torchvision.", "project.")  # whose classes and arguments are nobody's own
LONGEST_TAG = 64  # W&B's own limit
COLUMNS = "rank name verdict tier accuracy epochs seconds parameters bonus total".split()


def mirror(results: Path, mode: str, project: str = PROJECT) -> str:
    """Let another process log what is new in a results folder. Returns a line to print; empty where nothing is new.

    WANDB_MODE=disabled in the environment turns it off, as it does W&B itself.
    """
    if "disabled" in (mode, os.environ.get("WANDB_MODE")):
        return ""
    command = [sys.executable, "-m", "grader.publish.wandb_runs", str(results.resolve()), mode, project]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=Path(__file__).parents[2])
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"W&B: no runs were logged ({type(error).__name__}); the grades are not touched by it"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"W&B: not all runs were logged ({said[:200]}); the grades are not touched by it"
    return done.stdout.strip()


def log_all(results: Path, mode: Literal["online", "offline"], project: str = PROJECT) -> str:
    """Log every rerun that is not logged in this mode yet, then the leaderboard, once both are public. Returns a line that
    says so."""
    folder = results / "wandb"
    prefix = "run" if mode == "online" else "offline-run"
    logged = {path.name.rpartition("-")[2] for path in folder.glob(f"{prefix}-*")}
    rules = Rules.load(results / RULES_FILE)
    with closing(Ledger(results / LEDGER)) as ledger:
        secret = stored_secret(results, Secret.new())
        entries = called([*map(public, standings(ledger, rules))], rules.site.names, secret, ledger)
        new = dict[str, tuple[Graded, Verdict, int, Measurement, int]]()  # a group's once, as of who handed it in
        for graded, verdict in sorted(judged(ledger, rules), key=lambda each: each[0].student != each[0].carrier):
            for index, measurement in graded.measurements.items():
                if measurement.folder and (own := run_id(measurement)) not in logged:
                    new.setdefault(own, (graded, verdict, index, measurement, ledger.round(graded.carrier)))
        opened = OpenResults(results, ledger, secret)
        held_back = held_back_by(opened) if new else ""
    if not new or held_back:
        return held_back
    import wandb

    quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True)
    begin = partial(wandb.init, project=project, mode=mode, dir=results, settings=quiet)
    names, by = {entry.student: entry.name for entry in entries}, rules_key(rules)
    for rerun in new.values():
        log_rerun(begin, results, names, by, *rerun)
    with begin(name="leaderboard", job_type="leaderboard") as run:
        rows = [[getattr(entry, column) for column in COLUMNS] for entry in entries]
        run.log({"leaderboard": wandb.Table(columns=[*COLUMNS], data=rows)})
    where = f"`wandb sync {folder}/offline-run-*` uploads them" if mode == "offline" else "uploaded"
    return f"W&B: {counted(len(new), 'run')} and the leaderboard, {where}"


def held_back_by(opened: OpenResults) -> str:
    """Why nothing may be logged now, in a line; empty where it may. What is logged, whoever has the project can read."""
    if not is_released(opened):
        return "W&B: no runs are logged before `release`; the first run after it logs them"
    if not in_full(opened):
        return f"W&B: no runs are logged of practice, where practice.public is {opened.rules.practice.public}"
    return ""


def run_id(measurement: Measurement) -> str:
    """An id that is always the same for a rerun, so that it is logged once."""
    return hashlib.sha256(measurement.folder.encode()).hexdigest()[:12]


def rules_key(rules: Rules) -> str:
    """What tells one set of rules from another."""
    return "rules-" + hashlib.sha256(rules.model_dump_json().encode()).hexdigest()[:8]


def hyperparameters(written: Path) -> dict[str, Any]:
    """Numbers and classes of the configuration that was trained, but for arguments of a student's own classes."""
    try:
        config = yaml.safe_load(written.read_bytes())
    except (OSError, yaml.YAMLError):
        return {}
    return {section: of_ours(config.get(section)) for section in ("trainer", "model", "data")} if config else {}


def of_ours(settings: Any) -> Any:
    """Settings without texts, and without what only a student named."""
    if isinstance(settings, dict):
        named = settings.get("class_path")
        if named is not None and not str(named).startswith(LIBRARIES):
            return OWN
        kept = {key: of_ours(value) for key, value in settings.items() if key != "class_path"}
        return ({"class_path": named} if named else {}) | kept
    if isinstance(settings, list):
        return [of_ours(each) for each in settings]
    return settings if isinstance(settings, (int, float, bool)) else None


def log_rerun(
    begin: Callable[..., "wandb.Run"],
    results: Path,
    names: dict[str, str],
    by: str,
    graded: Graded,
    verdict: Verdict,
    index: int,
    measurement: Measurement,
    regrades: int,
) -> None:
    """Log one training, under a name that tells the rules and how often the student was graded anew."""
    name = names[graded.student]
    strategies = {family: [*map(public_name, found)] for family, found in measurement.names.items()}
    summary = {name: getattr(measurement, name) for name in ("accuracy", "epochs", "parameters", "seconds")}
    summary |= {"median": accuracy(verdict.ranked) if verdict.ranked else None, "verdict": verdict.name}
    summary |= {"reason": public_reason(verdict.publicly or verdict.reason, verdict.name)}
    with begin(
        id=run_id(measurement),
        name=f"{name}-{index + 1} {by}" + (f" regrade {regrades}" if regrades else ""),
        group=name,
        job_type="rerun",
        tags=[tag[:LONGEST_TAG] for tag in dict.fromkeys([verdict.name, graded.tier, *chain(*strategies.values())])],
        config={
            **{"student": name, "digest": graded.digest, "tier": graded.tier, "strategies": strategies, "rules": by},
            **hyperparameters(results / measurement.folder / "trainee.yaml"),
        },
    ) as run:
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
        for row in drawing(results, measurement.folder).get("curves", []):
            run.log({name: value for name, value in row.items() if value is not None})
        run.summary.update({f"grader/{name}": value for name, value in summary.items() if value is not None})


if __name__ == "__main__":
    os.environ["WANDB_SILENT"] = "true"
    print(log_all(Path(sys.argv[1]), "online" if sys.argv[2] == "online" else "offline", sys.argv[3]))
