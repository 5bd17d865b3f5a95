"""What a tree of processes uses: memory, threads, and room in a folder."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import psutil


def usage(root: int) -> tuple[int, int]:
    """Memory in bytes and number of threads of a process and its descendants.

    Memory is the proportional set size (PSS), so that pages shared by several processes count once; where the kernel
    does not tell it, the resident set size.
    """
    memory = tasks = 0
    for process in tree(root):
        with suppress(psutil.Error):
            memory += proportional_memory(process)
            tasks += process.num_threads()
    return memory, tasks


def tree(root: int) -> list[psutil.Process]:
    """A process and its descendants; none where it is gone."""
    with suppress(psutil.Error):
        first = psutil.Process(root)
        return [first, *first.children(recursive=True)]
    return []


def proportional_memory(process: psutil.Process) -> int:
    """PSS of one process in bytes, else its resident size."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return process.memory_info().rss


def room(file: os.stat_result) -> int:
    """Bytes of a file: its length, or what was set aside for it, if that is more than twice as much. File systems themselves
    set aside as much again for a file that grows."""
    return max(file.st_size, file.st_blocks * 512 - file.st_size)


def unlinked_bytes(root: int, folder: Path) -> int:
    """Bytes of the files on a folder's file system that have no name any more, but are open in a process or a descendant."""
    device, found = folder.stat().st_dev, dict[int, int]()
    for process in tree(root):
        with suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as descriptors:
            for descriptor in descriptors:
                with suppress(OSError):
                    file = os.stat(descriptor.path)
                    if stat.S_ISREG(file.st_mode) and file.st_dev == device and not file.st_nlink:
                        found[file.st_ino] = room(file)
    return sum(found.values())


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
                        written += room(entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue
        except OSError:
            return written, enough + 1
    return written, entries
