"""What can be reached on each source of images: a table from which an instructor chooses a target.

    python -m benchmarks.targets --table FOLDER --archive cifar10.tar.xz --jobs 2 > docs/targets.md

FOLDER has Fashion-MNIST as Train.csv and Test.csv; the archive has CIFAR-10 as train/<class>/* and val/<class>/*. Runs of
one thread each.
"""

import argparse
import math
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.calibration import accuracy

CONFIGS = {"base": "configs/base.yaml", "quickstart": "configs/quickstart.yaml"}
CONFIGS["photographs"] = "configs/recipes/photographs.yaml"
T_OF_95_PERCENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}  # Student's, for a mean of so many seeds


def settings(source: str, options: argparse.Namespace) -> list[str]:
    """The options that choose a source."""
    return {
        "Glyphs": ["--data.source", "Glyphs", "--data.batch_size", "32"],
        "Fashion-MNIST": ["--data.source", "ImageTable", "--data.source.path", str(options.table)],
        "CIFAR-10": ["--data.source", "ImageArchive", "--data.source.path", str(options.archive)],
    }[source] + ([] if source == "Glyphs" else ["--data.batch_size", "128"])


def one_run(config: str, chosen: list[str], seed: int) -> tuple[float, float]:
    """Final validation accuracy in percent, and seconds."""
    started = time.perf_counter()
    reached = accuracy(["--config", CONFIGS[config], *chosen, "--run.diagnostics", "false"], seed)
    return reached, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, help="Fashion-MNIST as tables")
    parser.add_argument("--archive", type=Path, help="CIFAR-10 as an archive")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    sources = ["Glyphs", *(["Fashion-MNIST"] if options.table else []), *(["CIFAR-10"] if options.archive else [])]
    jobs = [(source, config, seed) for source in sources for config in CONFIGS for seed in range(options.seeds)]
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        arguments = [(config, settings(source, options), seed) for source, config, seed in jobs]
        for (source, config, seed), result in zip(jobs, pool.map(one_run, *zip(*arguments))):
            found.setdefault((source, config), []).append(result)
            print(f"{source}, {config}, seed {seed}: {result[0]:.2f} %, {result[1]:.0f} s", file=sys.stderr, flush=True)

    print("# What can be reached\n")
    print(
        "From this an instructor chooses a target: above what `base.yaml` reaches with none of the four families, and"
    )
    print("below what all of them reach together. Validation accuracy in % after 15 epochs: the mean over")
    print(
        f"{options.seeds} seeds, and its 95 % interval. Batches of 32 on Glyphs and of 128 on the others. Fashion-MNIST is"
    )
    print("split as the table says (a fifth of Train.csv validates), CIFAR-10 as in the archive. Made by")
    print("`python -m benchmarks.targets`.\n")
    print("| source | " + " | ".join(CONFIGS) + " |")
    print("|---" * (len(CONFIGS) + 1) + "|")
    for source in sources:
        print(f"| {source} | " + " | ".join(interval([one for one, _ in found[source, c]]) for c in CONFIGS) + " |")


def interval(values: list[float]) -> str:
    """Mean and half its 95 % interval."""
    mean = f"{statistics.mean(values):.1f}"
    if len(values) not in T_OF_95_PERCENT:
        return mean
    return f"{mean} ± {T_OF_95_PERCENT[len(values)] * statistics.stdev(values) / math.sqrt(len(values)):.1f}"


if __name__ == "__main__":
    main()
