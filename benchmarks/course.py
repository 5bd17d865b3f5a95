"""A made-up course: a results folder as the grader leaves it, without a training. Curves and numbers are drawn at random."""

import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.grading.examples import CONCLUSION, REPORT
from grader.grading.walk import rules_digest, training_seed
from grader.ledger.ledger import Ledger
from grader.ledger.result import Result
from grader.ledger.results_folder import RULES_FILE, stored_secret
from grader.ledger.submission_store import keep
from grader.publish.publishing import publish
from grader.rerun.grading_data import GradingData, prepare
from grader.rules import Rules

STRATEGIES = {
    "optimization": ["SGD with Nesterov momentum", "AdamW", "Muon", "OneCycle schedule"],
    "regularization": ["weight decay", "Dropout", "RandomCrop", "LabelSmoothing", "EMA"],
    "initialization": ["He", "Xavier", "Orthogonal", "LSUV"],
    "normalization": ["BatchNorm2d", "GroupNorm", "LayerNorm"],
}
CIRCUMSTANCES = {"device": "CPU: made up", "versions": {"torch": "2.15.0"}}
SECRET = 7


@dataclass
class Student:
    """One made-up student. `accuracy` is of the first training; None is a rejected submission."""

    id: str
    name: str
    accuracy: float | None
    tier: str = "verified"
    flags: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=lambda: {"REPORT.md": REPORT, "CONCLUSION.md": CONCLUSION})
    reason: str = "config.yaml: trainer.max_epochs: 16 is not 1 to 15"
    trainings: int = 1


def students(count: int) -> list[Student]:
    """So many, a tenth of them rejected, with accuracies from 0.6 to 0.94."""
    draw = random.Random(0)
    return [
        Student(
            f"s{2026000 + number}",
            f"Student Number{number}",
            None if number % 10 == 9 else draw.uniform(0.6, 0.94),
            "audited" if number % 4 == 3 else "verified",
        )
        for number in range(count)
    ]


def write_course(results: Path, everyone: list[Student], rules: Rules) -> None:
    """Write the results folder of a graded course, and publish it."""
    write_results(results, everyone, rules)
    ledger = Ledger(results / "ledger.sqlite")
    try:
        publish(ledger, results)
    finally:
        ledger.close()


def write_results(results: Path, everyone: list[Student], rules: Rules) -> None:
    """Write what grading a course leaves, without leaderboard and pages."""
    rules = rules.but(seeds_near_target=1)  # whoever is near the target has no more trainings than others
    results.mkdir(parents=True, exist_ok=True)
    secret = stored_secret(results, SECRET)
    data = prepare(rules, secret, results)
    (results / RULES_FILE).write_text(rules.model_dump_json(indent=2))
    ledger = Ledger(results / "ledger.sqlite")
    try:
        with ledger.all_or_nothing():
            for number, student in enumerate(everyone):
                add(results, ledger, student, f"{number:064x}", rules, rules_digest(rules, secret), data)
    finally:
        ledger.close()


def add(
    results: Path, ledger: Ledger, student: Student, digest: str, rules: Rules, key: str, data: GradingData
) -> None:
    """Add a student with all trainings."""
    draw = random.Random(student.id)
    keep(results, digest, {name: text.encode() for name, text in student.texts.items()})
    ledger.take_in("2026-11-24", student.id, student.name, digest, student.tier, student.id, key)
    if student.accuracy is None:
        result = Result("rejected", student.reason)
        ledger.record("then", "now", student.id, digest, key, None, result, CIRCUMSTANCES)
        return
    strategies = {family: draw.sample(names, 1 + draw.randrange(2)) for family, names in STRATEGIES.items()}
    parameters = int(10 ** draw.uniform(4, 6.5))
    for index in range(student.trainings):
        accuracy = student.accuracy + (draw.gauss(0, 0.005) if index else 0)
        folder = results / "attempts" / student.id / f"{digest[-12:]}-{index + 1}"
        folder.mkdir(parents=True)
        curves = made_up_curves(accuracy, rules.max_epochs)
        drawn = made_up_drawing(accuracy, curves, strategies, data, draw)
        (folder / "to_draw.json").write_text(json.dumps(drawn))
        reached = [row["epoch"] for row in curves if row["val/accuracy"] > rules.target_accuracy]
        passed = accuracy > rules.target_accuracy
        result = Result(
            "passed" if passed else "below_target",
            "" if passed else f"accuracy {accuracy:.2%} is not above {rules.target_accuracy:.0%}",
            accuracy,
            rules.max_epochs,
            parameters,
            draw.uniform(20, 900),
            strategies,
            student.flags,
            {
                "samples": len(data.labels_N),
                "weights": f"{draw.getrandbits(256):064x}",
                "peak_memory": 8 * 10**8,
                "folder": str(folder.relative_to(results)),
                "epochs_to_target": reached[0] if reached else None,
            },
        )
        seed = training_seed(SECRET, index)
        ledger.record("then", "now", student.id, digest, key, seed, result, CIRCUMSTANCES)


def made_up_drawing(
    accuracy: float,
    curves: list[dict[str, float]],
    strategies: dict[str, list[str]],
    data: GradingData,
    draw: random.Random,
) -> dict[str, Any]:
    """What a training leaves for the pages."""
    images = draw.sample(range(len(data.labels_N)), min(24, len(data.labels_N)))
    return {
        "classes": data.classes,
        "scoring": "/".join(data.scoring.parts[-3:]),
        "census": {family: [{"name": n, "evidence": "made up"} for n in names] for family, names in strategies.items()},
        "curves": curves,
        "confusion": made_up_confusion(accuracy, len(data.classes), draw),
        "mistakes": [
            {"image": image, "label": number % 3, "predicted": number % 3 + 1, "share": 0.99 - number / 100}
            for number, image in enumerate(images)
        ],
    }


def made_up_curves(accuracy: float, epochs: int) -> list[dict[str, float]]:
    rows = []
    for epoch in range(1, epochs + 1):
        train, val = (top * (1 - math.exp(-4 * epoch / epochs)) / (1 - math.exp(-4)) for top in (0.99, accuracy))
        losses = {"train/loss": 2.3 * (1 - train), "val/loss": 2.3 * (1 - val)}
        rows.append(
            {"epoch": epoch, **losses, "train/accuracy": train, "val/accuracy": val, "lr": 0.1 * epoch / epochs}
        )
    return rows


def made_up_confusion(accuracy: float, classes: int, draw: random.Random) -> list[list[int]]:
    def row(label: int) -> list[int]:
        right = round(100 * min(1.0, accuracy + draw.uniform(-0.05, 0.05)))
        return [right if other == label else (100 - right) // (classes - 1) for other in range(classes)]

    return [row(label) for label in range(classes)]
