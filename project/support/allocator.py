"""Keeping the memory that a step frees for the next step."""

import ctypes
import sys

# mallopt's parameters, from glibc's malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Have glibc keep freed memory instead of giving large blocks back to the system. Without glibc, do nothing.

    A step on a CPU frees all its activations, and the next one needs as much again. The system would have to map and clear
    every page of it first, which takes about a tenth of a small network's time.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # musl has none
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST)
        mallopt(M_TOP_PAD, 64 * 2**20)
