"""Many trainings at once, one thread each, in processes forked from one that has imported everything.

A training is kept by a digest of all that decides it: its complete configuration, with the seed, the code and the data. What
is kept is not trained again. A folder of that name is there only once its training has ended well.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from importlib.util import find_spec
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import torch
import yaml
from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from project.studies.measurements import MEASUREMENTS, Measuring, weight_shares
from project.studies.metric_names import MetricName
from project.support.errors import UserError
from project.support.files import write_atomically
from project.support.metrics import EpochMetrics
from project.support.own_code import own_error
from project.training.command_line import CommandLine, completed, made
from project.training.configuration import Settings, class_paths, merged

PROJECT = Path(__file__).resolve().parents[1]
NOT_TRAINING = PROJECT / "studies"  # no training imports anything of it, but for
MEASURING = NOT_TRAINING / "measurements.py"  # where a study measures more than others
RESULT, ERROR, LOG = "result.json", "error.txt", "log.txt"
OF_LIBRARIES = ("project", "torch", "torchvision", "pytorch_lightning", "torchmetrics")
CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")


class RunResult(BaseModel):
    """What a training came to. A number is None where it was not measured, or is none.

    Attributes:
        seed: Of its draws.
        accuracy, loss: On the validation images, after the last epoch.
        train_loss, val_loss: Of the trained network, both in evaluation mode and on images as they come.
        curves: Of CURVES, each epoch's value.
        measured: What the study names besides.
        weight_shares: A histogram of the weights in %, where `near_zero` is measured.
        remarks: What is set but has no effect.
        seconds: That the training took.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    seed: int
    accuracy: float | None
    loss: float | None
    train_loss: float | None
    val_loss: float | None
    curves: dict[str, list[float | None]]
    measured: dict[MetricName, float | None] = {}
    weight_shares: list[float] = []
    remarks: list[str]
    seconds: float


class Job(NamedTuple):
    """A training to do: its settings, its seed, the digest that it is kept by, and what is measured besides."""

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


def job_for(settings: Settings, complete: dict[str, Any], seed: int, measure: Sequence[MetricName] = ()) -> Job:
    """A training with a seed.

    Args:
        settings: Merged.
        complete: The complete configuration that they give.
        seed: In place of the configuration's.
        measure: What is measured besides.
    """
    decides = {name: value for name, value in complete.items() if name != "run"} | {"seed_everything": seed}
    parts = [json.dumps(decides, sort_keys=True, default=str), torch.__version__, str(torch.cuda.is_available())]
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
    for path in sorted({*PROJECT.rglob("*.py"), *own_code(complete)}):
        if not path.is_relative_to(NOT_TRAINING):
            digest.update(f"{path.name}\n".encode() + path.read_bytes())
    for path in data_files(complete):
        stamp = path.stat()
        digest.update(f"{path}\n{stamp.st_size} {stamp.st_mtime_ns}\n".encode())
    if measure := [name for name in measure if name in MEASUREMENTS]:  # all else is there in any case
        digest.update(" ".join(sorted(measure)).encode() + MEASURING.read_bytes())
    return Job(settings, seed, digest.hexdigest(), tuple(measure))


def complete_of(settings: Settings) -> dict[str, Any]:
    """The complete configuration, but for its seed. Raises UserError where a setting is wrong."""
    complete: dict[str, Any] = yaml.safe_load(completed(settings))
    return complete | {"seed_everything": 0}


def own_code(complete: dict[str, Any]) -> Iterator[Path]:
    """The Python files of each class that is a person's own: its package, or all that lie beside it."""
    packages = {path.partition(".")[0] for _, path in class_paths(complete)}
    for name in sorted(packages - {*OF_LIBRARIES}):
        spec = find_spec(name) if name.isidentifier() else None
        folders = (
            [*(spec.submodule_search_locations or ())] if spec else []
        )  # a folder without __init__.py has them, too
        for folder in folders:
            if "site-packages" not in folder:
                yield from Path(folder).rglob("*.py")
        origin = spec.origin if spec and not folders else None
        if origin and origin.endswith(".py") and "site-packages" not in origin:
            yield from Path(origin).parent.glob("*.py")


