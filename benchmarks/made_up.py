"""An engine that trains nothing: what becomes of a job is made up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grader.engines.needs import Needs
from grader.ledger.measurement import Measurement, Strategy
from grader.rerun.job import Job
from project.assignment import FAMILIES

ALL_FAMILIES = {family: [Strategy(name=f"some {family}", evidence="made up")] for family in FAMILIES}


def scored(accuracy: float = 0.9, **values: Any) -> Measurement:
    """A training that was scored."""
    known = {"samples": 100, "epochs": 1, "parameters": 10, "seconds": 1.0, "strategies": ALL_FAMILIES}
    return Measurement(outcome="scored", accuracy=accuracy, **{**known, **values})


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
