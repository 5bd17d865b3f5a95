"""What is measured on the day a GPU is at hand (`benchmarks.gpu`): its tasks, and how their results are read.

Imported are only the benchmarks of the task that is done.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
Found = dict[str, Any]


class Scale(NamedTuple):
    """How much of everything, and on what."""

    device: str
    images: Path
    rounds: int = 3
    count: int = 12_800  # images of an epoch
    runs: int = 50  # of a study
    epochs: int = 15  # of each of these
    recipe: tuple[str, ...] = ()  # options laid over a recipe
    lengths: tuple[tuple[float, int], ...] = ((3, 20), (30, 4))  # seconds of a training to grade, and how many of them
    wider: int = 1024  # the widest network for these


TINY = (
    "--trainer.max_epochs=1",
    "--trainer.limit_train_batches=1",
    "--data.batch_size=10",
    "--model.network.widths=[8,8]",
)


def pretended(images: Path) -> Scale:
    return Scale("auto", images, 1, 256, 4, 1, TINY, ((0.1, 2), (0.1, 2)), 16)


@dataclass(frozen=True)
class Task:
    """A measurement, and how many minutes it may take."""

    minutes: float
    measure: Callable[[Scale], Found]


def doctor(scale: Scale) -> Found:
    from grader.engines.doctor import examine

    found = examine()
    unfit = [f"{one.name}: {one.said}" for one in found if one.needed and not one.good]
    if unfit:
        raise RuntimeError("; ".join(unfit))
    return {"fit": 1, "said": {one.name: one.said for one in found}}


def sandboxes(scale: Scale) -> Found:
    """Whether programs in both kinds of sandbox find the GPU's device nodes, and CUDA answers."""
    from grader.engines.doctor import PRELOAD, PROBE, VisibleCode, probed
    from grader.engines.machine import gpus
    from grader.sandbox.bubblewrap import Bubblewrapped
    from grader.sandbox.fork_server import ForkServer

    gpu, code = next(iter(gpus()), None), {**VisibleCode().inputs, "/app/sandbox_probe.py": PROBE}
    with closing(ForkServer(code, PRELOAD, [], gpu)) as server:
        forked = probed(server, code, server.scratch, gpu)
    found = {"a sandbox of its own": probed(Bubblewrapped, code, gpu=gpu), "forked": forked}
    if gpu is not None and any(one["cuda"] != 0 for one in found.values()):
        raise RuntimeError(f"cuInit said {[one['cuda'] for one in found.values()]}")
    return {
        "cuda_inside": sum(one["cuda"] == 0 for one in found.values()),
        "devices": {k: v["devices"] for k, v in found.items()},
    }


HOG = """
from torch import nn
import torch


class Hog(nn.Module):
    def __init__(self, num_classes: int = 10, in_channels: int = 3):
        super().__init__()
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, images):
        held = []
        while True:
            held.append(torch.ones(2**28, device=images.device))
"""


def write_hog(folder: Path) -> None:
    """A submission like the others whose network takes all memory that there is."""
    from benchmarks.grading import write_submissions

    write_submissions(folder, [], 1)
    own = (folder / "student-0").rename(folder / "hog")
    (own / "student.yaml").write_text("id: hog\nname: Hog\n")
    (own / "hog.py").write_text(HOG)
    change_config(
        own / "config.yaml", lambda config: config["model"].update(network={"class_path": "submission.hog.Hog"})
    )


def settings_for(scale: Scale) -> Any:
    from grader.grading.settings import Settings

    return Settings(scale.device).checked()


def examples(scale: Scale) -> Found:
    """Two of the examples graded: one by settings alone, one with a network of its own."""
    from benchmarks.grading import all_passed, board, rules
    from grader.grading.example_submissions import write_examples

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "in")
        for name in {*write_examples(folder, ROOT / "configs" / "quickstart.yaml")} - {"passes", "own-network"}:
            shutil.rmtree(folder / name)
        for path in folder.glob("*/config.yaml"):
            change_config(path, lambda config: config["trainer"].update(max_epochs=scale.epochs))
        seconds, entries = board(folder, Path(scratch), rules(), settings_for(scale))
    all_passed(entries)
    return {"passed": len(entries), "seconds": seconds, "accuracies": [entry["accuracy"] for entry in entries]}


