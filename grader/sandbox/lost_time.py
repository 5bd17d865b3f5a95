"""The time that others took from a program's cores while it waited for them: a neighbour, or the machine's host.

All of it is what the kernel counts, and nothing that a program says. It is never more than its cores were busy without it,
so that nobody gets more of the processor than the cores have within the limit, whatever waits for whom: a program that
keeps itself waiting, by threads of its own, gains nothing. See proc_stat(5), and Documentation/scheduler/sched-stats.rst.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from grader.sandbox.control_group import ControlGroup
from grader.sandbox.cores import Cores, tasks

SECONDS_BETWEEN = 1.0  # in less, the kernel's ticks tell little
COLUMNS = (0, 1, 2, 7)  # of /proc/stat: user, nice, system, and steal, but no interrupts: a program can cause these


class Seen(NamedTuple):
    """What the kernel has counted, in seconds.

    Attributes:
        at: By the clock on the wall.
        busy: Of the program's cores, by whomever.
        own: Of the processor, by the program.
        grader: By the grader's own process, whose work is nobody's excuse: a program can cause it.
        waited: By thread, ready to run and not running.
    """

    at: float
    busy: float
    own: float
    grader: float
    waited: dict[int, float]


def taken(before: Seen, after: Seen, cores: int, tick: float) -> float:
    """Seconds by which others delayed a program: their share of its cores, and not longer than its threads waited."""
    others = (after.busy - before.busy) - (after.own - before.own) - (after.grader - before.grader) - tick * cores
    waited = sum(max(0.0, now - before.waited.get(task, 0.0)) for task, now in after.waited.items())
    return max(0.0, min(others, waited) / cores)


class LostTime:
    """How long a program that is held to its cores was kept from them by others, from now on.

    Args:
        root: Its first process.
        group: That counts what all of its processes take, those included that nobody has seen.

    Attributes:
        seconds: Up to the last look. None are lost where the kernel does not count what is needed.
    """

    def __init__(self, root: int, cores: Cores, group: ControlGroup):
        self.root, self.cores, self.group = root, cores, group
        self.tick = 1 / os.sysconf("SC_CLK_TCK")
        self.seconds = 0.0
        self.last = self.seen()

    def look(self) -> None:
        """To be called now and then."""
        if self.last and time.monotonic() - self.last.at >= SECONDS_BETWEEN and (now := self.seen()):
            self.seconds += taken(self.last, now, len(self.cores), self.tick)
            self.last = now

    def seen(self) -> Seen | None:
        with suppress(OSError, ValueError, IndexError, KeyError):
            at, busy = time.monotonic(), busy_seconds(self.cores, self.tick)
            waited = {task: wait for task in tasks(self.root) if (wait := seconds_waited(task)) is not None}
            return Seen(at, busy, self.group.processor_seconds(), time.process_time(), waited)
        return None


def busy_seconds(cores: Cores, tick: float) -> float:
    """What some cores have worked, all together. Raises KeyError where the kernel does not tell it of one."""
    lines = (line.split() for line in Path("/proc/stat").read_text().splitlines() if line.startswith("cpu"))
    told = {name: numbers for name, *numbers in lines}
    return sum(int(told[f"cpu{core}"][column]) for core in cores for column in COLUMNS) * tick


def seconds_waited(task: int) -> float | None:
    """How long a thread has waited for a core; None where it is gone."""
    with suppress(OSError):
        return int(Path(f"/proc/{task}/schedstat").read_text().split()[1]) / 1e9
    return None
