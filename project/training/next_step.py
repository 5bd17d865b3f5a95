"""What a run suggests next, from what it measured, and what one seed cannot tell: the sentence that `fit` ends with."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from project.assignment import Assignment
from project.training.obstacles import HELPS, Obstacle, Row, foremost, obstacles

# What another seed changes on Glyphs, as a standard deviation of the accuracy (docs/overlays.md: base.yaml, quickstart.yaml).
BELOW_TARGET, ABOVE_TARGET = 0.013, 0.007
SEEDS = 5  # as many as these were taken with
TAKEN_OUT = {  # by family, the setting that says whether it is there, and the options without it
    "normalization": (("model", "normalization"), "--model.normalization null"),
    "initialization": (("model", "initialization"), "--model.initialization null"),
    "regularization": (("model", "regularization"), "--model.regularization [] --data.augmentation []"),
    "optimization": (("model", "scheduler"), "--model.scheduler null"),
}


def next_step(
    rows: Sequence[Row], summary: Mapping[str, Any], rules: Assignment, file: Path, settings: Mapping[str, Any]
) -> str:
    """One sentence and its command, each a line with its end; empty where the last epoch was not measured, or its loss is lost.

    Args:
        rows: Of metrics.csv.
        summary: Of the same run.
        file: Its config.yaml.
        settings: What is in there.
    """
    needed = [row.get("train/loss") for row in rows] + [row.get("val/accuracy") for row in rows[-1:]]
    if not needed or any(value is None or not math.isfinite(value) for value in needed):
        return ""
    above = summary["val_accuracy"] > rules.target_accuracy
    obstacle = None if above else foremost(obstacles(rows, rules.target_accuracy))
    in_effect = {family for family, found in summary["strategies"].items() if found}
    if obstacle:
        said, options = against(obstacle, in_effect, summary["epochs"], rules.max_epochs, settings)
    else:
        said, options = beyond(rules, in_effect, settings)
    doubt = "a small gain"
    if settings["data"]["source"]["class_path"].endswith(".Glyphs"):
        # Two deviations of the difference of two runs.
        points = 100 * 2 * math.sqrt(2) * (ABOVE_TARGET if above else BELOW_TARGET)
        doubt = f"a gain below about {points:.0f} points"
    command, _, more = options.partition(" ")
    return (
        f"Next: {said}; one seed cannot tell {doubt} from luck:\n"
        f"  python main.py {command} --config {quoted(file.as_posix())} {more}\n"
    )


def against(
    obstacle: Obstacle, in_effect: set[str], epochs: int, most: int, settings: Mapping[str, Any]
) -> tuple[str, str]:
    """What to do against an obstacle, and the command with its options but for the run's --config."""
    kind, numbers, _ = obstacle
    families: list[str] = [family for family in HELPS[kind] if family not in in_effect]
    if kind == "gap":
        gap = f"accuracy is {numbers['train']:.0%} in training and {numbers['validation']:.0%} in validation"
        if families:
            return f"{gap}, a gap that suggests regularization", compared(families)
        other = "--arm configs/regularization/OVERLAY.yaml"
        return f"{gap}, a gap that suggests more regularization, or another", f"study {other} --seeds {SEEDS}"
    if kind == "start":
        shown = f"the loss went from {numbers['begun']:.2f} to {numbers['soon']:.2f} in the first {numbers['epochs']} epochs"
        if families:  # one in effect may be what is wrong, such as weights that are all zero
            words = ", ".join(family if family in families else f"another {family}" for family in HELPS[kind])
            return f"{shown}, which suggests {words} or another learning rate", compared(HELPS[kind])
    else:
        shown = f"accuracy in training itself ends at {numbers['train']:.0%}"
        if epochs < most and settings["trainer"]["max_epochs"] == epochs:
            return f"{shown} after {epochs} of {most} epochs, so train them all", f"fit --trainer.max_epochs {most}"
        if families:
            return f"{shown}, which suggests optimization", compared(families)
    return f"{shown}, which suggests another learning rate", "fit --find-lr"


def beyond(rules: Assignment, in_effect: set[str], settings: Mapping[str, Any]) -> tuple[str, str]:
    """The same where nothing stands in the way of the target."""
    if missing := [family for family in rules.families if family not in in_effect]:
        return f"the target is met without {missing[0]}; see whether that adds to it", compared(missing[:1])
    for family, ((section, name), options) in TAKEN_OUT.items():
        if family in in_effect and settings[section][name]:
            arm = f'--arm "no {family}={options}"'
            return (
                "the target is met; take a family out to see what it gave",
                f"study {arm} --seeds {SEEDS}",
            )
    return (
        "the target is met; see what another strategy adds",
        f"study --arm configs/FAMILY/OVERLAY.yaml --seeds {SEEDS}",
    )


def compared(families: Sequence[str]) -> str:
    """The study of these families' defaults, each an arm."""
    arms = " ".join(f"--arm {family}=configs/{family}/default.yaml" for family in families)
    return f"study {arms} --seeds {SEEDS}"


def quoted(path: str) -> str:
    """As a shell takes it for one word, also that of Windows."""
    return f'"{path}"' if " " in path else path
