"""Turns on a GPU: so many trainings at once, or one that has it alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class GPUTurns:
    """Acquired and released as a semaphore, by any thread.

    Args:
        most: How many may have their turn at once.
    """

    def __init__(self, most: int):
        self.most, self.taken = most, 0
        self.changed = threading.Condition()
        self.one_alone, self.wanted_alone = threading.Lock(), False

    def acquire(self, *, timeout: float | None = None) -> bool:
        return self.take(lambda: self.taken < self.most and not self.wanted_alone, timeout)

    def take(self, free: Callable[[], bool], timeout: float | None) -> bool:
        with self.changed:
            if found := self.changed.wait_for(free, timeout):
                self.taken += 1
            return found

    def release(self) -> None:
        with self.changed:
            self.taken -= 1
            self.changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator["TurnAlone"]:
        """A turn that comes once nobody else has one; until this ends, nobody else gets one."""
        with self.one_alone:
            self.want_alone(True)
            try:
                yield TurnAlone(self)
            finally:
                self.want_alone(False)

    def want_alone(self, wanted: bool) -> None:
        with self.changed:
            self.wanted_alone = wanted
            self.changed.notify_all()


@dataclass(frozen=True)
class TurnAlone:
    turns: GPUTurns

    def acquire(self, *, timeout: float | None = None) -> bool:
        return self.turns.take(lambda: not self.turns.taken, timeout)

    def release(self) -> None:
        self.turns.release()
