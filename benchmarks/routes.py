"""Do the two ways of making batches train alike? Random crops and flips in memory, and the same by torchvision's."""

import statistics

from benchmarks.calibration import accuracy
from benchmarks.measuring import in_turns, ratio, report

QUICKSTART = ["--config", "configs/quickstart.yaml", "--run.diagnostics", "false"]
IN_MEMORY = [
    *("--data.augmentation", "project.data.augmentation.RandomCrop", "--data.augmentation.padding", "2"),
    *("--data.augmentation+", "project.data.augmentation.RandomHorizontalFlip", "--data.augmentation.p", "0.1"),
]
BY_WORKERS = [
    *("--data.augmentation", "torchvision.transforms.v2.RandomCrop", "--data.augmentation.size", "32"),
    *("--data.augmentation.padding", "2", "--data.augmentation.padding_mode", "reflect"),
    *("--data.augmentation+", "torchvision.transforms.v2.RandomHorizontalFlip", "--data.augmentation.p", "0.1"),
]


def main(rounds: int) -> dict:
    seeds = {"in memory": iter(range(rounds)), "by workers": iter(range(rounds))}
    arms = {
        "in memory": lambda: accuracy([*QUICKSTART, *IN_MEMORY], next(seeds["in memory"])),
        "by workers": lambda: accuracy([*QUICKSTART, *BY_WORKERS], next(seeds["by workers"])),
    }
    found = in_turns(arms, rounds, "%")
    means = {name: statistics.mean(values) for name, values in found.items()}
    error = (sum(statistics.variance(values) for values in found.values()) / rounds) ** 0.5
    difference = means["in memory"] - means["by workers"]
    print(f"\ndifference of the means {difference:+.2f} points, its standard error {error:.2f}")
    return report("routes", found, {name: ratio(values) for name, values in found.items()}, difference=difference)