def change_config(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def out_of_memory(scale: Scale) -> Found:
    """A submission that takes all memory fails by its own fault; what it had is there for the next one, which passes."""
    from benchmarks.grading import board, rules, write_submissions
    from grader.engines.machine import gpus
    from grader.rerun.failures import gpu_free

    by = rules()
    if scale.device != "cuda":
        by = by.but(limits=by.limits.model_copy(update={"memory_gb": 2}))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "in")
        write_hog(folder)
        write_submissions(folder, ["--trainer.max_epochs=1"], 2)
        free = [gpu_free(gpu, 0) for gpu in gpus()]
        _, entries = board(folder, Path(scratch), by, settings_for(scale))
        left = [gpu_free(gpu, share - 0.02) for gpu, share in zip(gpus(), free) if share is not None]
    verdicts = {entry["student"]: (entry["verdict"], entry["reason"]) for entry in entries}
    said = verdicts.pop("hog")
    if said[0] == "passed" or "memory" not in said[1] or any(verdict != "passed" for verdict, _ in verdicts.values()):
        raise RuntimeError(f"hog: {said}; others: {verdicts}")
    let_go = {"let_go": left[0] / free[0]} if left and free[0] else {}
    return {"others_passed": len(verdicts), "hog": said[1], **let_go}


def gpu_tests(scale: Scale) -> Found:
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-1500:])
    return {"failed": 0, "said": done.stdout.strip().splitlines()[-1]}


def epoch(scale: Scale) -> Found:
    from benchmarks import epoch

    found = epoch.main(source(scale), scale.rounds, scale.count, 4)
    faster = found["ratios"].get("epoch_auto_precision") or found["ratios"]["epoch_same_precision"]
    over = found["ratios"].get("over_bare_loop_auto") or found["ratios"]["over_bare_loop"]
    return {"template_over_ours": faster["median"], "over_raw_loop": over["median"], **found}


def step(scale: Scale) -> Found:
    from benchmarks import step

    if scale.rounds == 1:
        step.STEPS = 20
    found = step.main(scale.rounds)
    return {"step_logging": found["ratios"]["step_logging"]["median"], **found}


def augment(scale: Scale) -> Found:
    from benchmarks import augment

    found = augment.main(source(scale), scale.rounds, scale.count)
    return {"augment": found["ratios"]["augment"]["median"], **found}


def source(scale: Scale) -> Any:
    from project.datasets.image_archive import ImageArchive

    return ImageArchive(str(scale.images))


def recipe(name: str, seed: int, scale: Scale) -> Found:
    from benchmarks.target import process

    found = process(name, scale.images, seed, *scale.recipe)
    return {"accuracy": found["accuracy"], "one_view": found["accuracy_one_view"], **found}


def airbench(scale: Scale) -> Found:
    from benchmarks.target import airbench_seconds, has_airbench

    if not has_airbench():
        return {"left_out": "no GPU, or no package airbench"}
    return {"seconds": airbench_seconds(scale.images)}


def grading(number: int, at_once: int, scale: Scale) -> Found:
    """Grading of trainings of about so many seconds, as wall-clock over the same ones' summed training, run bare."""
    from benchmarks.grading import MOST_EPOCHS, all_passed, bare, board, epochs, rules, write_submissions

    seconds, count = scale.lengths[number]
    settings = settings_for(scale)
    with tempfile.TemporaryDirectory() as name:
        scratch, width = Path(name), 16
        while (many := epochs(seconds, [f"--model.network.width={width}"], scratch, settings.device)) == MOST_EPOCHS:
            if width >= scale.wider:
                break
            width *= 4
        folder = scratch / "in"
        write_submissions(folder, [f"--model.network.width={width}", f"--trainer.max_epochs={many}"], count)
        alone = bare(folder, scratch, settings.device) if at_once == 1 else None
        with Utilization() as used:
            graded, entries = board(folder, scratch, rules().but(trainings_per_gpu=at_once), settings)
    all_passed(entries)
    found = {"graded": graded, "count": count, "epochs": many, "width": width, "utilization": used.mean}
    return found | ({"bare": alone, "over_training": graded / alone} if alone else {})


