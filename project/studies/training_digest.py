"""A digest of all that decides a training but its seed: its complete configuration, the code, the libraries and the data."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from project.studies.metric_names import MetricName
from project.training.configuration import class_paths

PROJECT = Path(__file__).resolve().parents[1]
NOT_TRAINING = PROJECT / "studies"  # no training imports anything of it, but for
ONE_TRAINING = NOT_TRAINING / "one_training.py"
MEASURING = NOT_TRAINING / "measurements.py"  # which counts where a study measures more than others
OF_LIBRARIES = ("project", "torch", "torchvision", "pytorch_lightning", "torchmetrics")


def digest_of(complete: dict[str, Any], measured: Sequence[MetricName]) -> str:
    """The digest as 32 hexadecimal digits.

    Args:
        complete: The complete configuration.
        measured: What is measured besides.
    """
    decides = {name: value for name, value in complete.items() if name not in ("run", "seed_everything")}
    parts = [json.dumps(decides, sort_keys=True, default=str), torch.__version__]
    parts += [str(torch.cuda.is_available()), *sorted(measured)]
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
    ours = {path for path in PROJECT.rglob("*.py") if not path.is_relative_to(NOT_TRAINING)} | {ONE_TRAINING}
    for path in sorted({*ours, *own_code(complete), *([MEASURING] if measured else [])}):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    for path in data_files(complete):
        stamp = path.stat()
        digest.update(f"{path}\n{stamp.st_size} {stamp.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def own_code(complete: dict[str, Any]) -> Iterator[Path]:
    """The Python files of each class that is a person's own: its package, or all that lie beside it."""
    packages = {path.partition(".")[0] for _, path in class_paths(complete)}
    for name in sorted(packages - {*OF_LIBRARIES}):
        spec = find_spec(name) if name.isidentifier() else None
        # A folder without __init__.py has no origin, but has folders, too.
        folders = [*(spec.submodule_search_locations or ())] if spec else []
        for folder in folders:
            if "site-packages" not in folder:
                yield from Path(folder).rglob("*.py")
        origin = spec.origin if spec and not folders else None
        if origin and origin.endswith(".py") and "site-packages" not in origin:
            yield from Path(origin).parent.glob("*.py")


def data_files(complete: dict[str, Any]) -> list[Path]:
    """The files that the data's settings name, or that lie in a folder that they name."""
    source = complete["data"]["source"]
    settings = (source.get("init_args") or {}).values()
    paths = [Path(value) for value in settings if isinstance(value, str) and os.path.exists(value)]
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sorted(file for file in found if file.is_file())
