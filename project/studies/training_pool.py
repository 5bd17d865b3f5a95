"""Many trainings at once, one thread each, in processes forked from one that has imported everything.

A training is kept by a digest of all that decides it, and its seed. What is kept is not trained again. A folder of that name
is there only once its training has ended well.
"""

import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
import yaml
from tqdm import tqdm

from project.studies.measurements import MEASUREMENTS
from project.studies.metric_names import MetricName
from project.studies.one_training import RunResult, fitted
from project.studies.training_digest import digest_of
from project.support.errors import UserError
from project.support.files import write_atomically
from project.support.own_code import own_error
from project.training.command_line import completed
from project.training.configuration import Settings

KILLED = -9  # exit code; Windows, which has no signals, knows no name for it
GPU_MEMORY = 4 * 1024**3  # bytes that a training is given: its network and images, and CUDA's own
NO_MEMORY = re.compile(r"out of memory|not enough memory|can't allocate memory|ALLOC_FAILED", re.IGNORECASE)
RESULT, ERROR, LOG = "result.json", "error.txt", "log.txt"


class Job(NamedTuple):
    """A training to do: its settings, its seed, the name that it is kept by, and what is measured besides."""

    settings: Settings
    seed: int
    digest: str
    measure: tuple[MetricName, ...] = ()


class Training(NamedTuple):
    """A job under way: its process, and the folder that it writes to."""

    job: Job
    process: BaseProcess
    place: Path


class Failure(NamedTuple):
    """Why a training came to nothing, in one line."""

    said: str


def jobs_for(
    settings: Settings, complete: dict[str, Any], seeds: Iterable[int], measure: Sequence[MetricName] = ()
) -> list[Job]:
    """An arm's trainings, one with each seed.

    Args:
        settings: Merged.
        complete: The complete configuration that they give.
        seeds: In place of the configuration's.
        measure: What is measured besides.
    """
    measured = tuple(name for name in measure if name in MEASUREMENTS)  # all else is there in any case
    digest = digest_of(complete, measured)
    return [Job(settings, seed, f"{digest}-{seed}", measured) for seed in seeds]


def complete_of(settings: Settings) -> dict[str, Any]:
    """The complete configuration, but for its seed. Raises UserError where a setting is wrong."""
    complete: dict[str, Any] = yaml.safe_load(completed(settings))
    return complete | {"seed_everything": 0}


def trained(
    jobs: Iterable[Job], folder: Path, workers: int, skipped: Callable[[Job], bool] = lambda job: False
) -> Generator[tuple[Job, RunResult | Failure], None, None]:
    """Train what is not kept yet, and give each job's outcome as soon as it is known: first those that are kept.

    Whoever stops in between stops the trainings that are under way.

    Args:
        jobs: In the order in which they are to begin.
        folder: Where results are kept.
        workers: Trainings at once, >= 1.
        skipped: Asked before a training begins, whether it is still wanted.
    """
    waiting: deque[Job] = deque()
    for job in jobs:
        if (kept := read_result(folder / job.digest)) is not None:
            yield job, kept
        else:
            waiting.append(job)
    if not waiting:
        return
    sweep(folder)
    context = process_context()
    running: list[Training] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.popleft()
                if not skipped(job):
                    running.append(prepared(job, folder, context))
                    running[-1].process.start()
            if not running:  # all that were left are no longer wanted
                return
            ended = set(wait([training.process.sentinel for training in running]))
            for training in [training for training in running if training.process.sentinel in ended]:
                training.process.join()
                running.remove(training)
                yield training.job, outcome(training.process, training.place, folder / training.job.digest)
    finally:
        for training in running:
            if training.process.pid:  # one that is stopped while it starts ends with this process
                training.process.kill()
                training.process.join()
            shutil.rmtree(training.place, ignore_errors=True)


