"""What every overlay is worth on the embedded dataset: the tables of docs/overlays.md.

    python -m benchmarks.overlays --each 3 --jobs 2 > docs/overlays.md

Each overlay is trained by the command in its first comment and compared to the same without it; each family is taken out of
quickstart.yaml. Trainings are kept as those of studies are: stopped, the same command goes on.
"""

import argparse
import math
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from project.assignment import FAMILIES
from project.studies import estimates
from project.studies.one_training import RunResult
from project.studies.study_metrics import METRICS, step_of
from project.studies.study_plan import RUNS
from project.studies.training_pool import Failure, Job, complete_of, jobs_for, trained
from project.training.configuration import merged, read_arguments

CONFIGS = Path("configs")
BASE, QUICKSTART = ["--config", "configs/base.yaml"], ["--config", "configs/quickstart.yaml"]
FIRST_SEED = (
    10  # the images, base.yaml and quickstart.yaml were chosen by looking at those below, and at some from 20 on
)
WITHOUT = {
    "optimization": ["--config", "configs/optimization/sgd.yaml", "--config", "configs/optimization/constant.yaml"],
    "regularization": ["--model.regularization", "[]", "--data.augmentation", "[]"],
    "initialization": ["--model.initialization", "null"],
    "normalization": ["--config", "configs/normalization/none.yaml"],
}
ABOUT = """\
# Overlays

What each overlay of `configs/` is worth on the embedded dataset. The columns: validation accuracy in % after the last epoch,
mean ± standard deviation of single seeds, not the interval of the mean that [targets.md](targets.md) has; how many points that
is above the same without the overlay, paired seed by seed, with the 95 % interval of that; and the same for the gap, which is
validation loss less training loss (both measured after the training, in evaluation mode and on images as they come). Bold is
what is told apart from nothing; each interval holds by itself, so one in twenty of what does nothing is bold, too. The seeds,
from {first}, took no part in choosing the images, `base.yaml` and `quickstart.yaml`. Made by `python -m benchmarks.overlays`;
`python main.py study` asks the same of anything else ([studies.md](studies.md)).

## The families

Each family by its `default.yaml`, with {seeds} seeds. Over `base.yaml` regularization narrows the gap, and its accuracy is not told
apart; the quickstart, which fits its images better, is worse without it. Initialization sets the pace: PyTorch's own weights begin
slower and have caught up after fifteen epochs, so it is compared after five, too, as in its study,
[configs/studies/initialization.yaml](../configs/studies/initialization.yaml). With normalization, as in the quickstart, the first
weights matter little.
"""
OVERLAYS = """\
## Each overlay

Trained by the command in its first comment, with {seeds} seeds. A row whose remark ends with further settings is compared to
`base.yaml` with these: a schedule that ends at zero needs a higher rate to begin with, and first weights show best after five
epochs.
"""
SCHEMA = "$schema="  # in the line for editors, the first one
HEAD = """\
| {first} | accuracy | points above it | gap above it | |
|---|---|---|---|---|"""


class Arm(NamedTuple):
    """A row of a table: its name, its settings, those of what it is compared to (itself in the first row), and a remark."""

    name: str
    settings: list[str]
    reference: list[str]
    remark: str = ""


def families() -> list[Arm]:
    """Each family's default over base.yaml; initialization also after five epochs, as in its study."""
    five = [*BASE, "--trainer.max_epochs", "5"]
    return [
        Arm("nothing", BASE, BASE),
        *(Arm(family, [*BASE, "--config", f"configs/{family}/default.yaml"], BASE) for family in FAMILIES),
        Arm("all four: `quickstart.yaml`", QUICKSTART, BASE),
        Arm("nothing, 5 epochs", five, five),
        Arm("initialization, 5 epochs", [*five, "--config", "configs/initialization/default.yaml"], five),
    ]


def over_base() -> list[Arm]:
    """Each overlay, after the bases that some are compared to."""
    overlays = [over_its_base(path) for family in FAMILIES for path in sorted((CONFIGS / family).glob("*.yaml"))]
    bases = {tuple(arm.reference): arm.reference for arm in [Arm("none", BASE, BASE), *overlays]}
    nothing = (" ".join(["none", *([f"`{' '.join(more)}`"] if (more := base[len(BASE) :]) else [])]) for base in bases)
    return [*(Arm(name, base, base) for name, base in zip(nothing, bases.values())), *overlays]


