"""Every overlay's accuracy on the embedded dataset, as a Markdown table: alone over base.yaml, and over quickstart.yaml.

    python -m benchmarks.overlays --jobs 2 > docs/overlays.md

One run each, one thread each, seed 0: a list to choose from, not a ranking. Seeds differ by several points.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.calibration import accuracy

CONFIGS = Path("configs")
FAMILIES = ("optimization", "regularization", "initialization", "normalization")
NEEDS = {"stochastic_depth": ["--model.network", "project.networks.ResNet"]}  # it acts on residual branches


def one_run(base: str, overlay: Path | None) -> float:
    """Final validation accuracy in percent."""
    configs = [arg for path in (CONFIGS / base, overlay) if path for arg in ("--config", str(path))]
    return accuracy([*configs, *NEEDS.get(overlay.stem if overlay else "", []), "--run.diagnostics", "false"], seed=0)


def first_sentence(overlay: Path) -> str:
    """What the overlay's first comment says it does."""
    lines = [line for line in overlay.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    comment = " ".join(line.removeprefix("# ") for line in lines)
    return comment.partition(" Use it")[0].strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    overlays = [None] + [path for family in FAMILIES for path in sorted((CONFIGS / family).glob("*.yaml"))]
    jobs = [(base, overlay) for overlay in overlays for base in ("base.yaml", "quickstart.yaml")]
    found = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for job, value in zip(jobs, pool.map(one_run, *zip(*jobs))):
            found[job] = value
            print(f"[{len(found)}/{len(jobs)}] {job[0]} {job[1]}: {value:.1f} %", file=sys.stderr, flush=True)

    print("# Overlays\n")
    print(
        "Validation accuracy in % on the embedded dataset after 15 epochs, each overlay laid over `base.yaml` (which uses"
    )
    print("none of the four families) and over `quickstart.yaml` (which uses all). One run each, seed 0, made by")
    print("`python -m benchmarks.overlays`. Other seeds differ by several points, most of all over `base.yaml`.\n")
    print("| overlay | over base | over quickstart | |")
    print("|---|---|---|---|")
    for overlay in overlays:
        values = " | ".join(f"{found[base, overlay]:.1f}" for base in ("base.yaml", "quickstart.yaml"))
        name = f"`{overlay.relative_to(CONFIGS).with_suffix('')}`" if overlay else "none"
        print(f"| {name} | {values} | {first_sentence(overlay) if overlay else ''} |")


if __name__ == "__main__":
    main()
