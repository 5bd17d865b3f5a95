"""Recipes on real photographs: the whole process's seconds and the accuracy, over several seeds.

Where there is a GPU and the package `airbench` (pip install airbench), its seconds to 94 % stand beside them, on the same
images, start and compilation left out, as it counts them itself.
"""

import importlib.util
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import chdir, redirect_stdout
from pathlib import Path

from benchmarks.measuring import alone, environment, in_turns, ratio, report
from project.datasets.image_archive import ImageArchive
from project.training.command_line import run

RECIPES = Path("configs/recipes")
TEMPLATE = "the common template"


def process(recipe: str, images: Path, seed: int, *more: str) -> dict[str, float]:
    """Seconds from the process's start to its end, epochs and final validation accuracy in percent. `more` are options."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["main.py", "fit", "--config", str(RECIPES / f"{recipe}.yaml"), "--seed_everything", str(seed)]
        command += ["--data.source", "ImageArchive", "--data.source.path", str(images), "--run.folder", folder, *more]
        started = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, env=environment())
        seconds = time.perf_counter() - started
        (run_folder,) = Path(folder).iterdir()
        summary = json.loads((run_folder / "summary.json").read_text())
        one_view = accuracy_of_one_view(run_folder)
    found = {
        "seconds": seconds,
        "fit_seconds": summary["seconds"],
        "epochs": summary["epochs"],
        "accuracy": 100 * summary["val_accuracy"],
        "seed": seed,
    }
    return found | {"accuracy_one_view": one_view}


def accuracy_of_one_view(run_folder: Path) -> float:
    """Final validation accuracy in percent without test-time augmentation."""
    given = ["--config", str(run_folder / "config.yaml"), "--ckpt_path", str(run_folder / "checkpoints" / "last.ckpt")]
    with redirect_stdout(io.StringIO()):
        validated = run(["validate", *given, "--model.network.test_views", "1"])
    return 100 * validated.trainer.callback_metrics["val/accuracy"].item()


def template(images: Path, seed: int, epochs: int) -> dict[str, float]:
    """The same of the common template."""
    command = [sys.executable, "-m", "benchmarks.template", str(images), str(epochs), str(seed)]
    started = time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout
    seconds = time.perf_counter() - started
    accuracy = float(said.split()[-1])
    return {"seconds": seconds, "epochs": epochs, "accuracy": accuracy, "accuracy_one_view": accuracy, "seed": seed}


def airbench_seconds(images: Path) -> float:
    """A training of the package airbench, to 94 %, after its warm-up."""
    import airbench
    import torch

    source = ImageArchive(str(images))
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("cifar10").mkdir()  # where it looks before it would fetch them
        for split, name in (("train", "train"), ("val", "test")):
            images_NHWC, labels_N = source.load(split)
            torch.save({"images": images_NHWC, "labels": labels_N, "classes": source.classes}, f"cifar10/{name}.pt")
        airbench.warmup94(verbose=False)
        torch.cuda.synchronize()
        started = time.perf_counter()
        airbench.train94(verbose=False)
        torch.cuda.synchronize()
        return time.perf_counter() - started


def has_airbench() -> bool:
    import torch

    return torch.cuda.is_available() and importlib.util.find_spec("airbench") is not None


def main(recipes: list[str], images: Path, rounds: int, template_epochs: int = 0) -> dict:
    ImageArchive(str(images))  # decoded beforehand
    arms_of = [*recipes, *([TEMPLATE] if template_epochs else [])]
    runs: dict[str, list[dict[str, float]]] = {recipe: [] for recipe in arms_of}

    def seconds(recipe: str) -> float:
        seed = len(runs[recipe])
        of_template = recipe == TEMPLATE
        runs[recipe].append(template(images, seed, template_epochs) if of_template else process(recipe, images, seed))
        done = runs[recipe][-1]
        print(
            f"{recipe}, seed {done['seed']}: {done['accuracy']:.2f} % after {done['epochs']:.0f} epochs, "
            f"{done['accuracy_one_view']:.2f} % without test-time augmentation",
            flush=True,
        )
        return done["seconds"]

    arms = {recipe: lambda recipe=recipe: seconds(recipe) for recipe in arms_of}
    if has_airbench():
        arms["airbench94"] = lambda: alone(airbench_seconds, images)
    found = in_turns(arms, rounds, "s")
    ratios = {}
    for recipe, made in runs.items():
        for which in ("accuracy", "accuracy_one_view"):
            values = [done[which] for done in made]
            std = statistics.stdev(values) if len(made) > 1 else float("nan")
            print(f"{recipe}, {which}: mean {statistics.mean(values):.2f} %, std {std:.2f}, lowest {min(values):.2f}")
        ratios[recipe] = ratio([done["accuracy"] for done in made])
    if "cifar10_fast_cpu" in found:
        ratios["target_seconds"] = ratio(found["cifar10_fast_cpu"])
        if template_epochs:
            ratios["target_ratio"] = ratio(found[TEMPLATE], found["cifar10_fast_cpu"])
    return report("target", found, ratios, runs=runs)
