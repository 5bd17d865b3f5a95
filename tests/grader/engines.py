"""Engines that train nothing: what becomes of a job is made up."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from grader.engines.needs import Needs
from grader.ledger.result import Result
from grader.rerun.job import Job


class MadeUp:
    """Gives every job, one after the other, the result that `result` says."""

    def __init__(self, result: Callable[[Job], Result]):
        self.result = result

    def now(self) -> float:
        return time.monotonic()

    def device(self, wanted: str) -> str:
        return "cpu"

    def about(self, device: str) -> dict[str, Any]:
        return {"device": "CPU: made up", "driver": None, "versions": {}}

    @contextmanager
    def opened(self, needs: Needs) -> Iterator[Callable[[Any], Iterator[tuple[Job, Result]]]]:
        yield self.run

    def run(self, work: Any) -> Iterator[tuple[Job, Result]]:
        while (later := work.next_time()) is not None:
            if job := work.next_job():
                yield job, self.result(job)
            else:
                time.sleep(max(0.0, later - self.now()))
