"""LocalEngine: jobs run on this machine."""

import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from grader.engines import machine
from grader.engines.engine import Train, Work
from grader.engines.needs import Needs
from grader.engines.slots import Slots
from grader.ledger.measurement import Measurement
from grader.rerun.job import Job
from project.support.errors import UserError


@dataclass(frozen=True)
class LocalEngine:
    """This machine. On a CPU, `at_once` trainings run at once."""

    at_once: int = 1

    def now(self) -> float:
        return time.monotonic()

    def device(self, wanted: str) -> str:
        if wanted == "cuda" and not torch.cuda.is_available():
            raise UserError("--device cuda: torch sees no GPU; leave it at auto to train on the CPU")
        return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"

    def about(self, device: str) -> dict[str, Any]:
        return machine.about(device)

    @contextmanager
    def session(self, needs: Needs) -> Iterator[Train]:
        with closing(Slots(needs, self.at_once)) as slots, ThreadPoolExecutor(slots.count) as pool:
            try:
                yield lambda work: self.run(work, slots, pool)
            finally:
                slots.stop.set()

    def run(self, work: Work, slots: Slots, pool: Executor) -> Iterator[tuple[Job, Measurement]]:
        running: dict[Future[Measurement], Job] = {}
        while True:
            while len(running) < slots.count and (job := work.next_job()) is not None:
                running[pool.submit(slots.run, job, partial(work.watch, job))] = job
            later = work.next_time() if len(running) < slots.count else None
            pause = None if later is None else max(0.0, later - self.now())
            if not running:
                if pause is None:
                    return
                time.sleep(pause)
            for future in wait(running, pause, FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
