"""What all benchmarks share: arms measured in turns, ratios with their spread, the machine, and the file."""

import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

Arms = dict[str, Callable[[], float]]


def in_turns(arms: Arms, rounds: int, unit: str) -> dict[str, list[float]]:
    """Measure every arm once a round, A B A B, so that whatever else the machine does meets all of them.

    Every other round goes backwards. Each result is printed as it comes.
    """
    measured: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(rounds):
        for name in list(arms)[:: -1 if number % 2 else 1]:
            measured[name].append(arms[name]())
            print(f"round {number + 1}/{rounds}  {name:24} {measured[name][-1]:12.3f} {unit}", flush=True)
    return measured


def alone(function: Callable[..., float], *arguments: Any) -> float:
    """What a function measures in a process of its own, where no other arm has set up anything."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=quietly) as process:
        return process.submit(function, *arguments).result()


def environment() -> dict[str, str]:
    """Of a whole process: ours, without what torch adds to it once its compiler is imported.

    With that, a process of its own would import the compiler, too, which takes four seconds.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("TORCHINDUCTOR_")}


def quietly() -> None:
    from project.training.command_line import quieten

    quieten()
    warnings.filterwarnings("ignore", module="pytorch_lightning")


def ratio(of: list[float], to: list[float] | None = None) -> dict[str, float]:
    """Median, lowest and highest of the rounds' ratios; of the values themselves without `to`."""
    values = of if to is None else [a / b for a, b in zip(of, to)]
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    import pytorch_lightning
    import torch

    from project.support.devices import cpu_computes_bfloat16

    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_computes_bfloat16": cpu_computes_bfloat16(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "pytorch_lightning": pytorch_lightning.__version__,
        "load_before": os.getloadavg()[0],
        "at": time.strftime("%Y-%m-%d %H:%M"),
    }


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def report(name: str, measured: dict[str, list[float]], ratios: dict[str, dict[str, float]], **more: Any) -> dict:
    """Print arms and ratios, and return what is to be written."""
    print()
    for arm, values in measured.items():
        print(f"{arm:32} median {statistics.median(values):10.3f}   {min(values):10.3f} to {max(values):10.3f}")
    for which, spread in ratios.items():
        print(f"{which:32} median {spread['median']:10.3f}   {spread['low']:10.3f} to {spread['high']:10.3f}")
    return {"benchmark": name, "command": sys.argv[1:], "measured": measured, "ratios": ratios, **more}


def write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")
