"""Where jobs run: an engine asks for jobs while it has room, and yields each with its result, in the order in which they end."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from grader.rerun import machine
from grader.rerun.job import Job
from grader.rerun.needs import Needs
from grader.rerun.result import Result
from grader.rerun.seats import Seats


class Work(Protocol):
    """What an engine is to run. Jobs are independent of each other; running one twice does no harm."""

    def next_job(self) -> Job | None:
        """The next job; None while there is none."""

    def next_time(self) -> float | None:
        """By the engine's clock, when to ask for a job: now or earlier where one waits; None where only a result can
        bring more, so that an engine without running jobs is done."""

    def watch(self, job: Job, line: str) -> None:
        """Hear a line that a job printed. Called by any thread."""


Train = Callable[[Work], Iterator[tuple[Job, Result]]]  # yields every job with its result, each once


class Engine(Protocol):
    """Machines, as the grader sees them."""

    def now(self) -> float:
        """Seconds, by the clock of whatever trains."""

    def device(self, wanted: str) -> str:
        """cuda or cpu, where `wanted` may be auto. Raises UserError for what there is not."""

    def about(self, device: str) -> dict[str, Any]:
        """What results depend on, if they do not tell it themselves: see `machine.about`."""

    def opened(self, needs: Needs) -> AbstractContextManager[Train]:
        """Begin to get ready for such jobs; what else is to be done before the first of them can be done meanwhile."""


@dataclass(frozen=True)
class LocalEngine:
    """This machine.

    Attributes:
        at_once, ahead: See Seats.
    """

    at_once: int = 1
    ahead: int = 1

    def now(self) -> float:
        return time.monotonic()

    def device(self, wanted: str) -> str:
        return machine.chosen_device(wanted)

    def about(self, device: str) -> dict[str, Any]:
        return machine.about(device)

    @contextmanager
    def opened(self, needs: Needs) -> Iterator[Train]:
        with Seats(needs, self.at_once, self.ahead) as seats, ThreadPoolExecutor(seats.count) as pool:
            try:
                yield lambda work: self.run(work, seats, pool)
            finally:
                seats.stop.set()

    def run(self, work: Work, seats: Seats, pool: Executor) -> Iterator[tuple[Job, Result]]:
        running: dict[Future, Job] = {}
        while True:
            while len(running) < seats.count and (job := work.next_job()) is not None:
                running[pool.submit(seats.run, job, lambda line, job=job: work.watch(job, line))] = job
            later = work.next_time() if len(running) < seats.count else None
            pause = None if later is None else max(0.0, later - self.now())
            if not running and pause is None:
                return
            if not running:
                time.sleep(pause)
            for future in wait(running, pause, FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
