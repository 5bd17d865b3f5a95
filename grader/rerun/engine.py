"""Where jobs run. An engine takes jobs and yields each with its result, in the order in which they end."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from grader.rerun.job import Job, Result, run_job


class Engine(Protocol):
    """Jobs are independent of each other; running one twice does no harm."""

    def run(self, jobs: Iterable[Job], watch: Callable[[Job, str], None]) -> Iterator[tuple[Job, Result]]:
        """Yield every job with its result. `watch` gets each line that a job prints."""


class LocalEngine:
    """One job after another, on this machine."""

    def run(self, jobs: Iterable[Job], watch: Callable[[Job, str], None]) -> Iterator[tuple[Job, Result]]:
        for job in jobs:
            yield job, run_job(job, lambda line: watch(job, line))
