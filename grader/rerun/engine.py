"""Where jobs run. An engine asks for jobs while it has room, and yields each with its result, in the order in which they end."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import torch

from grader.rerun.job import Job, Result, Seat, run_job


class Engine(Protocol):
    """Jobs are independent of each other; running one twice does no harm."""

    def run(
        self, next_job: Callable[[], Job | None], watch: Callable[[Job, str], None]
    ) -> Iterator[tuple[Job, Result]]:
        """Yield every job with its result.

        Args:
            next_job: Gives the next job; None while there is none. It is asked again after each result, and the engine is
                done when it has nothing left and gets nothing more.
            watch: Gets each line that a job prints. Called by other threads.
        """


@dataclass(frozen=True)
class LocalEngine:
    """This machine: so many trainings at once, each on a GPU of its own, or with as many of the processor's threads as torch is set to.

    While one trains, the next one's sandbox has started, imported, and waits for its turn; what comes after a training,
    prediction and scoring, goes on beside the next one.

    Attributes:
        at_once: Trainings at once on a CPU. On GPUs there are as many as GPUs.
        ahead: Jobs for each device beside the one that trains.
    """

    at_once: int = 1
    ahead: int = 1

    def run(
        self, next_job: Callable[[], Job | None], watch: Callable[[Job, str], None]
    ) -> Iterator[tuple[Job, Result]]:
        stop = threading.Event()
        running: dict[Future, tuple[Job, int]] = {}
        free: list[int] = []  # a number of a device for each place that nobody has
        turns: list[threading.Lock] = []
        pool = None
        try:
            while True:
                while (pool is None or free) and (job := next_job()) is not None:
                    if pool is None:
                        devices = torch.cuda.device_count() if job.device == "cuda" else self.at_once
                        turns = [threading.Lock() for _ in range(devices)]
                        free = list(range(devices)) * (1 + self.ahead)
                        pool = ThreadPoolExecutor(len(free))
                    device = free.pop(0)
                    seat = Seat(device, torch.get_num_threads(), turns[device], stop)
                    future = pool.submit(run_job, job, lambda line, job=job: watch(job, line), seat)
                    running[future] = job, device
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job, device = running.pop(future)
                    free.append(device)
                    yield job, future.result()
        finally:
            stop.set()
            if pool:
                pool.shutdown()
