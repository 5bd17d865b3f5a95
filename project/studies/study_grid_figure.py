"""A grid's figure: two settings against each other as a heat map, and as lines that are parallel where neither changes the other's effect."""

from pathlib import Path
from typing import Any

import numpy as np

from project.studies.study_figure import COLORS
from project.studies.study_metrics import METRICS, span
from project.studies.study_result import INTERVAL, ArmResult, StudyResult, seeds_of
from project.training.figures import blanks, save

NARROW = 0.06  # of the distance between two levels: how far apart lines' intervals at the same level are drawn


def draw_grid(study: StudyResult, path: Path) -> None:
    """Write the figure of a study with a grid: PNG or SVG, by the name's end."""
    assert study.grid
    first, second = study.grid
    arms = {arm.cell: arm for arm in study.arms if arm.cell}
    width = max(11.0, 5.5 + 1.5 * len(second.levels))
    figure, ((cells, lines),) = blanks(1, 2, width, 1.8 + 0.75 * max(len(first.levels), 4))
    draw_cells(cells, study, arms)
    draw_lines(lines, study, arms)
    title = study.question or f"Study {study.name}"
    metric = METRICS[study.metric].title.partition(":")[0]
    said = f"{metric}; {seeds_of(study)}; means and their {INTERVAL}s"
    figure.suptitle(f"{title}\n{said}; bold: told apart from {study.arms[0].name}, seed by seed", fontsize=11)
    save(figure, path)


def draw_cells(axes: Any, study: StudyResult, arms: dict[tuple[int, int], ArmResult]) -> None:
    """Each cell's mean and interval on its color: the lighter, the better. The first arm has a frame."""
    assert study.grid
    first, second = study.grid
    metric = METRICS[study.metric]
    means_RC = np.full((len(first.levels), len(second.levels)), np.nan)
    for cell, arm in arms.items():
        if estimate := arm.found[study.metric].estimate:
            means_RC[cell] = estimate.mean
    low, high = (np.nanmin(means_RC), np.nanmax(means_RC)) if not np.isnan(means_RC).all() else (0.0, 1.0)
    colors = "cividis" if metric.better > 0 else "cividis_r"
    axes.imshow(means_RC, cmap=colors, aspect="auto", vmin=low, vmax=high)
    for (row, column), arm in arms.items():
        found = arm.found[study.metric]
        text = "failed" if arm.failed else "no mean"
        light = True
        if found.estimate:
            where = span(found.estimate.low, found.estimate.high, metric)
            text = f"{found.estimate.mean:.{metric.digits}f}\n{where}"
            light = metric.better * (found.estimate.mean - (low + high) / 2) > 0
        told = found.difference is not None and found.difference.told_apart
        color = "black" if light else "white"
        weight = "bold" if told else "normal"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=color, fontweight=weight)
        if arm is study.arms[0]:
            frame = {"facecolor": "none", "edgecolor": COLORS[1], "linewidth": 3}
            axes.bar(column, 0.96, 0.96, row - 0.48, **frame)
    axes.set_xticks(range(len(second.levels)), second.levels)
    axes.set_yticks(range(len(first.levels)), first.levels)
    axes.set(xlabel=second.name, ylabel=first.name)
    axes.spines[:].set_visible(False)


def draw_lines(axes: Any, study: StudyResult, arms: dict[tuple[int, int], ArmResult]) -> None:
    """A line for each level of the second setting, over the levels of the first, with intervals."""
    assert study.grid
    first, second = study.grid
    for column, level in enumerate(second.levels):
        found = [(row, arms[row, column].found[study.metric].estimate) for row in range(len(first.levels))]
        known = [(row, estimate) for row, estimate in found if estimate]
        aside = NARROW * (column - (len(second.levels) - 1) / 2)
        axes.errorbar(
            [row + aside for row, _ in known],
            [estimate.mean for _, estimate in known],
            [
                [estimate.mean - estimate.low for _, estimate in known],
                [estimate.high - estimate.mean for _, estimate in known],
            ],
            color=COLORS[column % len(COLORS)],
            marker="o",
            linestyle="-" if column < len(COLORS) else ":",
            capsize=2,
            label=f"{second.name} {level}",
        )
    axes.set_xticks(range(len(first.levels)), first.levels)
    axes.set_xlabel(first.name)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
