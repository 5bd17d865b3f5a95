"""Kill the grader at random moments, again and again, and count what is lost or doubled.

Its jobs are scaled down: they take a tenth of a second, and some fail through a fault of ours. All else is the grader's own code:
intake, checks, ledger, leaderboard. `python -m tests.hostile.kills [KILLS]` prints the counts.
"""

import multiprocessing
import random
import signal
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from multiprocessing.synchronize import Event
from pathlib import Path

from grader.ledger.measurement import Measurement
from grader.rerun.job import Job
from tests.grader.engines import LOST, MadeUp, graded, scored
from tests.hostile.cases import RULES
from tests.hostile.classroom import attempts, faults, final_rows, miscounted, write_class

STUDENTS, SEEDS = 12, 2
TOLD_EVERY = 20

# Importing takes seconds: each grader is the fork of a process that has imported once.
graders = multiprocessing.get_context("forkserver")
graders.set_forkserver_preload(["tests.grader.engines", "tests.hostile.classroom"])


def grade(submissions: Path, results: Path, began: Event) -> None:
    """Grade with made-up trainings, of which one in ten is lost."""
    random.seed()
    began.set()
    with redirect_stdout(StringIO()):
        graded(submissions, results, RULES.but(seeds=SEEDS), MadeUp(trained), back_off=0)


def trained(job: Job) -> Measurement:
    time.sleep(random.uniform(0, 0.2))
    return LOST if random.random() < 0.1 else scored()


def kill_at_random(scratch: Path, kills: int, seed: int = 0) -> dict[str, int]:
    """Begin and kill the grader `kills` times, at moments within the time that the last whole grading took.

    Whenever it comes to its end, the next begins with an empty results folder, once what it left was looked at. The first
    and the last are not killed.

    Returns:
        Counts: `kills`, `finished` gradings, results `lost` and `doubled`, and students `charged` for a fault of ours.
    """
    draw = random.Random(seed)
    submissions = scratch / "submissions"
    write_class(submissions, STUDENTS)
    count = {"kills": 0, "finished": 0, "lost": 0, "doubled": 0, "charged": 0}
    results, whole, known = scratch / "results-0", None, 0
    while True:
        last = count["kills"] >= kills
        began = graders.Event()
        process = graders.Process(target=grade, args=(submissions, results, began))
        process.start()
        began.wait()
        started = time.monotonic()
        if whole is not None and not last:
            process.join(draw.uniform(0, whole))
            process.kill()
        process.join(120)
        if process.exitcode == 0:
            whole = time.monotonic() - started
            if pending(results) and (now := attempts(results)) > known:
                known = now  # some job was lost twice in a row: the next run tries again, unless it gives that one up
                continue
            known = 0
            for name, number in miscounted(results, STUDENTS, SEEDS).items():
                count[name] += number
            count["finished"] += 1
            if last:
                return count
            results = scratch / f"results-{count['finished']}"
        elif process.exitcode == -signal.SIGKILL:
            count["kills"] += 1
            if count["kills"] % TOLD_EVERY == 0:
                print(count, file=sys.stderr, flush=True)
        else:
            raise AssertionError(f"the grader ended with status {process.exitcode}")


def pending(results: Path) -> bool:
    return len(final_rows(results)) < STUDENTS * SEEDS and faults(results) > 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(kill_at_random(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 200))
