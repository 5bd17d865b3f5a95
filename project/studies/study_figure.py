"""A study's figure: dots and intervals by arm, learning curves as bands over seeds, and the generalization gap."""

from pathlib import Path
from typing import Any

import numpy as np

from project.studies.estimates import LEVEL
from project.studies.metric_names import MetricName
from project.studies.study_metrics import METRICS
from project.studies.study_result import ArmResult, StudyResult, seeds_of
from project.training.figures import blanks, save

# Of Okabe and Ito, told apart also by those who see red and green alike; the base is grey.
BASE_COLOR, COLORS = "#6b6b6b", ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f"]
ROW = 0.32  # inches


def color_of(number: int) -> str:
    """The color of a study's arm, the base being number 0."""
    return COLORS[(number - 1) % len(COLORS)] if number else BASE_COLOR


def is_dotted(number: int) -> bool:
    """Whether an arm's curve is dotted, since an earlier one has its color."""
    return number > len(COLORS)


def draw(study: StudyResult, path: Path) -> None:
    """Write the figure: PNG or SVG, by the name's end."""
    height = 2.2 + ROW * max(len(study.arms), 6)
    figure, ((dots, curves, gap),) = blanks(1, 3, 14, height)
    draw_estimates(dots, study, study.metric)
    draw_curves(curves, study)
    draw_estimates(gap, study, "gap" if study.metric != "gap" else "accuracy")
    title = study.question or f"Study {study.name}"
    figure.suptitle(f"{title}\n{seeds_of(study)}; dots: single runs; lines: {LEVEL:.0%} of the mean", fontsize=11)
    save(figure, path)


def draw_estimates(axes: Any, study: StudyResult, name: MetricName) -> None:
    """Each arm's mean with its interval, and its runs as dots below."""
    for row, arm in enumerate(study.arms):
        found, color = arm.found[name], color_of(row)
        values = [value for value in found.values if value is not None]
        axes.plot(values, np.full(len(values), row + 0.22), "o", color=color, alpha=0.45, markersize=3.5)
        if found.estimate:
            estimate = found.estimate
            axes.plot([estimate.low, estimate.high], [row, row], color=color, linewidth=2)
            axes.plot(estimate.mean, row, "o", color=color, markersize=7)
    axes.set_yticks(range(len(study.arms)), [f"{arm.name} (failed)" if arm.failed else arm.name for arm in study.arms])
    axes.set_ylim(len(study.arms) - 0.4, -0.6)
    axes.set_title(METRICS[name].title.partition(":")[0], fontsize=10)
    axes.grid(alpha=0.3, axis="x")


def draw_curves(axes: Any, study: StudyResult) -> None:
    """The validation accuracy by epoch: the mean over seeds, and from the lowest to the highest."""
    for number, arm in enumerate(study.arms):
        if (band := band_of(arm, "val/accuracy")) is not None:
            low, mean, high = 100 * band
            epochs = np.arange(1, len(mean) + 1)
            axes.fill_between(epochs, low, high, color=color_of(number), alpha=0.15, linewidth=0)
            axes.plot(
                epochs,
                mean,
                color=color_of(number),
                linewidth=1.8,
                label=arm.name,
                linestyle=":" if is_dotted(number) else "-",
            )
    axes.axhline(100 * study.target, color="0.4", linewidth=1, linestyle="--", label=f"target {100 * study.target:g} %")
    axes.set_title("Validation accuracy in %, lowest to highest seed", fontsize=10)
    axes.set_xlabel("epoch")
    axes.locator_params("x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=7)


def band_of(arm: ArmResult, curve: str) -> Any:
    """Lowest, mean and highest of an arm's runs by epoch, (3, E), as far as all of them have values; None without runs."""
    curves = [run.curves[curve] for run in arm.runs]
    epochs = min(map(len, curves), default=0)
    values_RE = np.array([curve[:epochs] for curve in curves], dtype=float)
    if not values_RE.size or np.isnan(values_RE).all():
        return None
    return np.stack([values_RE.min(0), values_RE.mean(0), values_RE.max(0)])
