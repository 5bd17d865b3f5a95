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
from project.studies import estimates

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
        difference: To the whole submission, training by training, each with the same seed.
        low, high: The interval of the difference, which holds for all variants together; None of a single training.
        seeds: Number of trainings.
    """

    label: str
    kind: str
    mean: float | None
    std: float | None
    difference: float | None
    low: float | None
    high: float | None
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
    measured: dict[str, dict[int, Measurement]], graded: dict[int, Measurement], families: Sequence[str]
) -> list[Contribution]:
    """Each variant that was trained, the whole submission first; none where no variant was.

    Args:
        measured: By variant and number of the training.
        graded: The trainings that the submission was graded by, by their numbers, which are some of the whole's.
    """
    rows: list[Contribution] = []
    trained = {name: (graded if name == WHOLE else {}) | measured.get(name, {}) for name in variants(families)}
    others = sum(bool(found) for name, found in trained.items() if name != WHOLE)
    whole = accuracies(trained[WHOLE], [])
    step = max((1 / each.samples for found in trained.values() for each in found.values() if each.samples), default=0.0)
    for name, taken_back in variants(families).items() if measured else ():
        if not (found := trained[name]):
            continue
        left, reached = in_effect([*found.values()], taken_back), accuracies(found, taken_back)
        told = None if name == WHOLE else difference_to_whole(reached, whole, others, step)
        rows.append(
            {
                "label": LABELS.get(name, name),
                "kind": name.partition(" ")[0],
                "mean": statistics.fmean(reached.values()) if reached else None,
                "std": statistics.stdev(reached.values()) if len(reached) > 1 else None,
                "difference": told and told[0],
                "low": told and told[1],
                "high": told and told[2],
                "seeds": len(found),
                "reason": f"cannot be taken out: {in_words(left)}, in the code and not in the configuration"
                if left
                else next((each.public_words for each in found.values() if each.accuracy is None), ""),
            }
        )
    return rows


def accuracies(found: dict[int, Measurement], taken_back: Sequence[str]) -> dict[int, float]:
    """Each training's; none where one failed, or used a family that was to be taken back."""
    known = {number: each.accuracy for number, each in found.items() if each.accuracy is not None}
    return known if len(known) == len(found) and not in_effect([*found.values()], taken_back) else {}


def difference_to_whole(
    reached: dict[int, float], whole: dict[int, float], variants: int, step: float
) -> tuple[float, float | None, float | None] | None:
    """The difference to the whole and its interval, which a single training does not have; None where nothing is common.

    Args:
        variants: Number of variants that are looked at.
        step: What one image more is worth.
    """
    common = [number for number in reached if number in whole]
    values, reference = [reached[number] for number in common], [whole[number] for number in common]
    if len(common) > 1:
        told = estimates.difference(values, reference, variants, step)
        return told.mean, told.low, told.high
    return (values[0] - reference[0], None, None) if common else None


def in_effect(found: Sequence[Measurement], families: Sequence[str]) -> list[str]:
    """The strategies of these families that some of the trainings used, each once."""
    used = (one.name for each in found for family in families for one in each.strategies.get(family, []))
    return list(dict.fromkeys(used))