def prepared(job: Job, folder: Path, context: BaseContext) -> Training:
    """A training that is ready to start, with a new folder."""
    place = folder / f".{job.digest}.{os.getpid()}"
    place.mkdir(parents=True)
    process = context.Process(target=train, args=(job.settings, job.seed, place, job.measure))  # type: ignore[attr-defined]  # every context has it
    return Training(job, process, place)


def sweep(folder: Path) -> None:
    """Remove what trainings left behind whose study was killed."""
    for place in folder.glob(".*.*"):
        pid = place.suffix[1:]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(place, ignore_errors=True)


def end_with_parent() -> None:
    """End this process as soon as the study that started it has ended, however that was."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def process_context() -> BaseContext:
    """Forks processes from one that has imported everything; where there is no forking, each imports for itself.

    So it is on macOS: Apple's frameworks, which torch computes with, do not work in a process that is forked after they began.
    """
    if sys.platform == "darwin" or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    # Ctrl-C is this process's. What the server imports takes seconds, in which it would end with a traceback of its own.
    resource_tracker.ensure_running()  # which the server starts else, and which unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def outcome(process: BaseProcess, place: Path, kept: Path) -> RunResult | Failure:
    """What a process that has ended left in its place, which is kept where it is a result."""
    result, error = read_result(place), place / ERROR
    if result is not None:
        if read_result(kept) is None:  # an older version's, or a damaged one
            shutil.rmtree(kept, ignore_errors=True)
        try:
            place.rename(kept)
        except OSError:  # another study has trained it meanwhile
            shutil.rmtree(place)
        return result
    said = error.read_text(encoding="utf-8") if error.exists() else f"its process ended with {process.exitcode}"
    if process.exitcode == KILLED:
        said = "its process was killed, perhaps for want of memory; try --jobs 1"
    elif NO_MEMORY.search(said):
        said += "; try --jobs 1"
    shutil.rmtree(place)
    return Failure(said)


def read_result(folder: Path) -> RunResult | None:
    """The result that a folder has, if it has one that can be read."""
    try:
        return RunResult.model_validate_json((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return None


def count_kept(jobs: Iterable[Job], folder: Path) -> int:
    """How many of these trainings have a result in a folder of results."""
    return sum(read_result(folder / job.digest) is not None for job in jobs)


def train(settings: Settings, seed: int, place: Path, measure: tuple[MetricName, ...] = ()) -> None:
    """Train, and leave the result or the error in a folder. Runs in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's, which then ends this one
    threading.Thread(target=end_with_parent, daemon=True).start()
    with open(place / LOG, "wb") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    os.environ["OMP_NUM_THREADS"] = "1"  # of worker processes, if there are some
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own is shared by processes, and one that is killed would leave it behind
    try:
        result = fitted(settings, seed, place, measure)
        write_atomically(place / RESULT, result.model_dump_json())
    except Exception as error:
        traceback.print_exc()
        own = own_error(error, UserError)
        said = f"{own.said}; {own.cure}" if own else str(error) or type(error).__name__
        (place / ERROR).write_text(" ".join(said.split()), encoding="utf-8")
        sys.stdout.flush()
        raise SystemExit(1) from None


def at_once(accelerators: Iterable[Any]) -> int:
    """How many trainings there are at once, unless it is said: one a core, and on a GPU as many as its free memory takes.

    Args:
        accelerators: The trainings' `trainer.accelerator`.
    """
    if all(accelerator == "cpu" for accelerator in accelerators) or not torch.accelerator.is_available():
        return cores()
    if not torch.cuda.is_available():
        return 1  # its memory is the machine's, and nothing says how much of that it may take
    free, _ = torch.cuda.mem_get_info()
    return max(1, min(cores(), free // GPU_MEMORY))


def cores() -> int:
    """How many this process may use."""
    usable: Sequence[int] | set[int] = (
        os.sched_getaffinity(0) if sys.platform == "linux" else range(os.cpu_count() or 1)
    )
    return len(usable)
