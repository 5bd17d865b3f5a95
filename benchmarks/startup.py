"""Seconds until something is there to read: whole processes."""

import subprocess
import sys
import time

from benchmarks.measuring import in_turns, ratio, report


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main(rounds: int) -> dict:
    print_config = ("main.py", "fit", "--config", "configs/quickstart.yaml", "--print_config")
    arms = {
        "import torch, Lightning": lambda: seconds("-c", "import torch, pytorch_lightning"),
        "main.py --help": lambda: seconds("main.py", "--help"),
        "fit --print_config": lambda: seconds(*print_config),
    }
    for arm in arms.values():
        arm()  # from the disk's cache
    found = in_turns(arms, rounds, "s")
    ratios = {
        "help": ratio(found["main.py --help"]),
        "print_config": ratio(found["fit --print_config"], found["import torch, Lightning"]),
    }
    return report("startup", found, ratios)
