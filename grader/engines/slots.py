"""A machine's places to train: which device each has, and what starts programs there."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import torch

from grader.engines.machine import gpus
from grader.engines.needs import Needs, fork_servers
from grader.ledger.measurement import Measurement
from grader.rerun.gpu_turns import GPUTurns
from grader.rerun.job import Job, Slot
from grader.rerun.mounted_code import VisibleCode
from grader.rerun.rerun import run_job
from grader.sandbox.cores import pools
from grader.sandbox.fork_server import ForkServer


class Slots:
    """What this machine has for jobs. To be used by any number of threads, and closed.

    While a GPU trains, the next training's program prepares and waits for its turn. What comes after a training, prediction
    and scoring, goes on beside the next one. On a CPU that would take more from a training than it gives, since threads that
    compute wait for each other at every step: there, a program prepares while the one before it predicts. What runs a
    student's code has cores for itself.

    Args:
        at_once: Trainings at once on a CPU, each with as many threads as torch is set to.
        code: What programs run; by default this repository's.
        servers: Of `fork_servers`, where that has been called; they are closed with the slots.

    Attributes:
        count: Jobs that can be run at once.
        stop: Set it to end whatever runs.
    """

    def __init__(
        self, needs: Needs, at_once: int, code: VisibleCode | None = None, servers: list[ForkServer] | None = None
    ):
        code, threads = code or VisibleCode(), torch.get_num_threads()
        self.stop, self.lock = threading.Event(), threading.Lock()
        slot = Slot(threads=threads, stop=self.stop, code=code, per_gpu=needs.per_gpu)
        if needs.device == "cpu":
            preparing, turn = threading.Semaphore(at_once), threading.Semaphore(at_once)
            (shares,) = pools(1, at_once)
            self.unready = [replace(slot, preparing=preparing, turn=turn, cores=shares)]
        else:
            numbers = gpus()
            turns = [GPUTurns(needs.per_gpu) for _ in numbers]
            shares_of = pools(len(numbers), needs.per_gpu + 1)  # for those that train, and one that predicts
            each = zip(numbers, turns, shares_of)
            self.unready = [
                replace(slot, gpu=gpu, turn=turn, alone=turn.alone, cores=shares) for gpu, turn, shares in each
            ]
        self.count = places(needs, len(self.unready), at_once)
        self.busy = [0] * len(self.unready)
        self.servers = fork_servers(needs, code, threads) if servers is None else servers

    def close(self) -> None:
        for server in self.servers:
            server.close()

    def run(self, job: Job, watch: Callable[[str], None]) -> Measurement:
        """Run a job where the fewest are; never more than `count` at once. Raises Stopped once `stop` is set."""
        with self.lock:
            slots, number = self.slots, self.busy.index(min(self.busy))
            self.busy[number] += 1
        try:
            return run_job(job, watch, slots[number])
        finally:
            with self.lock:
                self.busy[number] -= 1

    @cached_property
    def slots(self) -> list[Slot]:
        """One for each device, with its fork server, once all of them have imported; without, where one cannot."""
        try:
            for server in self.servers:
                server.wait_until_ready()
        except OSError as error:
            print(f"each program starts anew, which takes seconds: none can be forked here ({error})", flush=True)
            return self.unready
        pairs = zip(self.unready, self.servers)
        return [replace(slot, launch=server, scratch=server.scratch) for slot, server in pairs] or self.unready


def places(needs: Needs, gpus: int, at_once: int) -> int:
    """How many jobs a machine with so many GPUs can have at once: those that train, and those that prepare or predict."""
    return gpus * (needs.per_gpu + 1) if needs.device == "cuda" else 2 * at_once
