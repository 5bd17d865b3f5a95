"""Is the embedded dataset as hard as it should be? Trains each family alone and all together, over several seeds.

    python -m benchmarks.calibration --seeds 3
    python -m benchmarks.calibration --seeds 1 --arms base,all -- --data.source.noise 0.4

What should hold: a linear softmax stays under 40 %; `base.yaml` stays under 80 % with every seed, and its seeds deviate by at
most 3 points; each family alone raises it, but for regularization, which narrows the gap; all four together pass 80 % with
every seed, average at least 85 %, and deviate by at most 1 point.
"""

import argparse
import io
import statistics
import tempfile
import time
from contextlib import redirect_stdout

from project.training.command_line import run

FAMILIES = ("optimization", "regularization", "initialization", "normalization")
BASE = ["--config", "configs/base.yaml"]
LINEAR = [
    *("--model.network", "project.networks.MLP", "--model.network.depth", "0"),
    *("--model.optimizer.lr", "0.01"),
]
ARMS = {
    "linear": BASE + LINEAR,
    "base": BASE,
    **{family: [*BASE, "--config", f"configs/{family}/default.yaml"] for family in FAMILIES},
    "all": ["--config", "configs/quickstart.yaml"],
}


def accuracy(args: list[str], seed: int) -> float:
    """Final validation accuracy, in percent, of a run that leaves nothing behind."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        quiet = ["--run.folder", folder, "--run.wandb", "disabled", "--seed_everything", str(seed)]
        cli = run(["fit", *args, *quiet])
        return 100 * cli.trainer.callback_metrics["val/accuracy"].item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", default=",".join(ARMS), help="some of them, separated by commas")
    parser.add_argument("settings", nargs="*", help="further settings of every run, after --")
    options = parser.parse_args()
    arms = options.arms.split(",")
    measured: dict[str, list[float]] = {arm: [] for arm in arms}
    for seed in range(options.seeds):
        for arm in arms:
            started = time.perf_counter()
            measured[arm].append(accuracy(ARMS[arm] + options.settings, seed))
            print(
                f"seed {seed}  {arm:15}  {measured[arm][-1]:6.2f} %  {time.perf_counter() - started:5.1f} s", flush=True
            )
    print(
        f"\n{'':15}  {'mean':>7}  {'std':>5}  {'lowest':>7}  {'highest':>7}   validation accuracy in %, {options.seeds} seeds"
    )
    for arm, values in measured.items():
        std = statistics.stdev(values) if len(values) > 1 else float("nan")
        print(f"{arm:15}  {statistics.mean(values):7.2f}  {std:5.2f}  {min(values):7.2f}  {max(values):7.2f}")


if __name__ == "__main__":
    main()
