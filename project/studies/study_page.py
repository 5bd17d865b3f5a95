"""A study's page: one file that asks nobody for anything, with arms to switch on and off."""

import json
from pathlib import Path
from typing import Any

from project.studies.study_figure import band_of, color_of, is_dotted
from project.studies.study_metrics import METRICS, unit_of
from project.studies.study_result import StudyResult, paired_differences, said_of, seeds_of, words_on_beginners

TEMPLATE = Path(__file__).with_name("study_page.html")
CHARTS = Path(__file__).with_name("charts.js")
CURVES = {
    "val/accuracy": "Validation accuracy",
    "val/loss": "Validation loss",
    "train/accuracy": "Training accuracy",
    "train/loss": "Training loss",
}


def page(study: StudyResult) -> str:
    """The page as HTML."""
    return filled(TEMPLATE, page_data(study))


def filled(template: Path, data: dict[str, Any]) -> str:
    """A template with what it shows, and with the functions that draw it."""
    # Within a script element only `<` could end it.
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    page = template.read_text(encoding="utf-8").replace("{{CHARTS}}", CHARTS.read_text(encoding="utf-8"))
    return page.replace("{{DATA}}", text)


def page_data(study: StudyResult) -> dict[str, Any]:
    """What the page shows, as plain values."""
    return {
        "title": study.question or f"Study {study.name}",
        "about": f"Base: {' '.join(study.base)} · {seeds_of(study)} of each arm"
        if study.base
        else f"Runs that were there: {seeds_of(study)} of each arm",
        "reference": study.arms[0].name,
        "target": study.target,
        "metric": study.metric,
        "metrics": {
            name: {
                "title": METRICS[name].title.partition(":")[0],
                "digits": METRICS[name].digits,
                "unit": METRICS[name].units[1],
                "unit_of_means": unit_of(METRICS[name]),
                "best": study.best[name],
            }
            for name in study.metrics
        },
        "beginners": words_on_beginners(study),
        "claims": [{"claim": each.claim, "found": each.found, "said": said_of(each)} for each in study.claims],
        "curves": CURVES,
        "grid": [axis.model_dump() for axis in study.grid or ()],
        "arms": [
            {
                "name": arm.name,
                "color": color_of(number),
                "color_in_dark": color_of(number, dark=True),
                "dotted": is_dotted(number),
                "overlay": arm.overlay,
                "cell": arm.cell,
                "failed": arm.failed,
                "remarks": sorted({remark for run in arm.runs for remark in run.remarks}),
                "found": {
                    name: found.model_dump()
                    | {"pairs": paired_differences(arm, study.arms[0], METRICS[name], study.target)}
                    for name, found in arm.found.items()
                },
                "bands": {name: bands(band_of(arm, name)) for name in CURVES},
            }
            for number, arm in enumerate(study.arms)
        ],
    }


def bands(band_3E: Any) -> list[list[float | None]] | None:
    """Lowest, mean and highest by epoch, with None for what is no number."""
    if band_3E is None:
        return None
    return [[None if value != value else value for value in row] for row in band_3E.tolist()]