def over_its_base(overlay: Path) -> Arm:
    """An overlay as its first comment says: what it does, and the command, which may set more than base.yaml does."""
    *lines, command = (
        line.removeprefix("#").strip()
        for line in overlay.read_text(encoding="utf-8").splitlines()
        if line.startswith("#") and SCHEMA not in line
    )
    _, _, options = command.partition(" fit ")
    before, _, more = options.partition(f" --config {overlay.as_posix()}")
    reference = [*before.split(), *more.split()]
    what = " ".join(lines).partition(" Use it")[0]
    name = f"`{overlay.relative_to(CONFIGS).with_suffix('').as_posix()}`"
    return Arm(name, [*options.split()], reference, f"{what} With `{more.strip()}`." if more else what)


def out_of_quickstart() -> list[Arm]:
    arms = [Arm("nothing", QUICKSTART, QUICKSTART)]
    return arms + [Arm(family, QUICKSTART + options, QUICKSTART) for family, options in WITHOUT.items()]


def jobs_of(options: list[str], seeds: int) -> list[Job]:
    settings = merged(read_arguments(options).overlays)
    return jobs_for(settings, complete_of(settings), range(FIRST_SEED, FIRST_SEED + seeds))


def measured(arms: list[Arm], seeds: int, workers: int) -> dict[tuple[str, ...], list[RunResult]]:
    """Each configuration's trainings, seed by seed. What is kept, and overlays that come to the same, are not trained again."""
    wanted = {tuple(options): jobs_of(options, seeds) for arm in arms for options in (arm.settings, arm.reference)}
    jobs = {job.digest: job for number in range(seeds) for one in wanted.values() for job in [one[number]]}
    found: dict[str, RunResult] = {}
    for job, outcome in trained(jobs.values(), Path("studies", RUNS), workers):
        if isinstance(outcome, Failure):
            raise SystemExit(f"a training failed: {outcome.said}")
        found[job.digest] = outcome
        print(f"[{len(found)}/{len(jobs)}] {100 * (outcome.accuracy or 0):.1f} %", file=sys.stderr, flush=True)
    return {options: [found[job.digest] for job in one] for options, one in wanted.items()}


def row(arm: Arm, runs: list[RunResult], reference: list[RunResult]) -> str:
    """A line of a table; no difference where nothing is changed."""
    accuracies = values(runs, "accuracy")
    cells = [arm.name, f"{statistics.mean(accuracies):.1f} ± {statistics.stdev(accuracies):.1f}"]
    for metric, digits in (("accuracy", 1), ("gap", 2)):
        if runs == reference:
            cells.append("")
            continue
        step = step_of(METRICS[metric], [*runs, *reference])  # type: ignore[index]
        told = estimates.difference(values(runs, metric), values(reference, metric), 1, step)
        if math.isnan(told.mean):
            cells.append("no number")  # its loss is none
            continue
        mark = "**" if told.told_apart else ""
        digits += any(
            1e-9 < abs(end) < 0.5 / 10**digits for end in (told.low, told.high)
        )  # on which side of 0 they are
        cells.append(f"{mark}{told.mean:+.{digits}f}{mark} ({told.low:z.{digits}f} to {told.high:z.{digits}f})")
    return " | ".join(["", *cells, arm.remark, ""]).strip()


def values(runs: list[RunResult], metric: str) -> list[float]:
    """Each run's number. A loss that is none, as after a training that went astray, makes its difference none, too."""
    found = [METRICS[metric].of(run, 0) for run in runs]  # type: ignore[index]
    return [float("nan") if value is None else value for value in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each family, at least 2")
    parser.add_argument("--each", type=int, default=5, help="trainings of each overlay, at least 2")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, one thread each")
    options = parser.parse_args()
    Path("studies", RUNS).mkdir(parents=True, exist_ok=True)
    families_of = {"over `base.yaml`": families(), "taken out of `quickstart.yaml`": out_of_quickstart()}
    for text, tables, seeds in (
        (ABOUT, families_of, options.seeds),
        (OVERLAYS, {"overlay over `base.yaml`": over_base()}, options.each),
    ):
        found = measured([arm for rows in tables.values() for arm in rows], seeds, options.jobs)
        print(text.format(seeds=seeds, first=FIRST_SEED))
        for first, rows in tables.items():
            print(HEAD.format(first=first))
            for arm in rows:
                print(row(arm, found[tuple(arm.settings)], found[tuple(arm.reference)]))
            print()


if __name__ == "__main__":
    main()
