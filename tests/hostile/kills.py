"""Kill the grader at random moments, again and again, and count what is lost or doubled.

Its jobs are scaled down: they take milliseconds, and some fail through a fault of ours. All else is the grader's own code:
intake, checks, ledger, leaderboard.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.hostile.classroom import faults, final_rows, miscounted, write_class

STUDENTS, SEEDS = 12, 2
GRADER = """
import random, sys, time
from pathlib import Path
from tests.grader.engines import LOST, MadeUp, graded, scored
from tests.hostile.cases import RULES

def result(job):
    time.sleep(random.uniform(0, 0.02))
    lost = random.random() < 0.1
    return LOST if lost else scored()

print("begins", flush=True)
rules = RULES.but(seeds=int(sys.argv[3]))
graded(Path(sys.argv[1]), Path(sys.argv[2]), rules, MadeUp(result), back_off=0)
"""


def kill_at_random(scratch: Path, kills: int, seed: int = 0) -> dict[str, int]:
    """Begin and kill the grader `kills` times, then let it end.

    Whenever it comes to its end, the next begins with an empty results folder, once what it left was looked at.

    Returns:
        Counts: `kills`, `finished` gradings, results `lost` and `doubled`, and students `charged` for a fault of ours.
    """
    draw = random.Random(seed)
    submissions = scratch / "submissions"
    write_class(submissions, STUDENTS)
    count = {"kills": 0, "finished": 0, "lost": 0, "doubled": 0, "charged": 0}
    results, whole = scratch / "results-0", 3.0
    while True:
        last = count["kills"] >= kills
        command = [sys.executable, "-c", GRADER, str(submissions), str(results), str(SEEDS)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        started = time.monotonic()
        if not last:
            time.sleep(draw.uniform(0, whole))
            process.send_signal(signal.SIGKILL)
        said = process.communicate(timeout=120)
        if process.returncode == 0:
            whole = max(0.1, time.monotonic() - started)
            if pending(results):
                continue  # some job was lost twice in a row: the next run tries again
            for name, number in miscounted(results, STUDENTS, SEEDS).items():
                count[name] += number
            count["finished"] += 1
            if last:
                return count
            results = scratch / f"results-{count['finished']}"
        elif process.returncode == -signal.SIGKILL:
            count["kills"] += 1
        else:
            raise AssertionError(said)


def pending(results: Path) -> bool:
    return len(final_rows(results)) < STUDENTS * SEEDS and faults(results) > 0


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        print(kill_at_random(Path(scratch), int(sys.argv[1]) if len(sys.argv) > 1 else 200))
