"""What a grading is at: live bars in a terminal, plain lines in a log."""

import math
import re
import sys
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from grader.ledger.measurement import Measurement

EPOCH = re.compile(r"epoch +(\d{1,3})/(\d{1,3})\b")
EPOCHS_BETWEEN_LINES = 5


class Status:
    """Shows how far submissions, or an ablation's variants, are. Lines of running jobs may come from other threads.

    Args:
        total: How many there are.

    Attributes:
        shown: The bars, for as long as this context lasts.
    """

    def __init__(self, total: int):
        self.total, self.done, self.before, self.in_terminal = total, 0, 0, sys.stdout.isatty()
        self.outcomes: Counter[str] = Counter()
        self.shown = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[doing]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(highlight=False, emoji=False),
            refresh_per_second=2,
            speed_estimate_period=math.inf,
            disable=not self.in_terminal,
        )
        self.whole = self.shown.add_task("all", total=total, doing="")
        self.jobs: dict[str, tuple[TaskID, set[int]]] = {}  # with the epochs that were told

    def begin(self, job: str) -> None:
        """A job has begun."""
        self.jobs[job] = self.shown.add_task(job, total=None, doing="training"), set()
        if not self.in_terminal:
            self.tell(job, "training")

    def see(self, job: str, line: str) -> None:
        """A line that a running job printed."""
        if not (found := EPOCH.match(line)) or job not in self.jobs:  # it may have ended meanwhile
            return
        epoch, epochs = map(int, found.groups())
        doing = f"training, epoch {epoch} of {epochs}"
        shown, told = self.jobs[job]
        self.shown.update(shown, completed=epoch, total=epochs, doing=doing)
        if not self.in_terminal and epoch % EPOCHS_BETWEEN_LINES == 0 and epoch not in told:
            told.add(epoch)
            self.tell(job, doing)

    def leave(self, job: str) -> None:
        """A job has ended."""
        self.shown.remove_task(self.jobs.pop(job)[0])

    def tell(self, who: str, what: str) -> None:
        """A line to keep about a submission or a job."""
        self.shown.console.print(f"[{self.done}/{self.total}] {who}: {what}", markup=False, soft_wrap=True)

    def end(self, who: str, outcome: str, reason: str, trained: Measurement | None, ran: bool = True) -> None:
        """One is done; `ran` where its outcome was not known before."""
        self.done += 1
        self.before += not ran
        self.outcomes[outcome] += 1
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        total, completed = self.total - self.before, self.done - self.before  # what takes time
        self.shown.update(self.whole, total=total, completed=completed, doing=outcomes)
        accuracy = ""
        if trained and trained.accuracy is not None:
            accuracy = f" {trained.accuracy:.2%} in {trained.seconds or 0:.0f} s"
        why = f": {reason}" if reason else ""
        self.tell(who, f"{'' if ran else 'graded before: '}{outcome}{accuracy}{why}")
