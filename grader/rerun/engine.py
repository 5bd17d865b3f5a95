"""Where jobs run. An engine asks for jobs while it has room, and yields each with its result, in the order in which they end."""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

from grader.rerun.job import Job
from grader.rerun.result import Result
from grader.rerun.seats import Needs, Seats


class Engine(Protocol):
    """Jobs are independent of each other; running one twice does no harm."""

    def run(
        self, next_job: Callable[[], Job | None], watch: Callable[[Job, str], None], needs: Needs
    ) -> Iterator[tuple[Job, Result]]:
        """Yield every job with its result.

        Args:
            next_job: Gives the next job; None while there is none. It is asked again after each result, and the engine is
                done when it has nothing left and gets nothing more.
            watch: Gets each line that a job prints. Called by other threads.
            needs: What the jobs have in common.
        """


@dataclass(frozen=True)
class LocalEngine:
    """This machine.

    Attributes:
        at_once, ahead: See Seats.
    """

    at_once: int = 1
    ahead: int = 1

    def run(
        self, next_job: Callable[[], Job | None], watch: Callable[[Job, str], None], needs: Needs
    ) -> Iterator[tuple[Job, Result]]:
        running: dict[Future, Job] = {}
        with Seats(needs, self.at_once, self.ahead) as seats, ThreadPoolExecutor(seats.count) as pool:
            try:
                while True:
                    while len(running) < seats.count and (job := next_job()) is not None:
                        running[pool.submit(seats.run, job, lambda line, job=job: watch(job, line))] = job
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            finally:
                seats.stop.set()
