"""A study as a table in Markdown, to put into a report."""

from project.studies.metric_names import MetricName
from project.studies.study_metrics import METRICS, span
from project.studies.study_result import Found, StudyResult, seeds_of

COLUMNS: tuple[MetricName, ...] = ("accuracy", "gap")


def table(study: StudyResult) -> str:
    """Each arm's mean of the accuracy and of the gap, and what it is above the first arm's. Bold is more than noise."""
    first = study.arms[0].name
    titles = [f"{METRICS[name].title.partition(':')[0]} | above {first}" for name in COLUMNS]
    lines = [f"| {seeds_of(study)} | {' | '.join(titles)} |", "|---" * (1 + 2 * len(COLUMNS)) + "|"]
    for arm in study.arms:
        cells = [cell for name in COLUMNS for cell in cells_of(arm.found[name], name)]
        shown = arm.name.replace("|", "\\|")
        lines.append(f"| {shown} | {' | '.join([f'failed: {arm.failed}', *cells[1:]] if arm.failed else cells)} |")
    return "\n".join(lines) + "\n"


def cells_of(found: Found, name: MetricName) -> tuple[str, str]:
    """A mean, and a difference with its interval; empty where there is none."""
    metric = METRICS[name]
    mean = f"{found.estimate.mean:.{metric.digits}f}" if found.estimate else ""
    if (told := found.difference) is None:
        return mean, ""
    mark = "**" if told.told_apart else ""
    return mean, f"{mark}{told.mean:+.{metric.digits}f}{mark} ({span(told.low, told.high, metric)})"
