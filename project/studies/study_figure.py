"""A study's figure: runs and means by arm, differences to the first arm, learning curves as bands over seeds, and the gap."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from project.studies.metric_names import MetricName
from project.studies.study_metrics import METRICS
from project.studies.study_result import INTERVAL, ArmResult, Estimate, StudyResult, paired_differences, seeds_of
from project.training.figures import blanks, save

# Of Okabe and Ito, told apart also by those who see red and green alike; the base is grey.
BASE_COLOR, COLORS = "#6b6b6b", ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f"]
# The same on a dark ground, each at a contrast of 4.5 to 1 or more.
DARK_BASE_COLOR, DARK_COLORS = "#a9a9b2", ["#56b4e9", "#f08a3c", "#2fbf93", "#dd92bf", "#f0d060", "#9fb4ff", "#c2a05a"]
ROW = 0.32  # inches


def color_of(number: int, dark: bool = False) -> str:
    """The color of a study's arm, the base being number 0, on a white or on a dark ground."""
    base, colors = (DARK_BASE_COLOR, DARK_COLORS) if dark else (BASE_COLOR, COLORS)
    return colors[(number - 1) % len(colors)] if number else base


def is_dotted(number: int) -> bool:
    """Whether an arm's curve is dotted, since an earlier one has its color."""
    return number > len(COLORS)


def draw(study: StudyResult, path: Path) -> None:
    """Write the figure: PNG or SVG, by the name's end."""
    height = 2.2 + ROW * max(len(study.arms), 6)
    panels: list[Callable[[Any], None]] = [
        lambda axes: draw_estimates(axes, study, study.metric),
        lambda axes: draw_curves(axes, study),
        lambda axes: draw_estimates(axes, study, "gap" if study.metric != "gap" else "accuracy"),
    ]
    if len(study.arms) > 1:
        panels.insert(1, lambda axes: draw_differences(axes, study, study.metric))
    figure, (row,) = blanks(1, len(panels), 14 if len(panels) == 3 else 16.5, height)
    for axes, draw_panel in zip(row, panels):
        draw_panel(axes)
    title = study.question or f"Study {study.name}"
    said = f"{seeds_of(study)}; small dots: single runs; large dots and lines: means and their {INTERVAL}s"
    figure.suptitle(f"{title}\n{said}", fontsize=11)
    save(figure, path)


def draw_estimates(axes: Any, study: StudyResult, name: MetricName) -> None:
    """Each arm's mean with its interval, and its runs as dots below."""
    for row, arm in enumerate(study.arms):
        found = arm.found[name]
        draw_row(axes, row, [value for value in found.values if value is not None], found.estimate, color_of(row))
    name_rows(axes, study)
    axes.set_title(METRICS[name].title.partition(":")[0], fontsize=10)


def draw_differences(axes: Any, study: StudyResult, name: MetricName) -> None:
    """What each arm is above the first one: the mean with its interval, and the seeds that both have as dots below."""
    first, metric = study.arms[0], METRICS[name]
    for row, arm in enumerate(study.arms[1:], 1):
        if (told := arm.found[name].difference) is not None:
            pairs = paired_differences(arm, first, metric, study.target) if told.paired else []
            draw_row(axes, row, pairs, told, color_of(row))
    axes.axvline(0, color="0.4", linewidth=1, linestyle="--")
    name_rows(axes, study)
    axes.set_title(f"Difference to {first.name}, seed by seed", fontsize=10)
    unit = f"{metric.units[1]}; " if metric.units[1] else ""
    told_apart = "a line that does not reach 0 is more than noise"
    axes.set_xlabel(f"{unit}{told_apart}" + (",\nfor all arms together" if len(study.arms) > 2 else ""), fontsize=9)


def draw_row(axes: Any, row: int, values: Sequence[float], estimate: Estimate | None, color: str) -> None:
    """Single values as dots, and above them their mean with its interval."""
    axes.plot(values, np.full(len(values), row + 0.22), "o", color=color, alpha=0.45, markersize=3.5)
    if estimate:
        axes.plot([estimate.low, estimate.high], [row, row], color=color, linewidth=2)
        axes.plot(estimate.mean, row, "o", color=color, markersize=7)


def name_rows(axes: Any, study: StudyResult) -> None:
    """A row for each arm, the first one above."""
    axes.set_yticks(range(len(study.arms)), [f"{arm.name} (failed)" if arm.failed else arm.name for arm in study.arms])
    axes.set_ylim(len(study.arms) - 0.4, -0.6)
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
    axes.legend(framealpha=0.9, edgecolor="none", fontsize=7, loc="best")


def band_of(arm: ArmResult, curve: str) -> Any:
    """Lowest, mean and highest of an arm's runs by epoch, (3, E), as far as all of them have values; None without runs."""
    curves = [run.curves[curve] for run in arm.runs]
    epochs = min(map(len, curves), default=0)
    values_RE = np.array([curve[:epochs] for curve in curves], dtype=float)
    if not values_RE.size or np.isnan(values_RE).all():
        return None
    return np.stack([values_RE.min(0), values_RE.mean(0), values_RE.max(0)])
