"""Which training is next. It is told the time and never asks for it, so that a simulated course can use this very code."""

import heapq
import math
from dataclasses import dataclass, replace

MOST_ATTEMPTS = 4  # in one run of the grader, where failures are ours; the next run tries again

Order = tuple[bool, int, bool, float, str]


@dataclass(frozen=True)
class Task:
    """One training that is wanted.

    Attributes:
        index: Number of the training among those of the student's submission, from 0.
        urgent: Decides about the target: it comes before all others.
        verified: Comes before audited ones, which are compared with the verified.
        work: Estimate of how long it takes, in any unit.
        attempt: How often it has been tried before.
    """

    student: str
    index: int = 0
    urgent: bool = False
    verified: bool = True
    work: float = 1.0
    attempt: int = 0

    @property
    def order(self) -> Order:
        """First what is urgent; then everybody's first training before anybody's second, verified ones, the longest."""
        return (not self.urgent, self.index, not self.verified, -self.work, self.student)

    @property
    def label(self) -> str:
        """The student, and which of the student's trainings it is, but for the first."""
        return f"{self.student} ({self.index + 1})" if self.index else self.student


class Schedule:
    """Trainings that wait.

    Args:
        back_off: Seconds before a training whose failure was ours is tried again; twice as many for each further time.
    """

    def __init__(self, back_off: float = 5.0):
        self.back_off = back_off
        self.known: set[tuple[str, int]] = set()  # student and number of what was added
        self.ready: list[tuple[Order, Task]] = []
        self.delayed: list[tuple[float, Order, Task]] = []

    def add(self, task: Task) -> bool:
        """Have a training made; False where it was added before, whatever has become of it."""
        if new := (task.student, task.index) not in self.known:
            self.known.add((task.student, task.index))
            heapq.heappush(self.ready, (task.order, task))
        return new

    def again(self, task: Task, now: float) -> bool:
        """Have a task tried again, later; False where it has been tried often enough."""
        if task.attempt + 1 >= MOST_ATTEMPTS:
            return False
        later = now + self.back_off * 2**task.attempt
        heapq.heappush(self.delayed, (later, task.order, replace(task, attempt=task.attempt + 1)))
        return True

    def take(self, now: float) -> Task | None:
        """The next task; None where none is ready."""
        while self.delayed and self.delayed[0][0] <= now:
            heapq.heappush(self.ready, heapq.heappop(self.delayed)[1:])
        return heapq.heappop(self.ready)[-1] if self.ready else None

    def next_time(self) -> float | None:
        """When to take the next task: long ago where one is ready; None where nothing waits."""
        if self.ready:
            return -math.inf
        return self.delayed[0][0] if self.delayed else None
