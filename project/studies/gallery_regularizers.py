"""The gallery's figure of regularizers, drawn from a study: what each alone does to a network that overfits."""

import contextlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from project.studies.gallery_figures import CONFIGS, finish
from project.studies.study_figure import band_of, draw_row
from project.studies.study_metrics import METRICS
from project.studies.study_plan import RUNS, Plan, read_plan
from project.studies.study_result import INTERVAL, ArmResult, StudyResult, answer
from project.studies.study_trainings import run
from project.support.errors import UserError
from project.training.figures import TRAIN, VAL, blanks

STUDY = CONFIGS / "studies" / "regularizers.yaml"
MATTERS, _ = METRICS["loss"].effect


def regularizers(path: Path) -> None:
    """Train what is not trained yet of the study, in a folder beside the figure, and draw it."""
    path = path.resolve()
    with contextlib.chdir(CONFIGS.parent):  # the study names its files from there
        plan = planned(path.parent / "studies")
        (plan.folder / RUNS).mkdir(parents=True, exist_ok=True)
        study = answer(run(plan))
    draw(study, path)


def planned(folder: Path) -> Plan:
    """The study, its runs to be kept in a folder."""
    return read_plan(["--study", str(STUDY), "--out", str(folder)])


def draw(study: StudyResult, path: Path) -> None:
    """Learning curves of the network without a regularizer; both losses at the end, without and with each; and what each gains.

    Raises UserError where an arm failed.
    """
    if failed := [arm for arm in study.arms if arm.failed is not None]:
        raise UserError(f"{STUDY}: {failed[0].name}: {failed[0].failed}")
    first, *others = study.arms
    figure, ((curves, ends, gains),) = blanks(1, 3, 17, 2.9 + 0.36 * len(study.arms))
    draw_curves(curves, first)
    arms = [first, *sorted(others, key=lambda arm: losses(arm, "val").mean())]
    for row, arm in enumerate(arms):
        draw_losses(ends, row, arm)
        draw_gain(gains, row, arm, first)
    ends.axvline(
        losses(first, "val").mean(), color=VAL, linewidth=1, linestyle="--", zorder=0, label="validation, with none"
    )
    gains.axvline(0, color="0.4", linewidth=1, linestyle="--")
    gains.axvspan(-MATTERS, MATTERS, color="0.93", zorder=0, label=f"too little to matter: under {MATTERS}")
    for axes in (ends, gains):
        axes.set_yticks(range(len(arms)), ["none", *(arm.name for arm in arms[1:])])
        for label, arm in zip(axes.get_yticklabels(), arms):
            label.set_fontweight("bold" if wins(arm) else "normal")
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.grid(alpha=0.3, axis="x")
    ends.set(xlabel="loss after training", xlim=(-0.04 * ends.get_xlim()[1], None))
    ends.set_title("None, then each regularizer by validation loss", fontsize=11)
    gains.set(xlabel="validation loss less that with none")
    gains.set_title("Differences to none, seed by seed", fontsize=11)
    gains.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), fontsize=9)
    ends.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4, fontsize=9)
    seen = f"""Left: the plain network learns its {study.images["init_args"]["train"]} images by heart; its training
    loss goes to zero, its validation loss stays high, and the gap between them widens. Middle: both losses of the
    trained network, for all alike without dropout, augmentation or changed labels, so that the gaps (grey, with their
    size) can be compared. A regularizer should bring the validation loss down; a narrower gap alone can also mean
    that less is learned. Dots: means of {study.seeds} seeds; lines: lowest to highest; these may overlap, since a seed that is
    bad for one is bad for others, too. Right, therefore, each seed's difference (small dots), their mean and its
    {INTERVAL}, widened until all {len(others)} hold together. In bold: whose interval lies left of 0, and whose mean by at least
    {MATTERS}. Each has the one strength that is named: another may do more, or less."""
    finish(figure, "What each regularizer alone does to a network that overfits", seen, path)


def draw_curves(axes: Any, arm: ArmResult) -> None:
    """Both losses of an arm by epoch: the mean over seeds, and from the lowest to the highest."""
    for curve, color, name in (("train/loss", TRAIN, "training"), ("val/loss", VAL, "validation")):
        low, mean, high = band_of(arm, curve)
        epochs = np.arange(1, len(mean) + 1)
        axes.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
        axes.plot(epochs, mean, color=color, label=f"{name}: mean of the seeds, lowest to highest")
    axes.axhline(math.log(10), color="0.4", linewidth=1, linestyle=":", label="guessing")
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.set_title("With none, by epoch", fontsize=11)
    axes.locator_params("x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), fontsize=9)


def draw_losses(axes: Any, row: int, arm: ArmResult) -> None:
    """An arm's two losses, and the gap between them as a bar."""
    means = []
    for split, color, name in (("train", TRAIN, "training"), ("val", VAL, "validation")):
        losses_S = losses(arm, split)
        means.append(losses_S.mean())
        axes.plot([losses_S.min(), losses_S.max()], [row, row], color=color, linewidth=2, zorder=2)
        axes.plot(means[-1], row, "o", color=color, markersize=7, zorder=3, label=None if row else name)
    axes.barh(
        row, means[1] - means[0], left=means[0], height=0.34, color="0.88", zorder=1, label=None if row else "gap"
    )
    axes.text(sum(means) / 2, row, f"{means[1] - means[0]:.2f}", ha="center", va="center", fontsize=8, zorder=4)


def draw_gain(axes: Any, row: int, arm: ArmResult, first: ArmResult) -> None:
    """What an arm's validation losses are above those of the same seeds without it, and the interval of their mean."""
    if (told := arm.found["loss"].difference) is not None:
        draw_row(axes, row, losses(arm, "val") - losses(first, "val"), told, VAL)


def losses(arm: ArmResult, split: str) -> Any:
    """Of each of an arm's runs, in evaluation mode and on images as they come, (S,)."""
    return np.array([getattr(run, f"{split}_loss") for run in arm.runs], dtype=float)


def wins(arm: ArmResult) -> bool:
    """Whether its validation loss is lower than the first arm's by more than noise, and by so much that it matters."""
    told = arm.found["loss"].difference
    return told is not None and told.told_apart and told.mean < -MATTERS
