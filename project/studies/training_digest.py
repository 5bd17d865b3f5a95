"""A digest of all that decides a training but its seed: its complete configuration, the code, the libraries and the data."""

import ast
import hashlib
import json
import os
import pydoc
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from project.datasets.downloaded import TorchvisionSource
from project.studies.metric_names import MetricName
from project.support.own_code import theirs
from project.training.configuration import class_paths

PROJECT = Path(__file__).resolve().parents[1]
NOT_TRAINING = PROJECT / "studies"  # no training imports anything of it, but for
ONE_TRAINING = NOT_TRAINING / "one_training.py"
MEASURING = NOT_TRAINING / "measurements.py"  # which counts where a study measures more than others
LIBRARIES = ("torch", "torchvision", "pytorch_lightning", "torchmetrics")


def digest_of(complete: dict[str, Any], measured: Sequence[MetricName]) -> str:
    """The digest as 32 hexadecimal digits.

    Args:
        complete: The complete configuration.
        measured: What is measured besides.
    """
    decides = {name: value for name, value in complete.items() if name not in ("run", "seed_everything")}
    parts = [json.dumps(decides, sort_keys=True, default=str), *map(version, LIBRARIES)]
    parts += [str(torch.cuda.is_available()), *sorted(measured)]
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=16)
    ours = {path for path in PROJECT.rglob("*.py") if not path.is_relative_to(NOT_TRAINING)} | {ONE_TRAINING}
    for path in sorted({*ours, *own_code(complete), *([MEASURING] if measured else [])}):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    for path in data_files(complete):
        stamp = path.stat()
        digest.update(f"{path}\n{stamp.st_size} {stamp.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def own_code(complete: dict[str, Any]) -> set[Path]:
    """The Python files of each class that is a person's own, and of what these files import of their own in turn."""
    waiting = [path.partition(".")[0] for _, path in class_paths(complete)]
    known: set[str] = set()
    found: set[Path] = set()
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        new = {*files_of(name)} - found
        found |= new
        waiting += [imported for file in new for imported in imports(file)]
    return found


def files_of(name: str) -> Iterator[Path]:
    """The Python files of a person's own package, or all that lie beside a module of theirs; none of what is no one's own."""
    try:
        spec = find_spec(name) if name.isidentifier() else None
    except ValueError:  # such as of __main__
        return
    if spec is None:
        return
    for folder in filter(theirs, spec.submodule_search_locations or ()):  # without __init__.py there are some, too
        yield from Path(folder).rglob("*.py")
    origin = None if spec.submodule_search_locations else spec.origin
    if origin and origin.endswith(".py") and theirs(origin):
        yield from (file for file in Path(origin).parent.glob("*.py") if theirs(str(file)))


def imports(file: Path) -> Iterator[str]:
    """The packages and modules that a file imports anywhere, by the first part of their names; none if it is no Python."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def data_files(complete: dict[str, Any]) -> list[Path]:
    """The files that the data's settings name, or that lie in a folder that they name.

    Not what torchvision downloads: it is known by its name, is there only after the first training, and may lie beside others'.
    """
    source = complete["data"]["source"]
    kind = pydoc.locate(source["class_path"])
    if isinstance(kind, type) and issubclass(kind, TorchvisionSource):
        return []
    settings = (source.get("init_args") or {}).values()
    paths = [Path(value).expanduser() for value in settings if isinstance(value, str) and exists(value)]
    found = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*"))]
    return sorted(file for file in found if file.is_file())


def exists(value: str) -> bool:
    return os.path.exists(os.path.expanduser(value))
