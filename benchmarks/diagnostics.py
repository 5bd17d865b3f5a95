"""What recording gradients, rates and activations costs: whole trainings with it and without, in turns.

python -m benchmarks.diagnostics --rounds 5
"""

import argparse
import io
import json
import statistics
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from project.cli import run


def training_seconds(diagnostics: bool, args: list[str]) -> float:
    """Seconds of a quickstart run's training, without its start and without its drawing."""
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        options = ["--run.folder", folder, "--run.wandb", "disabled", "--run.diagnostics", str(diagnostics).lower()]
        cli = run(["fit", "--config", "configs/quickstart.yaml", *options, *args])
        return json.loads(Path(cli.folder, "summary.json").read_text())["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("settings", nargs="*", help="further settings of every run, after --")
    options = parser.parse_args()
    ratios = []
    for number in range(options.rounds):
        order = (True, False) if number % 2 else (False, True)
        seconds = {diagnostics: training_seconds(diagnostics, options.settings) for diagnostics in order}
        ratios.append(seconds[True] / seconds[False])
        print(f"with {seconds[True]:6.2f} s  without {seconds[False]:6.2f} s  ratio {ratios[-1]:.3f}", flush=True)
    print(f"with / without: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
