"""What can be reached on each source of images: a table from which an instructor chooses a target.

    python -m benchmarks.targets --table FOLDER --archive cifar10.tar.xz --jobs 2 > docs/targets.md

FOLDER has Fashion-MNIST as Train.csv and Test.csv; the archive has CIFAR-10 as train/<class>/* and val/<class>/*. Runs of
one thread each.
"""

import argparse
import sys
from pathlib import Path

from project.studies.estimates import interval
from project.studies.study_plan import RUNS
from project.studies.training_pool import Failure, Job, complete_of, jobs_for, trained
from project.training.configuration import merged, read_arguments

CONFIGS = {"base": "configs/base.yaml", "quickstart": "configs/quickstart.yaml"}
CONFIGS["photographs"] = "configs/recipes/photographs.yaml"


def settings(source: str, options: argparse.Namespace) -> list[str]:
    """The options that choose a source."""
    return {
        "Glyphs": ["--data.source", "Glyphs", "--data.batch_size", "32"],
        "Fashion-MNIST": ["--data.source", "ImageTable", "--data.source.path", str(options.table)],
        "CIFAR-10": ["--data.source", "ImageArchive", "--data.source.path", str(options.archive)],
    }[source] + ([] if source == "Glyphs" else ["--data.batch_size", "128"])


def jobs_of(config: str, chosen: list[str], seeds: int) -> list[Job]:
    """A configuration's trainings on a source, which are kept as those of studies are."""
    arm = merged(read_arguments(["--config", CONFIGS[config], *chosen]).overlays)
    return jobs_for(arm, complete_of(arm), range(seeds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="Fashion-MNIST as tables")
    parser.add_argument("--archive", type=Path, help="CIFAR-10 as an archive")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each, at least 2")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each")
    options = parser.parse_args()
    folder = Path("studies", RUNS)
    folder.mkdir(parents=True, exist_ok=True)
    sources = ["Glyphs", *(["Fashion-MNIST"] if options.table else []), *(["CIFAR-10"] if options.archive else [])]
    arms = {(source, config): settings(source, options) for source in sources for config in CONFIGS}
    jobs = [(job, arm) for arm, chosen in arms.items() for job in jobs_of(arm[1], chosen, options.seeds)]
    found: dict[tuple[str, str], list[float]] = {arm: [] for arm in arms}
    by_digest = {job.digest: arm for job, arm in jobs}
    for job, outcome in trained([job for job, _ in jobs], folder, options.jobs):
        source, config = by_digest[job.digest]
        if isinstance(outcome, Failure) or outcome.accuracy is None:
            why = outcome.said if isinstance(outcome, Failure) else "its accuracy was not measured"
            raise SystemExit(f"{source}, {config}, seed {job.seed}: {why}")
        found[source, config].append(100 * outcome.accuracy)
        said = f"{source}, {config}, seed {job.seed}: {100 * outcome.accuracy:.2f} %, {outcome.seconds:.0f} s"
        print(said, file=sys.stderr, flush=True)

    print("# What can be reached\n")
    print(
        "From this an instructor chooses a target: above what `base.yaml` reaches with none of the four families, and"
    )
    print("below what all of them reach together. Validation accuracy in % after 15 epochs: the mean over")
    print(
        f"{options.seeds} seeds, ± half its 95 % interval (not the deviation of single seeds). Batches of 32 on Glyphs and"
    )
    print(
        "of 128 on the others. Fashion-MNIST is split as the table says (a fifth of Train.csv validates), CIFAR-10 as"
    )
    print("in the archive. Made by")
    print("`python -m benchmarks.targets`.\n")
    print("| source | " + " | ".join(CONFIGS) + " |")
    print("|---" * (len(CONFIGS) + 1) + "|")
    for source in sources:
        print(f"| {source} | " + " | ".join(shown(found[source, c]) for c in CONFIGS) + " |")


def shown(values: list[float]) -> str:
    """Mean and half its 95 % interval."""
    found = interval(values)
    return f"{found.mean:.1f} ± {found.high - found.mean:.1f}"


if __name__ == "__main__":
    main()
