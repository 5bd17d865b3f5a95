"""What a hostile submission is made of, and what it must get. Groups of cases are in the modules beside this one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.grade import grade
from grader.grading.ranking import Entry, standings
from grader.grading.settings import Settings
from grader.ledger.results_folder import open_results
from grader.rules import Limits, Rules
from grader.secret import BYTES, Secret
from project.training.command_line import complete_config

# So easy that four epochs of a tiny network are far above the target, and chance far below.
GLYPHS = {"train": 800, "val": 100, "test": 200, "noise": 0.0, "warp": 0.05, "clutter": 0.0}
RULES = Rules.load().but(
    target_accuracy=0.3,
    seeds_near_target=1,
    dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": GLYPHS},
    limits=Limits(minutes=2, memory_gb=3, output_mb=30, output_files=200, processes=100),
)
DEMANDING = RULES.but(reports="demand")
IMPATIENT = RULES.but(limits=RULES.limits.but(minutes=0.25))
STUDENT = "mallory"
Config = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A submission, and the verdict that it must get.

    Attributes:
        name: What it tries.
        verdict: What it must get; `passed` for honest ones and for attacks that must have no effect.
        reason: What the reason must say.
        flag: What one of the flags must say; empty where there must be none, `*` where any will do.
        change: Edits the configuration of an honest submission.
        files: Files to add or replace; None removes one.
        source: Makes the source from the folder with those files: an archive, or the folder itself.
        rules: To grade it by.
    """

    name: str
    verdict: str
    reason: str = ""
    flag: str = ""
    change: Callable[[Config], Any] = lambda config: None
    files: dict[str, str | bytes | None] = field(default_factory=dict)
    source: Callable[[Path], Path] = lambda folder: folder
    rules: Rules = field(default_factory=lambda: RULES)

    def __str__(self) -> str:
        return self.name


def honest_config() -> Config:
    """The configuration that every case begins with."""
    small = ["--model.network.width=8", "--trainer.max_epochs=4", "--data.batch_size=40"]
    return yaml.safe_load(complete_config(["--config", "configs/quickstart.yaml", *small]))


def write(case: Case, parent: Path) -> Path:
    """Write a case's submission, and return its source."""
    config = honest_config()
    case.change(config)
    folder = parent / STUDENT
    folder.mkdir(parents=True)
    files: dict[str, str | bytes | None] = {
        "config.yaml": yaml.safe_dump(config, sort_keys=False),
        "student.yaml": f"id: {STUDENT}\nname: Mallory\n",
        "REPORT.md": REPORT,
        "CONCLUSION.md": CONCLUSION,
        **case.files,
    }
    for name, content in files.items():
        if content is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return case.source(folder)


def graded(case: Case, scratch: Path) -> Entry:
    """The leaderboard's entry of a case, by way of the whole grader."""
    source = write(case, scratch / "submissions")
    results = scratch / "results"
    with open_results(results, new=True, secret=Secret(bytes(BYTES))) as opened:
        grade(source.parent if source.is_dir() else source, opened, case.rules, Settings(device="cpu"))
        return standings(opened.ledger, case.rules)[0]


def shortcomings(case: Case, entry: Entry, scratch: Path) -> list[str]:
    """How what a case got differs from what it must get, and the lines of its logs that begin with LEAKED."""
    wrong = []
    if entry.verdict != case.verdict:
        wrong.append(f"verdict {entry.verdict} ({entry.reason}), expected {case.verdict}")
    if case.reason not in entry.reason:
        wrong.append(f"reason {entry.reason!r}, expected {case.reason!r}")
    if case.flag == "" and entry.flags:
        wrong.append(f"flags {entry.flags}, expected none")
    if case.flag not in ("", "*") and not any(case.flag in flag for flag in entry.flags):
        wrong.append(f"flags {entry.flags}, expected {case.flag!r}")
    for log in (scratch / "results" / "attempts").rglob("*.log"):
        leaked = [line for line in log.read_text("utf-8", "replace").splitlines() if line.startswith("LEAKED")]
        wrong += leaked
    for text in (entry.reason, entry.name, *entry.flags):
        if not text.isprintable():
            wrong.append(f"control characters in {text!r}")
    return wrong


def set_key(path: str, value: Any) -> Callable[[Config], None]:
    """A change that sets `trainer.max_epochs` and the like."""

    def change(config: Config) -> None:
        *parents, last = path.split(".")
        for key in parents:
            config = config[key]
        config[last] = value

    return change


NETWORK = """
{top}
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes: int = 10, in_channels: int = 3):
        super().__init__()
        {init}
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(1024, num_classes)
        )

    def forward(self, images):
        {before}
        logits = self.net(images)
        {forward}
        return logits
"""


def own_network(config: Config) -> None:
    """A change to a network of the student's own."""
    config["model"]["network"] = {"class_path": "submission.mine.Net"}
    config["model"]["normalization"] = {"class_path": "project.normalization.BatchNormalization"}
    config["model"]["optimizer"]["init_args"]["lr"] = 0.02


def program(name: str, verdict: str, reason: str = "", flag: str = "", rules: Rules = RULES, **code: str) -> Case:
    """A case of tier audited: code at the import, in the building (`init`), and `before` and behind (`forward`) each use."""
    parts = {"top": "", "init": "pass", "before": "pass", "forward": "pass"} | code
    parts |= {key: parts[key].strip().replace("\n", "\n        ") for key in ("init", "before", "forward")}
    return Case(name, verdict, reason, flag, own_network, {"mine.py": NETWORK.format(**parts)}, rules=rules)
