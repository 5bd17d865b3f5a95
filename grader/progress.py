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

from grader.rerun.result import Result

EPOCH = re.compile(r"epoch +(\d{1,6})/(\d{1,6})")
EPOCHS_BETWEEN_LINES = 5


class Progress:
    """Shows each submission's way to its verdict.

    Args:
        total: Number of submissions.
    """

    def __init__(self, total: int):
        self.total, self.done = total, 0
        self.verdicts: Counter[str] = Counter()
        self.spent: list[float] = []  # seconds of each submission that was really run
        self.label, self.doing, self.started = "", "", time.monotonic()
        self.live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator["Progress"]:
        """Show the table while this lasts, where there is a terminal."""
        if not sys.stdout.isatty():
            yield self
            return
        with Live(get_renderable=self.table, console=Console(highlight=False), refresh_per_second=2) as self.live:
            yield self
            self.label = self.doing = ""

    def begin(self, student: str, doing: str) -> None:
        """A submission's turn has come."""
        self.label, self.started = f"[{self.done + 1}/{self.total}] {student}", time.monotonic()
        self.show(doing)

    def show(self, doing: str) -> None:
        self.doing = doing
        if not self.live:
            self.say(f"{self.label}: {doing}")

    def see(self, line: str) -> None:
        """A line that the running job printed."""
        if found := EPOCH.match(line):
            epoch, epochs = map(int, found.groups())
            self.doing = f"training, epoch {epoch} of {epochs}"
            if not self.live and epoch % EPOCHS_BETWEEN_LINES == 0:
                self.say(f"{self.label}: {self.doing}")

    def tell(self, what: str) -> None:
        """A line to keep, about the submission under way."""
        self.say(f"{self.label}: {what}")

    def end(self, result: Result, ran: bool) -> None:
        """A submission has its verdict; `ran` where it was not known before."""
        self.done += 1
        self.verdicts[result.verdict] += 1
        if ran:
            self.spent.append(time.monotonic() - self.started)
        accuracy = "" if result.accuracy is None else f" {result.accuracy:.2%} in {result.seconds:.0f} s"
        why = f": {result.reason}" if result.reason else ""
        self.tell(f"{'' if ran else 'graded before: '}{result.verdict}{accuracy}{why}")

    def say(self, line: str) -> None:
        if self.live:
            self.live.console.print(line, markup=False, soft_wrap=True)
        else:
            print(line, flush=True)

    def left(self) -> float | None:
        """Seconds that the rest will take, if each takes as long as those before."""
        if not self.spent:
            return None
        mean = sum(self.spent) / len(self.spent)
        return max(0.0, mean * (self.total - self.done) - (time.monotonic() - self.started))

    def table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("running", "", "for", "done", "verdicts", "left"):
            table.add_column(column, style="bold" if column == "running" else None)
        left = self.left()
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items())) or "none yet"
        spent = clock(time.monotonic() - self.started) if self.label else ""
        done = f"{self.done} of {self.total}"
        table.add_row(self.label, self.doing, spent, done, verdicts, "" if left is None else clock(left))
        return table


def clock(seconds: float) -> str:
    """1:02:03, or 2:03 below an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
