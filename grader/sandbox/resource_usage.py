"""What a tree of processes uses: memory, threads, and room in a folder."""

import os
from contextlib import suppress
from pathlib import Path

import psutil


def usage(root: int) -> tuple[int, int]:
    """Memory in bytes and number of threads of a process and its descendants.

    Memory is the proportional set size (PSS), so that pages shared by several processes count once; where the kernel
    does not tell it, the resident set size.
    """
    memory = tasks = 0
    with suppress(psutil.Error):  # it is gone
        first = psutil.Process(root)
        for process in [first, *first.children(recursive=True)]:
            with suppress(psutil.Error):
                memory += proportional_memory(process)
                tasks += process.num_threads()
    return memory, tasks


def proportional_memory(process: psutil.Process) -> int:
    """PSS of one process in bytes, else its resident size."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return process.memory_info().rss


def folder_contents(folder: Path, enough: int) -> tuple[int, int]:
    """Bytes of the regular files below a folder, and its number of files and folders; links are not followed.

    Counting stops after `enough` entries, so that a flood of files does not keep the watch busy. What cannot be looked
    at, such as folders nested deeper than a path may be long, counts as too many.
    """
    written = entries = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as found:
                for entry in found:
                    entries += 1
                    if entries > enough:
                        return written, entries
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        written += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:
            continue
        except OSError:
            return written, enough + 1
    return written, entries
