"""What stood in a training's way, as its curves measure it, and which families are made for that."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from project.assignment import Family

GAP = 0.05  # of the accuracy, between training and validation: four times what another seed changes (docs/overlays.md: 1.2 points)
FALLEN = 0.1  # share of its first value that the loss should have lost after the first epochs
FIRST = 5  # the first epochs are one in so many, and two at least

# Kinds of obstacles, the one to begin with first. A start that was slow is to blame where the training came to too little.
KINDS = ("diverged", "start", "training", "gap")
HELPS: dict[str, list[Family]] = {
    "diverged": ["optimization", "normalization"],
    "start": ["initialization", "normalization"],
    "training": ["optimization"],
    "gap": ["regularization"],
}

Row = Mapping[str, float | None]


class Obstacle(NamedTuple):
    """Something that was measured: one of KINDS; its numbers, and whether it was in the way."""

    kind: str
    numbers: dict[str, float]
    in_the_way: bool


def obstacles(rows: Sequence[Row], target: float) -> list[Obstacle]:
    """What the curves of one training say; nothing where there are none.

    Args:
        rows: By epoch: train/loss, val/loss, train/accuracy, val/accuracy, None for what is no finite number.
        target: The accuracy to exceed, in [0, 1].
    """
    lost = next((at for at, row in enumerate(rows, 1) if row.get("train/loss") is None), None)
    if lost:
        return [Obstacle("diverged", {"epoch": lost}, True)]
    found = []
    last: Mapping[str, Any] = rows[-1] if rows else {}
    train, validation = last.get("train/accuracy"), last.get("val/accuracy")
    if train is not None and validation is not None:
        gap = train - validation
        found.append(Obstacle("gap", {"train": train, "validation": validation, "gap": gap}, gap >= GAP))
    if train is not None:
        # Too little for the target even with no more than a small gap. Augmented images can be harder than those that validate.
        low = train <= target if validation is None else train < target + GAP and validation <= target
        found.append(Obstacle("training", {"train": train}, low))
    first = max(2, math.ceil(len(rows) / FIRST))
    if len(rows) >= first:
        begun, soon = (rows[at]["train/loss"] or 0.0 for at in (0, first - 1))
        accuracy = rows[first - 1].get("train/accuracy") or 0.0
        slow = accuracy < target / 2 and soon > (1 - FALLEN) * begun
        found.append(Obstacle("start", {"epochs": first, "begun": begun, "soon": soon, "accuracy": accuracy}, slow))
    return found


def foremost(found: Sequence[Obstacle]) -> Obstacle | None:
    """The obstacle to begin with; None where nothing was in the way.

    A slow start comes first only where the training came to too little: one that it made up for cost nothing at the end.
    """
    in_the_way = {each.kind: each for each in found if each.in_the_way}
    if "training" not in in_the_way:
        in_the_way.pop("start", None)
    return next((in_the_way[kind] for kind in KINDS if kind in in_the_way), None)
