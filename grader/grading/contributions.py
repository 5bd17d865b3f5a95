"""What each family contributes: a submission with one family taken back to base.yaml, and base.yaml with one family added.

Both are asked, since families help each other: what one brings on top of the others is not what it brings alone.
"""

import copy
import statistics
from typing import Any

from grader.ledger.measurement import Measurement

WHOLE, NONE = "whole", "none"
KEYS = {  # of a configuration, by the family that they belong to
    "optimization": (("model", "optimizer"), ("model", "scheduler")),
    "regularization": (("model", "regularization"), ("data", "augmentation")),
    "initialization": (("model", "initialization"),),
    "normalization": (("model", "normalization"),),
}


def variant_names(families: list[str]) -> list[str]:
    """All variants: the whole, without each family, each family alone, and none of them."""
    return [WHOLE, *(f"without {family}" for family in families), *(f"only {family}" for family in families), NONE]


def variant(config: dict[str, Any], base: dict[str, Any], name: str, families: list[str]) -> dict[str, Any]:
    """A submission's complete configuration as the variant `name` of it; network, epochs and batches stay its own.

    Args:
        base: The configuration of which families that are taken back are taken.
    """
    made = copy.deepcopy(config)
    if name == WHOLE:
        return made
    alone, _, family = name.partition(" ")
    taken_back = families if name == NONE else [f for f in families if (f == family) == (alone == "without")]
    for back in taken_back:
        for section, key in KEYS[back]:
            made[section][key] = copy.deepcopy(base[section].get(key))
    if "regularization" in taken_back:  # an optimizer's own weight decay belongs to it
        optimizer = (made["model"]["optimizer"] or {}).get("init_args") or {}
        for key in [key for key in optimizer if key == "weight_decay"]:
            optimizer[key] = 0.0
    return made


def contributions(
    variants: dict[str, dict[int, Measurement]], trained: list[Measurement], families: list[str]
) -> list[dict[str, Any]]:
    """What to draw, a row for each variant that was run; empty where none was.

    Args:
        variants: Measurements by variant and number of the training.
        trained: The graded trainings, which are some of the whole's.

    Returns:
        Rows with `label`, `kind` (whole, without, only, none), `mean`, `std` (None for a single seed), `difference` of the
        means to the whole's, `seeds`, and `reason` where there is no mean.
    """
    if not variants:
        return []
    whole = trained + list(variants.get(WHOLE, {}).values())
    rows = []
    for name in variant_names(families):
        measured = whole if name == WHOLE else list(variants.get(name, {}).values())
        if not measured:
            continue
        scored = [each.accuracy for each in measured if each.accuracy is not None]
        complete = len(scored) == len(measured)
        mean = statistics.fmean(scored) if complete else None
        rows.append(
            {
                "label": {WHOLE: "the whole submission", NONE: "none of the families"}.get(name, name),
                "kind": name.partition(" ")[0],
                "mean": mean,
                "std": statistics.stdev(scored) if complete and len(scored) > 1 else None,
                "difference": mean - rows[0]["mean"] if rows and complete and rows[0]["mean"] is not None else None,
                "seeds": len(measured),
                "reason": "" if complete else next(r.said for r in measured if r.accuracy is None),
            }
        )
    return rows