def data_files(complete: dict[str, Any]) -> list[Path]:
    """The files that the data's settings name, or that lie in a folder that they name."""
    source = complete["data"]["source"].get("init_args") or {}
    named = [Path(value) for value in source.values() if isinstance(value, str) and os.path.exists(value)]
    found = [file for path in named for file in ([path] if path.is_file() else path.rglob("*"))]
    return sorted(file for file in found if file.is_file())


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
    """Forks processes from one that has imported everything; where there is no forking, each imports for itself."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def outcome(process: BaseProcess, place: Path, kept: Path) -> RunResult | Failure:
    """What a process that has ended left in its place, which is kept where it is a result."""
    result, error = read_result(place), place / ERROR
    if result is not None:
        try:
            place.rename(kept)
        except OSError:  # another study has trained it meanwhile
            shutil.rmtree(place)
        return result
    said = error.read_text(encoding="utf-8") if error.exists() else f"its process ended with {process.exitcode}"
    if process.exitcode == -signal.SIGKILL:
        said = "its process was killed, perhaps for want of memory; try --jobs 1"
    shutil.rmtree(place)
    return Failure(said)


def read_result(folder: Path) -> RunResult | None:
    """The result that a folder has, if it has one that can be read."""
    try:
        return RunResult.model_validate_json((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return None


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


def fitted(settings: Settings, seed: int, place: Path, measure: tuple[MetricName, ...] = ()) -> RunResult:
    """A training's result."""
    quiet = {"folder": str(place), "name": "run", "wandb": "disabled", "diagnostics": False, "figures": False}
    ours: list[Settings] = [{"seed_everything": seed, "run": quiet}]
    if not (settings.get("trainer") or {}).get("callbacks"):  # of which one may write checkpoints
        ours.append({"trainer": {"enable_checkpointing": False}})
    command_line = made(merged([settings, *ours]))
    measuring = Measuring(measure, command_line.datamodule)
    command_line.trainer.callbacks.append(measuring)  # type: ignore[attr-defined]  # Lightning sets it
    command_line.fit()
    record = command_line.record
    if record is None or not record.summary:
        raise UserError("the training ended before its first epoch did")
    summary, rows = record.summary, record.rows
    return RunResult(
        seed=seed,
        accuracy=summary["val_accuracy"],
        loss=next((finite(row["val/loss"]) for row in reversed(rows) if "val/loss" in row), None),
        train_loss=clean_loss(command_line, "train"),
        val_loss=clean_loss(command_line, "val"),
        curves={name: [finite(row.get(name)) for row in rows] for name in CURVES},
        measured={name: finite(value) for name, value in measuring.values(command_line.model).items()},
        weight_shares=weight_shares(command_line.model.get_submodule("network")) if "near_zero" in measure else [],
        remarks=summary["remarks"],
        seconds=summary["seconds"],
    )


def clean_loss(command_line: CommandLine, split: str) -> float | None:
    """The mean loss of a trained network on a split, in evaluation mode, without augmentation or penalties."""
    model, data = command_line.model, command_line.datamodule
    device = command_line.trainer.strategy.root_device
    metrics = EpochMetrics(data.num_classes).to(device)
    model.to(device).eval()
    with torch.no_grad():
        for images_NCHW, labels_N in data.batches(split):
            metrics.update(model(images_NCHW), labels_N)
    return finite(metrics.compute()["loss"].item())


def finite(value: float | None) -> float | None:
    """A number, or None in place of infinity and of what is none."""
    return value if value is not None and abs(value) < float("inf") else None


def cores() -> int:
    """How many this process may use."""
    usable: Sequence[int] | set[int] = (
        os.sched_getaffinity(0) if sys.platform == "linux" else range(os.cpu_count() or 1)
    )
    return len(usable)
