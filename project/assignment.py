"""The assignment's rules, read from `configs/assignment.yaml`, and how far a run fulfils them."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jsonargparse import ArgumentError, ArgumentParser

from project.errors import UserError

RULES = Path(__file__).resolve().parents[1] / "configs" / "assignment.yaml"


@dataclass
class Limits:
    """What one training run in the grader may use.

    Attributes:
        minutes: Wall-clock time.
        memory_gb: Memory of all its processes together, in GB (10^9 bytes).
        output_mb: Bytes that it may write, in MB (10^6 bytes).
        output_files: Files and folders that it may write.
        processes: Processes and threads at any moment.
    """

    minutes: float = 30
    memory_gb: float = 8
    output_mb: float = 500
    output_files: int = 2000
    processes: int = 256


@dataclass
class Bonus:
    """The most points that a person may give for a part.

    Attributes:
        report, conclusion: Points; the total on the leaderboard is 100 x accuracy + bonus.
    """

    report: float = 5
    conclusion: float = 5


@dataclass
class Site:
    """What the published pages show of a submission.

    Attributes:
        names: A drawn pseudonym, the name as the student gave it, or the id.
        reports: Whether report and conclusion are on the pages.
        mistakes: Images, with their labels, of which it was most wrongly sure; 0 for none, as where others may still
            hand in and a hidden test set scores.
        best: How many of the highest ranks are marked as excellent.
    """

    names: Literal["pseudonym", "name", "id"] = "pseudonym"
    reports: bool = True
    mistakes: int = 12
    best: int = 3


@dataclass
class Assignment:
    """The rules.

    Attributes:
        max_epochs: Epochs that a submission may train, at most.
        target_accuracy: Accuracy to exceed (strictly), in [0, 1].
        families: Families of which at least one strategy each must be used.
        seeds: Training runs for each submission, each with a seed of its own; the median counts.
        seeds_near_target: Training runs for those whose accuracy cannot be told from the target by as few.
        deadline: When submissions had to be there, ISO 8601 with a time zone; of several attempts the last before it counts.
        late: What becomes of what came later: `reject` it, or grade and `flag` it.
        monitor_fraction: Share of the validation split that a submission sees while it trains, in (0, 1).
        dataset: The images: `class_path` and `init_args` of a data source.
        limits: What one training run may use.
        trainings_per_gpu: How many trainings the grader may run at once on each GPU. Accuracy alone ranks; with more than
            one, the seconds on the leaderboard tell less, and a training that needs the whole memory may have to be tried again.
        bonus: The most points for report and conclusion.
        site: What the published pages show.
    """

    max_epochs: int = 15
    target_accuracy: float = 0.8
    families: list[str] = field(
        default_factory=lambda: ["optimization", "regularization", "initialization", "normalization"]
    )
    seeds: int = 1
    seeds_near_target: int = 3
    deadline: str | None = None
    late: Literal["reject", "flag"] = "reject"
    monitor_fraction: float = 0.2
    dataset: dict[str, Any] = field(default_factory=lambda: {"class_path": "project.data.glyphs.Glyphs"})
    limits: Limits = field(default_factory=Limits)
    trainings_per_gpu: int = 1
    bonus: Bonus = field(default_factory=Bonus)
    site: Site = field(default_factory=Site)

    @classmethod
    def load(cls, path: str | Path = RULES) -> "Assignment":
        """Read the rules. Raises UserError where the file is missing, a key is unknown or a value is out of range."""
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; the assignment's rules are in configs/assignment.yaml")
        parser = ArgumentParser(exit_on_error=False)
        parser.add_class_arguments(cls, "rules")
        try:
            rules = parser.instantiate(parser.parse_object({"rules": _load_yaml(path)})).rules
        except ArgumentError as error:
            raise UserError(f"{path}: {' '.join(str(error).split())}") from None
        rules._check(path)
        return rules

    @property
    def deadline_time(self) -> datetime | None:
        return None if self.deadline is None else datetime.fromisoformat(self.deadline)

    def _check(self, path: str | Path) -> None:
        try:
            zoned = self.deadline is None or self.deadline_time.tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            raise UserError(f"{path}: deadline {self.deadline!r}: write it as 2026-12-04T23:59:00+09:00")
        positive = ("max_epochs", "seeds", "seeds_near_target", "trainings_per_gpu")
        wrong = [name for name in positive if getattr(self, name) < 1]
        wrong += [name for name in ("target_accuracy", "monitor_fraction") if not 0 < getattr(self, name) < 1]
        wrong += [f"limits.{name}" for name, value in vars(self.limits).items() if value <= 0]
        wrong += [f"bonus.{name}" for name, value in vars(self.bonus).items() if value < 0]
        wrong += [f"site.{name}" for name in ("mistakes", "best") if getattr(self.site, name) < 0]
        if wrong:
            raise UserError(f"{path}: {', '.join(wrong)} out of range; see project/assignment.py for the ranges")


class Condition(NamedTuple):
    """One of the assignment's conditions: whether a run meets it, what shows it, and what to do about it."""

    name: str
    met: bool
    shown_by: str
    remedy: str


def conditions(rules: Assignment, summary: dict[str, Any]) -> list[Condition]:
    """Hold a run's summary (see project/run.py) against the rules."""
    accuracy, epochs = summary["val_accuracy"], summary["epochs"]
    shown_by = "not measured" if accuracy is None else f"{accuracy:.2%}"
    remedy = "look at figures/curves.png: a wide gap asks for regularization, a low training curve for the other three"
    if accuracy is None:
        remedy = "trainer.limit_val_batches or trainer.check_val_every_n_epoch leaves no epoch with a validation"
    found = [
        Condition(
            f"accuracy above {rules.target_accuracy:.0%}",
            accuracy is not None and accuracy > rules.target_accuracy,
            shown_by,
            remedy,
        ),
        Condition(
            f"at most {rules.max_epochs} epochs",
            epochs <= rules.max_epochs,
            f"{epochs}",
            f"try --trainer.max_epochs {rules.max_epochs}",
        ),
    ]
    for family in rules.families:
        used = summary["strategies"].get(family, [])
        shown_by = ", ".join(strategy["name"] for strategy in used) or "none"
        found.append(Condition(family, bool(used), shown_by, f"try --config configs/{family}/default.yaml"))
    return found


def _load_yaml(path: str | Path) -> dict[str, Any]:
    import yaml

    try:
        rules = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(rules, dict):
        raise UserError(f"{path}: expected `key: value` lines, found {type(rules).__name__}")
    return rules
