"""What a grading is at: a live table in a terminal, plain lines in a log."""

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from grader.grading.verdicts import Verdict

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
        self.live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator["Status"]:
        """Show the table while this lasts, where there is a terminal."""
        if not sys.stdout.isatty():
            yield self
            return
        with Live(get_renderable=self.table, console=Console(highlight=False), refresh_per_second=2) as self.live:
            yield self

    def begin(self, job: str, doing: str) -> None:
        """A job has begun."""
        self.running[job] = doing, time.monotonic()
        if not self.live:
            self.tell(job, doing)

    def see(self, job: str, line: str) -> None:
        """A line that a running job printed."""
        if (found := EPOCH.match(line)) and job in self.running:
            epoch, epochs = map(int, found.groups())
            doing = f"training, epoch {epoch} of {epochs}"
            self.running[job] = doing, self.running[job][1]
            if not self.live and epoch % EPOCHS_BETWEEN_LINES == 0:
                self.tell(job, doing)

    def leave(self, job: str) -> None:
        """A job has ended."""
        self.running.pop(job, None)

    def tell(self, who: str, what: str) -> None:
        """A line to keep about a submission or a job."""
        line = f"[{self.done}/{self.total}] {who}: {what}"
        if self.live:
            self.live.console.print(line, markup=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def end(self, student: str, verdict: Verdict, ran: bool) -> None:
        """A submission has its verdict; `ran` where it was not known before."""
        self.done += 1
        self.ran += ran
        self.verdicts[verdict.name] += 1
        ranked = verdict.ranked
        accuracy = "" if ranked is None else f" {ranked.accuracy:.2%} in {ranked.seconds:.0f} s"
        why = f": {verdict.reason}" if verdict.reason else ""
        self.tell(student, f"{'' if ran else 'graded before: '}{verdict.name}{accuracy}{why}")

    def left(self) -> float | None:
        """Seconds that the rest will take, if it goes on as it did."""
        if not self.ran:
            return None
        return (time.monotonic() - self.started) / self.ran * (self.total - self.done)

    def table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("running", "", "for", "done", "verdicts", "left"):
            table.add_column(column, style="bold" if column == "running" else None)
        left = self.left()
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items())) or "none yet"
        of_all = (f"{self.done} of {self.total}", verdicts, "" if left is None else clock(left))
        rows = [(student, doing, clock(time.monotonic() - since)) for student, (doing, since) in self.running.items()]
        for number, row in enumerate(rows or [("", "", "")]):
            table.add_row(*row, *(of_all if number == 0 else ("", "", "")))
        return table


def clock(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
