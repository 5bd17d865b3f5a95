"""Engines that train nothing: what becomes of a job is made up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grader.engines.needs import Needs
from grader.grading.grade import grade
from grader.grading.settings import Settings
from grader.ledger.ledger import Noted
from grader.ledger.measurement import Measurement, Strategy
from grader.ledger.results_folder import open_results
from grader.publish.publishing import publish
from grader.rerun.job import Job
from grader.rules import Rules
from grader.secret import BYTES, Secret
from project.assignment import FAMILIES

ALL_FAMILIES = {family: [Strategy(name=f"some {family}", evidence="made up")] for family in FAMILIES}
LOST = Measurement(outcome="infrastructure", said="gone")
CRASHED = Measurement(outcome="crashed", said="training crashed: no")


def scored(accuracy: float = 0.9, **values: Any) -> Measurement:
    """A training that was scored."""
    known = {"samples": 100, "epochs": 1, "parameters": 10, "seconds": 1.0, "strategies": ALL_FAMILIES}
    return Measurement(outcome="scored", accuracy=accuracy, **{**known, **values})


def noted(student: str, digest: str = "d", name: str | None = None, tier: str = "verified") -> Noted:
    return Noted(student, name or student.title(), digest, tier, student, None, False, "images")


TESTS = Secret(bytes(BYTES))


def graded(
    folder: Path,
    results: Path,
    rules: Rules,
    engine: Any = None,
    sandboxed: bool = False,
    secret: Secret = TESTS,
    **settings: Any,
) -> str:
    """Grade a folder, on an engine where one is given, and publish it. Returns the leaderboard as a table."""
    settings |= {} if engine is None else {"engine": engine}
    with open_results(results, new=True, secret=secret) as opened:
        grade(folder, opened, rules, Settings("cpu", sandboxed, **settings))
        return publish(opened)


class MadeUp:
    """Gives every job, one after the other, the measurement that `result` says."""

    def __init__(self, result: Callable[[Job], Measurement]):
        self.result = result

    def now(self) -> float:
        return time.monotonic()

    def device(self, wanted: str) -> str:
        return "cpu"

    def about(self, device: str) -> dict[str, Any]:
        return {"device": "CPU: made up", "driver": None, "versions": {}}

    @contextmanager
    def session(self, needs: Needs) -> Iterator[Callable[[Any], Iterator[tuple[Job, Measurement]]]]:
        yield self.run

    def run(self, work: Any) -> Iterator[tuple[Job, Measurement]]:
        while (later := work.next_time()) is not None:
            if job := work.next_job():
                yield job, self.result(job)
            else:
                time.sleep(max(0.0, later - self.now()))