class Utilization:
    """Share of the time in which the GPU computes, by nvidia-smi; None without one."""

    def __enter__(self) -> "Utilization":
        self.seen: list[float] = []
        self.ended = threading.Event()
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        return self

    def look(self) -> None:
        from grader.engines.machine import said_by

        while not self.ended.wait(1):
            said = said_by("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits").split()
            if not said:
                return
            self.seen.append(int(said[0]) / 100)

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.watch.join()

    @property
    def mean(self) -> float | None:
        return statistics.mean(self.seen) if self.seen else None


def study(jobs: int, scale: Scale) -> Found:
    from benchmarks.study import study

    return {"seconds": study(scale.runs, scale.epochs, jobs), "runs": scale.runs}


def stacked(at_once: int, scale: Scale) -> Found:
    from benchmarks.study import stacked

    return {"seconds": stacked(scale.runs, scale.epochs, at_once), "runs": scale.runs}


SEEDS, MORE_SEEDS = range(5), range(5, 10)  # at least, and as many as fit
TASKS: dict[str, Task] = {
    "doctor": Task(3, doctor),
    "sandboxes": Task(3, sandboxes),
    "examples": Task(5, examples),
    "out of memory": Task(5, out_of_memory),
    "gpu tests": Task(5, gpu_tests),
    "epoch": Task(9, epoch),
    "step": Task(3, step),
    "augment": Task(3, augment),
    **{f"cifar10_fast, seed {seed}": Task(3, partial(recipe, "cifar10_fast", seed)) for seed in SEEDS},
    "airbench": Task(4, airbench),
    **{f"cifar10_best, seed {seed}": Task(5, partial(recipe, "cifar10_best", seed)) for seed in SEEDS},
    "grading 3 s": Task(8, partial(grading, 0, 1)),
    "grading 3 s, two a GPU": Task(6, partial(grading, 0, 2)),
    "grading 30 s": Task(9, partial(grading, 1, 1)),
    "grading 30 s, two a GPU": Task(6, partial(grading, 1, 2)),
    **{f"study, {jobs} at once": Task(6, partial(study, jobs)) for jobs in (8, 4, 1)},
    **{f"study, {size} stacked": Task(4, partial(stacked, size)) for size in (50, 10)},
    **{f"cifar10_best, seed {seed}": Task(5, partial(recipe, "cifar10_best", seed)) for seed in MORE_SEEDS},
}


class Row(NamedTuple):
    """What to read from the results of the tasks of a name, whatever their seeds; what is due, and what is hoped for."""

    task: str
    what: str
    due: float | None = None
    aim: float | None = None
    at_most: bool = False


ROWS = [
    Row("doctor", "fit", 1),
    Row("sandboxes", "cuda_inside", 2),
    Row("examples", "passed", 2),
    Row("out of memory", "let_go", 0.98, 1),
    Row("gpu tests", "failed", 0, at_most=True),
    Row("epoch", "template_over_ours", 6, 10),
    Row("epoch", "over_raw_loop", 1.10, 1.03, at_most=True),
    Row("step", "step_logging"),
    Row("augment", "augment"),
    *(Row("cifar10_fast", views, 94) for views in ("accuracy", "one_view")),
    Row("cifar10_fast", "fit_seconds"),
    Row("airbench", "seconds"),
    Row("cifar10_best", "accuracy", 95.0, 95.3),
    Row("cifar10_best", "one_view"),
    Row("cifar10_best", "fit_seconds"),
    *(Row(f"grading {length} s", "over_training", 1.15, 1.05, at_most=True) for length in (3, 30)),
    *(Row(f"grading {length} s{how}", "graded") for length in (3, 30) for how in ("", ", two a GPU")),
    *(Row(f"grading {length} s{how}", "utilization") for length in (3, 30) for how in ("", ", two a GPU")),
    *(Row(f"study, {how}", "seconds") for how in ("1 at once", "4 at once", "8 at once", "10 stacked", "50 stacked")),
]
