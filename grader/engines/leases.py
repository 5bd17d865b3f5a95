"""Which node holds which job. It is told the time and never asks for it, and so serves a simulated cluster as well."""

import itertools
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Lease:
    """A job in the hands of a node.

    Attributes:
        ends: When the node is taken for lost if it has not given the job back.
    """

    number: int
    job: Any
    node: str
    ends: float


class Leases:
    """All jobs that nodes hold. Each lease is ended once: what comes for it later does not count.

    Args:
        seconds: How long a node may keep a job.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.numbers = itertools.count()
        self.held: dict[int, Lease] = {}

    def __len__(self) -> int:
        return len(self.held)

    def give(self, job: Any, node: str, now: float) -> Lease:
        lease = Lease(next(self.numbers), job, node, now + self.seconds)
        self.held[lease.number] = lease
        return lease

    def end(self, number: int) -> Lease | None:
        """The job is done or lost; None where that has been said of this lease before."""
        return self.held.pop(number, None)

    def of(self, node: str) -> list[Lease]:
        return [lease for lease in self.held.values() if lease.node == node]

    def overdue(self, now: float) -> list[Lease]:
        return [lease for lease in self.held.values() if lease.ends <= now]
