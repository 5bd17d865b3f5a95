"""What leaderboard and pages cost as a course grows: `python -m grader leaderboard`, its seconds and its memory."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.course import students, write_results
from benchmarks.measuring import in_turns, ratio, report
from grader.rules import Rules

LOOK_EVERY = 0.02  # seconds between two looks at the memory


def write_course(results: Path, count: int) -> None:
    """So many submissions, half of them trained three times, no two with the same texts."""
    everyone = students(count)
    for number, student in enumerate(everyone):
        student.trainings = 1 + 2 * (number % 2)
        student.texts = {name: f"{text}\nSigned by number {number}.\n" for name, text in student.texts.items()}
    rules = Rules.load()
    write_results(results, everyone, rules.but(site=rules.site.but(labels="always")))


def rendered(results: Path) -> tuple[float, float]:
    """Seconds and MB (10^6 bytes) that the command takes, from its start to its end, imports included.

    The memory is the highest sum, over the command and all processes that it starts, of their proportional set sizes, in
    which a page that several share counts once. The sums are sampled: a peak between two looks is missed.
    """
    started = time.perf_counter()
    command = [sys.executable, "-m", "grader", "leaderboard", str(results)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        root, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            peak = max(peak, tree_bytes(root))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return seconds, peak / 1e6


def tree_bytes(root: psutil.Process) -> int:
    """Memory of a process and its descendants; those that end meanwhile count for nothing."""
    total = 0
    try:
        for each in (root, *root.children(recursive=True)):
            total += each.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        pass
    return total


def main(sizes: list[int], rounds: int) -> dict:
    with tempfile.TemporaryDirectory() as name:
        memory: dict[str, list[float]] = {}
        arms = {}
        for size in sizes:
            results, arm = Path(name) / str(size), f"{size} submissions"
            started = time.perf_counter()
            write_course(results, size)
            print(f"{arm} made up in {time.perf_counter() - started:.1f} s", flush=True)

            def measured(results: Path = results, arm: str = arm) -> float:
                seconds, peak = rendered(results)
                memory.setdefault(arm, []).append(peak)
                return seconds

            arms[arm] = measured
        seconds = in_turns(arms, rounds, "s")
    small, large = (f"{size} submissions" for size in (min(sizes), max(sizes)))
    ratios = {
        f"{what}_growth": ratio(found[large], found[small])
        for what, found in (("seconds", seconds), ("memory", memory))
    }
    found = {f"{arm}, s": values for arm, values in seconds.items()} | {f"{arm}, MB": memory[arm] for arm in memory}
    return report("rendering", found, ratios)
