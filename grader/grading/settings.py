"""How to grade: what the command line chooses, and what a measurement depends on besides the submission."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from grader.engines.engine import Engine
from grader.engines.local import LocalEngine
from grader.engines.machine import said_by
from grader.engines.needs import Needs
from grader.rerun.grading_data import DATA
from grader.rerun.mounted_code import REPOSITORY
from grader.rules import Rules
from grader.sandbox import bubblewrap
from project.support.errors import UserError

SPARE_MINUTES = 10  # for all that a job does beside what the rules limit


@dataclass(frozen=True)
class Settings:
    """How to grade.

    Attributes:
        device: auto, cpu or cuda.
        sandboxed: False runs student code as plain processes.
        regrade: Ids of students whose results are to be made anew.
        by, reason: Who decided that, and why.
        max_hours: No training begins after so many hours; None for no end.
        roster: A file that says who is in the class; by default `roster.csv` among the downloads, where there is one.
        accept_times: Whether the times of the downloads are taken as they are, however odd.
        engine: Where jobs run.
        back_off: Seconds before what failed through a fault of ours is tried again.
    """

    device: str = "auto"
    sandboxed: bool = True
    regrade: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""
    max_hours: float | None = None
    roster: Path | None = None
    accept_times: bool = False
    engine: Engine = LocalEngine()
    back_off: float = 5.0

    def checked(self) -> Self:
        """The same, with the device chosen. Raises UserError where this machine cannot do what is asked for."""
        if self.sandboxed and (reason := bubblewrap.unavailable()):
            raise UserError(f"no sandbox: {reason} To run student code without one, add --unsafe-no-sandbox")
        return replace(self, device=self.engine.device(self.device))


def needs(rules: Rules, settings: Settings, results: Path) -> Needs:
    """What all jobs for a results folder ask of an engine."""
    (results / DATA).mkdir(exist_ok=True)
    # Two trainings and three predictions of its own, each within the limit; trainings to wait for; and what comes between.
    # Where others took the time, a limit is twice as long.
    longest = 60 * (2 * 7 * rules.limits.minutes + SPARE_MINUTES)
    memory, per_gpu = rules.limits.memory_gb, rules.trainings_per_gpu
    return Needs(settings.device, settings.sandboxed, results / DATA, memory, per_gpu, longest)


def circumstances(rules: Rules, settings: Settings) -> dict[str, Any]:
    """What is recorded with each measurement, beside what its own machine says."""
    return {
        **settings.engine.about(settings.device),
        "sandboxed": settings.sandboxed,
        "limits": rules.limits.model_dump(),
        # The repository's commit, with a mark where files differ from it.
        "code": said_by("git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12") or "unknown",
        "max_epochs": rules.max_epochs,
    }
