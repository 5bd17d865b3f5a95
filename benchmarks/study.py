"""A study of many short trainings against as many processes of `fit`; and the seeds of one network as a batch.

The trainings are the quickstart's, of a few epochs. All processes of fit would take minutes and be alike, so a few are run,
beside the studies, and their mean counts for each.
"""

import copy
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.func import functional_call, grad, replace_all_batch_norm_modules_, stack_module_state, vmap
from torch.nn import functional as F

from benchmarks.epoch import device, resident, synchronize
from benchmarks.measuring import environment, in_turns, ratio, report
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import ConvNet
from project.normalization import BatchNormalization

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = ["--config", str(ROOT / "configs" / "quickstart.yaml"), "--run.wandb", "disabled"]
ARM = "half the rate=--model.optimizer.lr 0.05"  # beside the quickstart itself
RUNS, SINGLE = 50, 3
RATE = 0.1


def seconds_of(command: list[str]) -> float:
    """Seconds of a whole process, which keeps what it writes in a folder that is new."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(ROOT / "main.py"), *command],
            cwd=folder,
            capture_output=True,
            text=True,
            env=environment(),
        )
        seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-500:]}")
    return seconds


def study(runs: int, epochs: int, jobs: int | None = None) -> float:
    """Seconds of a study with so many trainings, so many of them at once; by default one a core."""
    counts = ["--seeds", str(runs // 2), *(["--jobs", str(jobs)] if jobs else [])]
    return seconds_of(["study", *OPTIONS, "--arm", ARM, "--trainer.max_epochs", str(epochs), *counts])


def fits(count: int, epochs: int) -> float:
    """Mean seconds of some processes of fit."""
    command = ["fit", *OPTIONS, "--trainer.max_epochs", str(epochs)]
    return sum(seconds_of([*command, "--seed_everything", str(seed)]) for seed in range(count)) / count


def stacked(runs: int, epochs: int, at_once: int) -> float:
    """Seconds of the same number of networks' trainings, `at_once` of them stacked: their weights are one batch of weights.

    No run of its own any more: all of them see the same batches, and there is neither validation nor a record.
    """
    data = ImageData(Glyphs(), 32)
    data.setup("fit")
    batches = resident(data)
    synchronize()
    started = time.perf_counter()
    for first in range(0, runs, at_once):
        train_stacked(batches, min(at_once, runs - first), epochs)
    synchronize()
    return time.perf_counter() - started


def train_stacked(batches: list[tuple[Tensor, Tensor]], seeds: int, epochs: int) -> None:
    networks = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        network = ConvNet(normalization=BatchNormalization(), width=16, stages=2, convs_per_stage=1, pool=4)
        networks.append(replace_all_batch_norm_modules_(network).to(device()))  # without running averages
    weights, buffers = stack_module_state(networks)
    skeleton = copy.deepcopy(networks[0]).to("meta")

    def loss(weights: dict[str, Tensor], buffers: dict[str, Tensor], images_NCHW: Tensor, labels_N: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(skeleton, (weights, buffers), (images_NCHW,)), labels_N)

    gradients = vmap(grad(loss), in_dims=(0, 0, None, None))
    optimizer = torch.optim.SGD(weights.values(), lr=RATE, momentum=0.9, nesterov=True, fused=True)
    for _ in range(epochs):
        for images_NCHW, labels_N in batches:
            for name, gradient in gradients(weights, buffers, images_NCHW, labels_N).items():
                weights[name].grad = gradient
            optimizer.step()


def main(rounds: int, epochs: int) -> dict:
    arms = {f"study of {RUNS}": lambda: study(RUNS, epochs), "a fit": lambda: fits(SINGLE, epochs)}
    found = in_turns(arms, rounds, "s")
    processes = [RUNS * seconds for seconds in found["a fit"]]
    return report("study", found, {"study_ratio": ratio(found[f"study of {RUNS}"], processes)}, epochs=epochs)
