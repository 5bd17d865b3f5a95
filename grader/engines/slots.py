"""A machine's places to train: which device each has, and what starts programs there."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import torch

from grader.engines.machine import gpus
from grader.engines.needs import Needs, fork_servers
from grader.ledger.measurement import Measurement
from grader.rerun.job import Job, Slot
from grader.rerun.rerun import run_job
from grader.rerun.visible_code import VisibleCode
from grader.sandbox.fork_server import ForkServer


class Slots:
    """What this machine has for jobs, from `with` on. To be used by any number of threads.

    While a GPU trains, the next one's program prepares and waits for its turn; what comes after a training, prediction and
    scoring, goes on beside the next one. On a CPU that would take more from a training than it gives, since threads that
    compute wait for each other at every step: there, a program prepares while the one before it predicts.

    Args:
        at_once: Trainings at once on a CPU, each with as many threads as torch is set to.
        ahead: Jobs for each GPU beside those that train.
        code: That programs run; by default this repository's.
        servers: Of `fork_servers`, where that has been called; they are ended with the slots.

    Attributes:
        count: Jobs that can be run at once.
    """

    def __init__(
        self,
        needs: Needs,
        at_once: int = 1,
        ahead: int = 1,
        code: VisibleCode | None = None,
        servers: list[ForkServer] | None = None,
    ):
        self.needs, self.code, self.stop, self.stack = needs, code or VisibleCode(), threading.Event(), ExitStack()
        slot = Slot(threads=torch.get_num_threads(), stop=self.stop, code=self.code)
        if needs.device == "cpu":
            preparing, turn = threading.Semaphore(at_once), threading.Semaphore(at_once)
            self.slots = [replace(slot, preparing=preparing, turn=turn)]
        else:
            shared = replace(slot, per_gpu=needs.per_gpu)
            self.slots = [replace(shared, gpu=gpu, turn=threading.Semaphore(needs.per_gpu)) for gpu in gpus()]
        self.count = places(needs, len(self.slots), at_once, ahead)
        self.busy = [0] * len(self.slots)
        self.lock, self.servers, self.ready = threading.Lock(), servers, False

    def __enter__(self) -> "Slots":
        """Begin to import what programs will be forked from."""
        if self.servers is None:
            self.servers = fork_servers(self.needs, self.code, torch.get_num_threads())
        for server in self.servers:
            self.stack.enter_context(server)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.close()

    def run(self, job: Job, watch: Callable[[str], None]) -> Measurement:
        """Run a job where the fewest are; never more than `count` at once. Raises Stopped once `stop` is set."""
        with self.lock:
            if not self.ready:
                self.bind_launchers()
            number = self.busy.index(min(self.busy))
            self.busy[number] += 1
        try:
            return run_job(job, watch, self.slots[number])
        finally:
            with self.lock:
                self.busy[number] -= 1

    def bind_launchers(self) -> None:
        """Give each slot what starts its programs, once that is known."""
        self.ready = True
        try:
            for server in self.servers:  # which have all begun
                server.wait_until_ready()
        except OSError as error:
            print(f"each program starts anew, which takes seconds: none can be forked here ({error})", flush=True)
            return
        if self.servers:
            self.slots = [
                replace(slot, launch=server, scratch=server.scratch) for slot, server in zip(self.slots, self.servers)
            ]


def places(needs: Needs, gpus: int, at_once: int, ahead: int) -> int:
    """How many jobs a machine with so many GPUs can have at once: see Slots."""
    return gpus * (needs.per_gpu + ahead) if needs.device == "cuda" else 2 * at_once
