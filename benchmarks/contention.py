"""A fit beside a process that keeps one core busy: how much slower it becomes.

Threads that compute together wait for the slowest of them at every step, and that is the one whose core another process
has. Whole processes, with as many threads as torch takes.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import environment, in_turns, ratio, report


def fit(epochs: int, *options: str) -> float:
    """Seconds that a fit of the quickstart takes, by its own account: start and end aside."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "main.py",
            "fit",
            "--config",
            "configs/quickstart.yaml",
            "--trainer.max_epochs",
            str(epochs),
            *options,
        ]
        command += ["--run.wandb", "disabled", "--run.folder", folder, "--run.name", "run", "--run.figures", "false"]
        null = subprocess.DEVNULL
        subprocess.run([sys.executable, *command], check=True, stdout=null, stderr=null, env=environment())
        return float(json.loads(Path(folder, "run", "summary.json").read_text())["seconds"])


@contextmanager
def busy_process() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def beside(epochs: int) -> float:
    with busy_process():
        return fit(epochs)


def main(rounds: int, epochs: int) -> dict:
    found = in_turns({"fit": lambda: fit(epochs), "beside a busy process": lambda: beside(epochs)}, rounds, "s")
    return report("contention", found, {"beside_busy": ratio(found["beside a busy process"], found["fit"])})
