"""Do the two ways of making batches train alike? Random crops and flips in memory, and the same by torchvision's."""

import json
import statistics

from benchmarks.calibration import accuracy
from benchmarks.measuring import in_turns, ratio, report

QUICKSTART = ["--config", "configs/quickstart.yaml", "--run.diagnostics", "false"]
OURS, THEIRS = "project.augmentation", "torchvision.transforms.v2"
FLIP = {"p": 0.1}  # seldom: most letters have a right and a wrong way round
IN_MEMORY = {f"{OURS}.RandomCrop": {"padding": 2}, f"{OURS}.RandomHorizontalFlip": FLIP}
BY_WORKERS = {
    f"{THEIRS}.RandomCrop": {"size": 32, "padding": 2, "padding_mode": "reflect"},
    f"{THEIRS}.RandomHorizontalFlip": FLIP,
}


def augmented_by(classes: dict[str, dict]) -> list[str]:
    """The quickstart's arguments with these augmentations in place of its own."""
    chosen = [{"class_path": name, "init_args": arguments} for name, arguments in classes.items()]
    return [*QUICKSTART, "--data.augmentation", json.dumps(chosen)]


def main(rounds: int) -> dict:
    seeds = {"in memory": iter(range(rounds)), "by workers": iter(range(rounds))}
    arms = {
        "in memory": lambda: accuracy(augmented_by(IN_MEMORY), next(seeds["in memory"])),
        "by workers": lambda: accuracy(augmented_by(BY_WORKERS), next(seeds["by workers"])),
    }
    found = in_turns(arms, rounds, "%")
    means = {name: statistics.mean(values) for name, values in found.items()}
    error = (sum(statistics.variance(values) for values in found.values()) / rounds) ** 0.5
    difference = means["in memory"] - means["by workers"]
    print(f"\ndifference of the means {difference:+.2f} points, its standard error {error:.2f}")
    return report("routes", found, {name: ratio(values) for name, values in found.items()}, difference=difference)
