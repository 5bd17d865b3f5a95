"""What each family contributes: a submission with one family taken back to base.yaml, and base.yaml with one family added.

Both are asked, since families help each other: what one brings on top of the others is not what it brings alone.

Only a configuration is changed. What the code does by itself stays, as the census of such a training shows: then there is a
reason, and no number.
"""

import copy
import statistics
from collections.abc import Sequence
from typing import Any, TypedDict

from grader.grading.class_defaults import defaults
from grader.ledger.measurement import Measurement
from grader.safe_text import in_words

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
        mean, std: Of the accuracies, in [0, 1]; no std of a single one. No mean, but a reason, where a training failed, or
            used a family that was to be taken back.
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
    if "regularization" in taken_back and (optimizer := made["model"]["optimizer"]):
        arguments = optimizer.get("init_args") or {}
        if "weight_decay" in {**defaults(optimizer["class_path"]), **arguments}:  # which belongs to it
            optimizer["init_args"] = {**arguments, "weight_decay": 0.0}
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
    for name, taken_back in variants(families).items() if measured else ():
        found = [*(graded if name == WHOLE else ()), *measured.get(name, {}).values()]
        if not found:
            continue
        accuracies = [each.accuracy for each in found if each.accuracy is not None]
        left = in_effect(found, taken_back)
        complete = len(accuracies) == len(found) and not left
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
                "reason": f"cannot be taken out: {in_words(left)}, in the code and not in the configuration"
                if left
                else next((each.public_words for each in found if each.accuracy is None), ""),
            }
        )
    return rows


def in_effect(found: Sequence[Measurement], families: Sequence[str]) -> list[str]:
    """The strategies of these families that some of the trainings used, each once."""
    used = (one.name for each in found for family in families for one in each.strategies.get(family, []))
    return list(dict.fromkeys(used))
