"""What a study compares: numbers of a run, and how they are told."""

import math
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from project.studies.metric_names import MetricName
from project.studies.one_training import RunResult

POINTS = ("point", "points")
SHARE, LOSS = (0.0, 100.0), (0.0, math.inf)


class Metric(NamedTuple):
    """Something that each run of a study gives a number of.

    Attributes:
        title: For people.
        units: One of it, and several.
        digits: After the point.
        better: Whether more is better (1), less (-1), or neither (0).
        effect: A difference that would matter, in its unit; and the same in words.
        of: A run's number, given the target accuracy; None where it has none.
        missing: Why a run may have none.
        step: In which a run's numbers are counted, in its unit; 0 where they are not.
        limits: Between which all numbers lie, and so all means.
    """

    title: str
    units: tuple[str, str]
    digits: int
    better: Literal[1, 0, -1]
    effect: tuple[float, str]
    of: Callable[[RunResult, float], float | None]
    missing: str
    step: Callable[[RunResult], float] = lambda run: 0.0
    limits: tuple[float, float] = (-math.inf, math.inf)

    def possible(self, low: float, high: float) -> tuple[float, float]:
        """Of an interval for a mean, what a mean can be."""
        least, most = self.limits
        return max(low, least), min(high, most)

    def possible_difference(self, low: float, high: float) -> tuple[float, float]:
        """The same of an interval for a difference between two means."""
        most = self.limits[1] - self.limits[0]
        return max(low, -most), min(high, most)


def of_images(run: RunResult) -> float:
    """An image more that is told right, in %; 0 where it is not known of how many."""
    return 100 / run.val_images if run.val_images else 0.0


def step_of(metric: Metric, runs: Iterable[RunResult]) -> float:
    """The widest step that numbers of these runs are counted in."""
    return max(map(metric.step, runs), default=0.0)


def points(run: RunResult, target: float) -> float | None:
    return None if run.accuracy is None else 100 * run.accuracy


def gap(run: RunResult, target: float) -> float | None:
    return None if run.train_loss is None or run.val_loss is None else run.val_loss - run.train_loss


def epochs_to_target(run: RunResult, target: float) -> float | None:
    accuracies = run.curves.get("val/accuracy", [])
    return next(
        (float(number) for number, value in enumerate(accuracies, 1) if value is not None and value > target), None
    )


def measured(name: MetricName, title: str, digits: int, better: Literal[1, 0, -1] = 0) -> Metric:
    """A metric that a study names, of measurements.py."""
    of = POINTS if better else ("", "")
    effect = 10.0**-digits
    return Metric(
        title,
        of,
        digits,
        better,
        (effect, f"{effect:g}"),
        lambda run, target: run.measured.get(name),
        "no number",
        of_images if of == POINTS else lambda run: 0.0,
        SHARE if " in %" in title else (-math.inf, math.inf),
    )


METRICS: dict[MetricName, Metric] = {
    "accuracy": Metric(
        "Validation accuracy in %", POINTS, 1, 1, (1, "one point"), points, "not measured", of_images, SHARE
    ),
    "loss": Metric(
        "Validation loss",
        ("", ""),
        3,
        -1,
        (0.05, "0.05"),
        lambda run, target: run.loss,
        "not measured, or no number",
        limits=LOSS,
    ),
    "gap": Metric(
        "Generalization gap: validation loss less training loss, both in evaluation mode on images as they come",
        ("", ""),
        3,
        -1,
        (0.05, "0.05"),
        gap,
        "not measured, or no number",
    ),
    "epochs": Metric(
        "Epochs to the target accuracy",
        ("epoch", "epochs"),
        1,
        -1,
        (1, "one epoch"),
        epochs_to_target,
        "not reached",
        lambda run: 1.0,
    ),
    "train_loss": Metric(
        "Training loss: in evaluation mode, on images as they come",
        ("", ""),
        3,
        -1,
        (0.05, "0.05"),
        lambda run, target: run.train_loss,
        "not measured, or no number",
        limits=LOSS,
    ),
    "signal": measured(
        "signal", "Signal at the last hidden layer: log10 of its deviation over the first's, at the start", 2
    ),
    "saturated": measured(
        "saturated", "Saturated: last hidden layer's activations where the function is flat, in %", 1
    ),
    "gradient": measured("gradient", "Gradient at the first hidden layer: log10 of its norm over the last one's", 2),
    "mean_over_batch": measured("mean_over_batch", "Means over the batch: their size after the first normalization", 3),
    "mean_over_image": measured("mean_over_image", "Means over an image: their size after the first normalization", 3),
    "mean_over_channel": measured(
        "mean_over_channel", "Means over an image's channel: their size after normalization", 3
    ),
    "mean_over_group": measured("mean_over_group", "Means over an image's groups of channels: their size", 3),
    "drift_before": measured(
        "drift_before", "Drift before normalization: deviations by which means move in an epoch", 3
    ),
    "drift_after": measured("drift_after", "Drift after normalization: deviations by which means move in an epoch", 3),
    "near_zero": measured("near_zero", "Weights next to zero in %", 1),
    "weight_size": measured("weight_size", "Size of the weights: root mean square", 4),
    "alike": measured("alike", "Hidden units that are like another one of their layer, in %", 1),
    "one_mask": measured("one_mask", "Validation accuracy in % with a mask of dropout", 1, 1),
    "many_masks": measured("many_masks", "Validation accuracy in % of the mean over thirty masks of dropout", 1, 1),
    "closed_form": measured("closed_form", "Correlation of the logits with the least-squares fit's", 3),
    "sharpness": measured("sharpness", "Sharpness: what the training loss gains along its gradient", 3),
}


def amount(value: float, metric: Metric) -> str:
    """`+1.2 points`."""
    text = f"{value:+.{metric.digits}f}"
    unit = metric.units[0] if float(text) in (1, -1) else metric.units[1]
    return f"{text} {unit}".rstrip()


def level(value: float, metric: Metric) -> str:
    """A mean with its unit: `72.4 %`, `2.0 epochs`."""
    return f"{value:.{metric.digits}f} {unit_of(metric)}".rstrip()


def unit_of(metric: Metric) -> str:
    """The unit of its values, which is not that of their differences where these are in points; empty for plain numbers."""
    return "%" if " in %" in metric.title else metric.units[1]


def span(low: float, high: float, metric: Metric) -> str:
    """`0.3 to 2.1`, with as many digits more as keep a small number from looking like zero, up to two."""
    digits = metric.digits
    while digits < metric.digits + 2 and any(value and not round(value, digits) for value in (low, high)):
        digits += 1
    return f"{low:z.{digits}f} to {high:z.{digits}f}"
