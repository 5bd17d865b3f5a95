"""What each family contributes: a submission with one family taken back to base.yaml, and base.yaml with one family added.

Both are asked, since families help each other: what one brings on top of the others is not what it brings alone.
"""

import copy
import statistics
from collections.abc import Sequence
from typing import Any, TypedDict

from grader.ledger.measurement import Measurement

WHOLE, NONE = "whole", "none"
LABELS = {WHOLE: "the whole submission", NONE: "none of the families"}
KEYS = {  # of a configuration, by the family that they belong to
    "optimization": (("model", "optimizer"), ("model", "scheduler")),
    "regularization": (("model", "regularization"), ("data", "augmentation")),
    "initialization": (("model", "initialization"),),
    "normalization": (("model", "normalization"),),
}


class Contribution(TypedDict):
    """What a variant's trainings came to.

    Attributes:
        kind: whole, without, only or none.
        mean, std: Of the accuracies, in [0, 1]; no mean, but a reason, where a training failed; no std of a single one.
        difference: Of this mean and the whole submission's.
        seeds: Number of trainings.
    """

    label: str
    kind: str
    mean: float | None
    std: float | None
    difference: float | None
    seeds: int
    reason: str


def variants(families: Sequence[str]) -> dict[str, list[str]]:
    """Of each variant's name, the families that are taken back: of the whole none, then each alone, all but each, all."""
    return {
        WHOLE: [],
        **{f"without {family}": [family] for family in families},
        **{f"only {family}": [other for other in families if other != family] for family in families},
        NONE: [*families],
    }


def variant(config: dict[str, Any], base: dict[str, Any], taken_back: Sequence[str]) -> dict[str, Any]:
    """A complete configuration whose settings of these families are those of `base`; all else stays its own."""
    made = copy.deepcopy(config)
    for family in taken_back:
        for section, key in KEYS[family]:
            made[section][key] = copy.deepcopy(base[section].get(key))
    if "regularization" in taken_back:  # an optimizer's own weight decay belongs to it
        arguments = (made["model"]["optimizer"] or {}).get("init_args") or {}
        if "weight_decay" in arguments:
            arguments["weight_decay"] = 0.0
    return made


def contributions(
    measured: dict[str, dict[int, Measurement]], graded: list[Measurement], families: Sequence[str]
) -> list[Contribution]:
    """Each variant that was trained, the whole submission first; none where no variant was.

    Args:
        measured: By variant and number of the training.
        graded: The trainings that the submission was graded by, which are some of the whole's.
    """
    rows: list[Contribution] = []
    for name in variants(families) if measured else ():
        found = [*(graded if name == WHOLE else ()), *measured.get(name, {}).values()]
        if not found:
            continue
        accuracies = [each.accuracy for each in found if each.accuracy is not None]
        complete = len(accuracies) == len(found)
        mean = statistics.fmean(accuracies) if complete else None
        whole = rows[0]["mean"] if rows else None
        rows.append(
            {
                "label": LABELS.get(name, name),
                "kind": name.partition(" ")[0],
                "mean": mean,
                "std": statistics.stdev(accuracies) if complete and len(accuracies) > 1 else None,
                "difference": None if mean is None or whole is None else mean - whole,
                "seeds": len(found),
                "reason": next((each.public_words for each in found if each.accuracy is None), ""),
            }
        )
    return rows
