"""A machine's places to train: which device each has, and what starts programs there."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

import torch

from grader.rerun.fork_server import ForkServer
from grader.rerun.job import CODE, Job, Seat, run_job
from grader.rerun.machine import gpus
from grader.rerun.result import Result


@dataclass(frozen=True)
class Needs:
    """What the jobs to come have in common.

    Attributes:
        device: `cuda` or `cpu`.
        sandboxed: Whether they run in sandboxes.
        data: Folder that all of their data lies in. It exists, and may still be empty.
        per_gpu: Trainings at once on each GPU.
    """

    device: str
    sandboxed: bool
    data: Path
    per_gpu: int = 1


class Seats:
    """What this machine has for jobs, from `with` on. To be used by any number of threads.

    While a GPU trains, the next one's program prepares and waits for its turn; what comes after a training, prediction and
    scoring, goes on beside the next one. On a CPU that would only take from the training what it gives.

    Args:
        at_once: Trainings at once on a CPU, each with as many threads as torch is set to.
        ahead: Jobs for each GPU beside those that train.

    Attributes:
        count: Jobs that can be run at once.
    """

    def __init__(self, needs: Needs, at_once: int = 1, ahead: int = 1):
        self.needs, self.stop, self.stack = needs, threading.Event(), ExitStack()
        seat = Seat(threads=torch.get_num_threads(), stop=self.stop)
        if needs.device == "cpu":
            self.places, self.seats = 1, [replace(seat, turn=threading.Lock()) for _ in range(at_once)]
        else:
            self.places = needs.per_gpu + ahead
            shared = replace(seat, per_gpu=needs.per_gpu)
            self.seats = [replace(shared, gpu=gpu, turn=threading.Semaphore(needs.per_gpu)) for gpu in gpus()]
        self.count = self.places * len(self.seats)
        self.free: SimpleQueue[Seat] = SimpleQueue()
        self.lock, self.servers, self.ready = threading.Lock(), [], False

    def __enter__(self) -> "Seats":
        """Begin to import what programs will be forked from."""
        if self.needs.sandboxed:
            devices = [None] if self.needs.device == "cpu" else [seat.gpu for seat in self.seats]
            made = [ForkServer(CODE, [self.needs.data], gpu, torch.get_num_threads()) for gpu in devices]
            self.servers = [self.stack.enter_context(server) for server in made]
            for server in self.servers:
                server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    def run(self, job: Job, watch: Callable[[str], None]) -> Result:
        """Run a job where there is a place; with `count` at once, none waits for one. Raises Stopped once `stop` is set."""
        with self.lock:
            if not self.ready:
                self.furnish()
        seat = self.free.get()
        try:
            return run_job(job, watch, seat)
        finally:
            self.free.put(seat)

    def furnish(self) -> None:
        """Give each seat what starts its programs, once that is known."""
        seats = self.seats
        try:
            for server in self.servers:  # which have all begun
                server.wait_until_ready()
        except OSError as error:
            print(f"each program starts anew, which takes seconds: none can be forked here ({error})", flush=True)
        else:
            if self.servers:
                servers = self.servers * len(seats) if self.needs.device == "cpu" else self.servers
                seats = [replace(seat, launch=server, scratch=server.scratch) for seat, server in zip(seats, servers)]
        for seat in seats * self.places:  # every device once before any twice
            self.free.put(seat)
        self.ready = True
