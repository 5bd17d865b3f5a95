"""Cores of the processor: which each program has for itself, so that no neighbour can slow it down."""

import os
from collections.abc import Collection
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeAlias

from grader.sandbox.resource_usage import tree

Cores: TypeAlias = frozenset[int]
Pool: TypeAlias = SimpleQueue[Cores]


def shares(count: int, cores: Collection[int]) -> list[Cores]:
    """So many equal shares of some cores, apart from each other where there are enough: what is left over, nobody has."""
    ordered, each = sorted(cores), len(cores) // count
    if each:
        return [frozenset(ordered[number * each : (number + 1) * each]) for number in range(count)]
    return [frozenset({ordered[number % len(ordered)]}) for number in range(count)]


def pools(count: int, places: int) -> list[Pool] | list[None]:
    """For each of `count` devices a pool of so many shares of this machine's cores, to take and to give back, by any
    thread; None where the system holds no program to cores."""
    if not count or not hasattr(os, "sched_getaffinity"):
        return [None] * count
    given = shares(count * places, os.sched_getaffinity(0))
    return [pool(given[number::count]) for number in range(count)]


def pool(given: Collection[Cores]) -> Pool:
    found: Pool = SimpleQueue()
    for share in given:
        found.put(share)
    return found


def pin(root: int, cores: Cores) -> None:
    """Hold a process and its descendants to some cores.

    The seccomp filter keeps a program from changing that, and whatever a thread starts later inherits it. What it was just
    about to start may escape, so do this again now and then.
    """
    while free := [task for task in tasks(root) if not held(task, cores)]:
        for task in free:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(task, cores)


def held(task: int, cores: Cores) -> bool:
    """Whether a thread runs on no other cores; also where it is gone."""
    try:
        return os.sched_getaffinity(task) <= cores
    except ProcessLookupError:
        return True


def tasks(root: int) -> list[int]:
    """The ids of all threads of a process and its descendants."""
    found: list[int] = []
    for process in tree(root):
        with suppress(OSError):  # it is gone
            found += map(int, os.listdir(f"/proc/{process.pid}/task"))
    return found
