"""Seconds until something is there to read, and until the first step of a training: whole processes."""

import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from pytorch_lightning import Callback

from benchmarks.measuring import environment, in_turns, ratio, report


class EndAfterAStep(Callback):
    """Ends the process after its first optimizer step."""

    def on_train_batch_end(self, *args: Any) -> None:
        os._exit(0)


def seconds(*command: str) -> float:
    started = time.perf_counter()
    null = subprocess.DEVNULL
    subprocess.run([sys.executable, *command], check=True, stdout=null, stderr=null, env=environment())
    return time.perf_counter() - started


def in_new_folder(*command: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return seconds(*command, "--run.folder", folder)


def main(rounds: int) -> dict:
    quickstart = ("main.py", "fit", "--config", "configs/quickstart.yaml")
    first_step = (*quickstart, "--trainer.callbacks+=benchmarks.startup.EndAfterAStep", "--run.wandb", "disabled")
    arms = {
        "import torch, Lightning": lambda: seconds("-c", "import torch, pytorch_lightning"),
        "main.py --help": lambda: seconds("main.py", "--help"),
        "fit --print_config": lambda: seconds(*quickstart, "--print_config"),
        "fit, first step": lambda: in_new_folder(*first_step),
    }
    for arm in arms.values():
        arm()  # from the disk's cache
    found = in_turns(arms, rounds, "s")
    ratios = {
        "help": ratio(found["main.py --help"]),
        "print_config": ratio(found["fit --print_config"], found["import torch, Lightning"]),
        "first_step": ratio(found["fit, first step"], found["import torch, Lightning"]),
    }
    return report("startup", found, ratios)
