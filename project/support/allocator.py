"""Memory that a step frees is kept for the next one."""

import ctypes
import sys

# mallopt's numbers in glibc's malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, instead of handing large blocks back to the system.

    A step on a CPU frees all its activations and takes as many again. Fresh from the system, every page of them must be
    mapped and cleared first, which costs about a tenth of a small network's time. Elsewhere this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # not in musl
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST)
        mallopt(M_TOP_PAD, 64 * 2**20)
