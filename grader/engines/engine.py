"""Where jobs run: an engine asks for jobs while it has room, and yields each with its result, in the order in which they end."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

from grader.engines.needs import Needs
from grader.ledger.measurement import Measurement
from grader.rerun.job import Job


class Work(Protocol):
    """What an engine is to run. Jobs are independent of each other; running one twice does no harm."""

    def next_job(self) -> Job | None:
        """The next job; None while there is none."""

    def next_time(self) -> float | None:
        """When to ask for a job, by the engine's clock: a time that is past where one waits. None where only a result
        can bring more: an engine that runs none is done then."""

    def watch(self, job: Job, line: str) -> None:
        """Hear a line that a job printed. Called by any thread."""


Train = Callable[[Work], Iterator[tuple[Job, Measurement]]]  # yields every job with its result, each once


class Engine(Protocol):
    """Machines, as the grader sees them."""

    def now(self) -> float:
        """Seconds, by the clock of whatever trains."""

    def device(self, wanted: str) -> str:
        """cuda or cpu, where `wanted` may be auto. Raises UserError where there is no such device."""

    def about(self, device: str) -> dict[str, Any]:
        """What results depend on, where their own machine does not tell it: see `machine.about`."""

    def session(self, needs: Needs) -> AbstractContextManager[Train]:
        """Begin to get ready for such jobs. The caller can do other things before the first of them."""
