"""The drawing of what each family contributed."""

from pathlib import Path

from grader.grading.contributions import Contribution
from project.training.figures import TRAIN, VAL, blank, save


def draw_contributions(rows: list[Contribution], target: float, path: Path) -> None:
    """Accuracy of the variants of a configuration: the whole, without each family, each family alone, none.

    Args:
        target: The accuracy to reach.
        path: The PNG to write.
    """
    from matplotlib.ticker import PercentFormatter

    rows = [row for row in rows if row["mean"] is not None]
    colors = {"whole": "0.25", "none": "0.6", "without": VAL, "only": TRAIN}
    figure, axes = blank(8, 0.8 + 0.36 * len(rows))
    bars = axes.barh(
        [row["label"] for row in rows],
        [row["mean"] for row in rows],
        xerr=[row["std"] or 0 for row in rows],
        color=[colors[row["kind"]] for row in rows],
        ecolor="0.1",
    )
    axes.bar_label(bars, [f"{row['mean']:.1%}" for row in rows], padding=6)
    axes.axvline(target, color="0.4", linewidth=1, linestyle="--")
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.08), title="What each family contributes: accuracy on images that no training saw")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    save(figure, path)
