"""What a grading is at: a live table in a terminal, plain lines in a log."""

import re
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.table import Table

from grader.grading.verdicts import Verdict
from grader.ledger.measurement import Measurement

EPOCH = re.compile(r"epoch +(\d{1,6})/(\d{1,6})")
EPOCHS_BETWEEN_LINES = 5


class Status:
    """Shows each submission's way to its verdict. Lines of running jobs may come from other threads.

    Args:
        total: Number of submissions.
    """

    def __init__(self, total: int):
        self.total, self.done, self.ran = total, 0, 0
        self.verdicts: Counter[str] = Counter()
        self.running: dict[str, tuple[str, float]] = {}  # what each is at, and since when
        self.started = time.monotonic()
        self.console, self.in_terminal = Console(highlight=False, emoji=False), sys.stdout.isatty()

    def shown(self) -> AbstractContextManager[object]:
        """The table, for as long as this lasts, where there is a terminal."""
        if not self.in_terminal:
            return nullcontext()
        return Live(get_renderable=self.table, console=self.console, refresh_per_second=2)

    def begin(self, job: str) -> None:
        """A job has begun."""
        self.running[job] = "training", time.monotonic()
        if not self.in_terminal:
            self.tell(job, "training")

    def see(self, job: str, line: str) -> None:
        """A line that a running job printed."""
        if (found := EPOCH.match(line)) and (running := self.running.get(job)):
            epoch, epochs = map(int, found.groups())
            doing = f"training, epoch {epoch} of {epochs}"
            self.running[job] = doing, running[1]
            if not self.in_terminal and epoch % EPOCHS_BETWEEN_LINES == 0:
                self.tell(job, doing)

    def leave(self, job: str) -> None:
        """A job has ended."""
        self.running.pop(job, None)

    def tell(self, who: str, what: str) -> None:
        """A line to keep about a submission or a job."""
        self.console.print(f"[{self.done}/{self.total}] {who}: {what}", markup=False, soft_wrap=True)

    def end(self, student: str, verdict: Verdict, ran: bool) -> None:
        """A submission has its verdict; `ran` where it was not known before."""
        self.done += 1
        self.ran += ran
        self.verdicts[verdict.name] += 1
        accuracy = f" {told(verdict.ranked)}" if verdict.ranked else ""
        why = f": {verdict.reason}" if verdict.reason else ""
        self.tell(student, f"{'' if ran else 'graded before: '}{verdict.name}{accuracy}{why}")

    def table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("running", "", "for", "done", "verdicts", "left"):
            table.add_column(column, style="bold" if column == "running" else None)
        now = time.monotonic()
        left = clock((now - self.started) / self.ran * (self.total - self.done)) if self.ran else ""
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items())) or "none yet"
        running = self.running.copy()  # other threads change it
        rows = [(job, doing, clock(now - since)) for job, (doing, since) in running.items()] or [("", "", "")]
        table.add_row(*rows[0], f"{self.done} of {self.total}", verdicts, left)
        for row in rows[1:]:
            table.add_row(*row)
        return table


def told(measurement: Measurement) -> str:
    """How a training ended, in a few words."""
    if measurement.accuracy is None:
        return measurement.said
    return f"{measurement.accuracy:.2%} in {measurement.seconds or 0:.0f} s"


def clock(seconds: float) -> str:
    """Such as 1:02:03."""
    return str(timedelta(seconds=round(seconds)))
