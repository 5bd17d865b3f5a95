"""What recording gradients, rates and activations costs: the seconds spent in its hooks, as a share of the training.

    python -m benchmarks.diagnostics --rounds 5

Whole trainings with it and without are run in turns, too; on a machine with other work their ratio is mostly noise.
"""

import argparse
import functools
import io
import json
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import redirect_stdout
from pathlib import Path

from project.training.command_line import run
from project.training.diagnostics import Diagnostics

HOOKS = ("on_train_start", "on_train_batch_start", "on_before_optimizer_step", "on_train_epoch_end", "on_train_end")


def timed(name: str, seconds: dict[str, float]) -> None:
    """Have a hook's seconds added up; on a CPU nothing of its work is left for later."""
    hook = getattr(Diagnostics, name)

    @functools.wraps(hook)
    def wrapper(*args: object) -> None:
        started = time.perf_counter()
        hook(*args)
        seconds[name] += time.perf_counter() - started

    setattr(Diagnostics, name, wrapper)


def training_seconds(diagnostics: bool, args: list[str]) -> float:
    """Seconds of a quickstart run's training, without its start and without its drawing."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        options = ["--run.folder", folder, "--run.wandb", "disabled", "--run.diagnostics", str(diagnostics).lower()]
        cli = run(["fit", "--config", "configs/quickstart.yaml", "--trainer.accelerator", "cpu", *options, *args])
        return json.loads(Path(cli.folder, "summary.json").read_text())["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("settings", nargs="*", help="further settings of every run, after --")
    options = parser.parse_args()
    spent: dict[str, float] = defaultdict(float)
    for name in HOOKS:
        timed(name, spent)
    ratios, shares, drawing = [], [], []
    for number in range(options.rounds):
        order = (True, False) if number % 2 else (False, True)
        spent.clear()
        seconds = {diagnostics: training_seconds(diagnostics, options.settings) for diagnostics in order}
        drawing.append(spent.pop("on_train_end"))
        shares.append(sum(spent.values()) / seconds[True])
        ratios.append(seconds[True] / seconds[False])
        print(
            f"with {seconds[True]:6.2f} s  without {seconds[False]:6.2f} s  ratio {ratios[-1]:.3f}  "
            f"hooks {shares[-1]:.2%}  drawing at the end {drawing[-1]:.2f} s",
            flush=True,
        )
    for name, values in (("hooks / training", shares), ("with / without", ratios), ("drawing, seconds", drawing)):
        print(f"{name}: median {statistics.median(values):.4f}, {min(values):.4f} to {max(values):.4f}")


if __name__ == "__main__":
    main()
