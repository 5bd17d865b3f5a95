"""Where jobs run. An engine asks for jobs while it has room, and yields each with its result, in the order in which they end."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from grader.rerun.fork_server import ForkServer
from grader.rerun.job import CODE, Job, Result, Seat, run_job


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

    While a GPU trains, the next one's program prepares and waits for its turn; what comes after a training, prediction and
    scoring, goes on beside the next one. On a CPU that would only take from the training what it gives.

    Attributes:
        at_once: Trainings at once on a CPU. On GPUs there are as many as GPUs.
        ahead: Jobs for each GPU beside the one that trains.
    """

    at_once: int = 1
    ahead: int = 1

    def run(
        self, next_job: Callable[[], Job | None], watch: Callable[[Job, str], None]
    ) -> Iterator[tuple[Job, Result]]:
        stop = threading.Event()
        running: dict[Future, tuple[Job, Seat]] = {}
        free: list[Seat] = []  # a device's seat as often as it has places that nobody has
        pool = None
        with ExitStack() as stack:
            try:
                while True:
                    while (pool is None or free) and (job := next_job()) is not None:
                        if pool is None:
                            places = 1 if job.device == "cpu" else 1 + self.ahead
                            free = self.seats(job, stop, stack) * places
                            pool = ThreadPoolExecutor(len(free))
                        seat = free.pop(0)
                        future = pool.submit(run_job, job, lambda line, job=job: watch(job, line), seat)
                        running[future] = job, seat
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        job, seat = running.pop(future)
                        free.append(seat)
                        yield job, future.result()
            finally:
                stop.set()
                if pool:
                    pool.shutdown()

    def seats(self, job: Job, stop: threading.Event, stack: ExitStack) -> list[Seat]:
        """A seat for each device that such jobs run on. What belongs to them ends with the stack."""
        threads = torch.get_num_threads()
        if job.device == "cpu":
            seats = [Seat(threads=threads, stop=stop)] * self.at_once
        else:
            seats = [Seat(gpu, threads, stop=stop) for gpu in range(torch.cuda.device_count())]
        seats = [replace(seat, turn=threading.Lock()) for seat in seats]
        if not job.sandboxed:
            return seats
        gpus = [None] if job.device == "cpu" else [seat.gpu for seat in seats]
        folders = [job.data.training, job.data.scoring]
        servers = [stack.enter_context(ForkServer(CODE, folders, gpu, threads)) for gpu in gpus]
        for server in servers:  # all at once; which are waited for then
            server.start()
        for server in servers:
            try:
                server.wait_until_ready()
            except OSError as error:
                print(f"each program starts anew, which takes seconds: none can be forked here ({error})", flush=True)
                return seats
        servers = servers * len(seats) if job.device == "cpu" else servers
        return [replace(seat, launch=server, scratch=server.scratch) for seat, server in zip(seats, servers)]
