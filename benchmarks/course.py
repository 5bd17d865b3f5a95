"""A made-up course: a results folder as the grader leaves it, without a training. Curves and numbers are drawn at random."""

import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.verdicts import checks_by
from grader.intake.system_names import MOODLE, canvas_s
from grader.ledger.measurement import Measurement, Strategy
from grader.ledger.results_folder import OpenResults, open_results, store_rules
from grader.ledger.submission_store import keep
from grader.ledger.submissions import Noted
from grader.publish.publishing import publish
from grader.rerun.grading_data import GradingData, images_key, prepare
from grader.rules import Rules
from grader.secret import BYTES, Secret, training_seed

STRATEGIES = {
    "optimization": ["SGD with Nesterov momentum", "AdamW", "Muon", "OneCycle schedule"],
    "regularization": ["weight decay", "Dropout", "RandomCrop", "LabelSmoothing", "EMA"],
    "initialization": ["He", "Xavier", "Orthogonal", "LSUV"],
    "normalization": ["BatchNorm2d", "GroupNorm", "LayerNorm"],
}
CIRCUMSTANCES = {"device": "CPU: made up", "versions": {"torch": "2.15.0"}}
SECRET = Secret(bytes(BYTES))


@dataclass
class Student:
    """One made-up student. `accuracy` is of the first training; None is a rejected submission, or one that `crashed`.

    Attributes:
        reason: Of a rejected one, what a check says.
        crashed: What is said of a training that crashed.
    """

    id: str
    name: str
    accuracy: float | None
    tier: str = "verified"
    flags: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=lambda: {"REPORT.md": REPORT, "CONCLUSION.md": CONCLUSION})
    reason: str = "config.yaml: trainer.max_epochs: 16 is not 1 to 15"
    trainings: int = 1
    source: str = ""
    crashed: str = ""


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
    with open_results(results) as opened:
        publish(opened)


def write_results(results: Path, everyone: list[Student], rules: Rules) -> None:
    """Write what grading a course leaves, without leaderboard and pages.

    All are ranked by as many trainings as the one who has most.
    """
    rules = rules.but(seeds=max((student.trainings for student in everyone), default=1), seeds_near_target=1)
    with open_results(results, new=True, secret=SECRET) as opened:
        store_rules(results, rules)
        data = prepare(rules, opened.secret, results)
        with opened.ledger.all_or_nothing():
            for number, student in enumerate(everyone):
                add(opened, student, f"{number:064x}", rules, data)


def known_as(student: Student) -> dict[str, list[str]]:
    """What a system calls a student: by the download's name, or else by the id."""
    of_canvas, of_moodle = canvas_s(student.source), MOODLE.fullmatch(student.source)
    if of_canvas:
        return {"canvas": [of_canvas["id"]]}
    return {"moodle": [of_moodle["id"]]} if of_moodle else {"id": [student.id]}


def add(opened: OpenResults, student: Student, digest: str, rules: Rules, data: GradingData) -> None:
    """Add a student with all trainings."""
    draw = random.Random(student.id)
    results, ledger = opened.folder, opened.ledger
    keep(results, digest, {name: text.encode() for name, text in student.texts.items()})
    images = images_key(rules, opened.secret)
    ledger.note(
        "2026-11-24T00:00:00+00:00",
        Noted(
            *(student.id, student.name, digest, student.tier, student.source, None, False, images),
            known_as=known_as(student),
        ),
    )
    where, _, what = student.reason.partition(": ")
    rejected = {
        "severity": "reject",
        "where": where,
        "what": what,
        "mend": "train again with --trainer.max_epochs 15 or fewer, and hand in that run",
    }
    checks = checks_by(rules)
    ledger.note_findings(
        student.id, digest, checks, [rejected] if student.accuracy is None and not student.crashed else []
    )
    if student.crashed:
        (graded,) = ledger.graded(checks, student.id)
        measurement = Measurement(outcome="crashed", said=student.crashed, flags=student.flags)
        ledger.record("then", graded, 0, training_seed(SECRET, 0), measurement, CIRCUMSTANCES)
    if student.accuracy is None:
        return
    strategies = {family: draw.sample(names, 1 + draw.randrange(2)) for family, names in STRATEGIES.items()}
    parameters = int(10 ** draw.uniform(4, 6.5))
    for index in range(student.trainings):
        accuracy = student.accuracy + (draw.gauss(0, 0.005) if index else 0)
        folder = results / "attempts" / student.id / f"{digest[-12:]}-{index + 1}"
        folder.mkdir(parents=True)
        curves = made_up_curves(accuracy, rules.max_epochs)
        drawn = made_up_drawing(accuracy, curves, data, draw)
        (folder / "to_draw.json").write_text(json.dumps(drawn))
        measurement = Measurement(
            outcome="scored",
            accuracy=accuracy,
            samples=len(data.labels_N),
            epochs=rules.max_epochs,
            parameters=parameters,
            seconds=draw.uniform(20, 900),
            peak_memory=8 * 10**8,
            strategies={f: [Strategy(name=n, evidence="made up") for n in names] for f, names in strategies.items()},
            val_accuracy=[row["val/accuracy"] for row in curves],
            flags=student.flags,
            weights=f"{draw.getrandbits(256):064x}",
            folder=str(folder.relative_to(results)),
        )
        (graded,) = ledger.graded(checks, student.id)
        ledger.record("then", graded, index, training_seed(SECRET, index), measurement, CIRCUMSTANCES)


def made_up_drawing(
    accuracy: float, curves: list[dict[str, float]], data: GradingData, draw: random.Random
) -> dict[str, Any]:
    """What a training leaves for the pages."""
    images = draw.sample(range(len(data.labels_N)), min(24, len(data.labels_N)))
    return {
        "classes": data.classes,
        "scoring": "/".join(data.scoring.parts[-3:]),
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
