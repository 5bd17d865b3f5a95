"""The machine that trains: its device, and what else a result depends on besides the submission.

torch is imported where it is asked: whoever has no GPU need not wait for it.
"""

import os
import platform
import subprocess
from importlib import metadata
from typing import Any

from project.support.errors import UserError

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "jsonargparse", "numpy", "safetensors")


def chosen_device(device: str) -> str:
    """cuda or cpu. Raises UserError where cuda is asked for and not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no GPU; leave it at auto to train on the CPU")
    return device


def at_once_on_cpu(memory_gb: float, cores: int, memory: float | None = None) -> int:
    """How many trainings at once: one for each core, as far as there is memory for them.

    On 2 cores, where it was measured, that takes the least time in all (docs/speed.md). A small network's steps do not get faster by as many times as there are threads, and each thread waits at every step
    for the slowest: whatever else the machine does holds up all of them.

    Args:
        memory_gb: That each may use.
        memory: Of the machine, in bytes; by default this one's.
    """
    memory = memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores, int(memory / 1e9 / memory_gb)))


def thread_share(device: str, at_once: int, cores: int) -> int:
    """Each training's threads of a processor with so many cores: as many train at once as there are GPUs, or `at_once`
    on a CPU."""
    return max(1, cores // (at_once if device == "cpu" else len(gpus()) or at_once))


def gpus() -> list[int]:
    """The GPUs that torch sees, in its order, by the numbers of their device files: a scheduler may hide some.

    Raises UserError where these numbers cannot be told.
    """
    import torch

    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    if not visible:
        return list(range(torch.cuda.device_count()))
    listed = said_by("nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader")
    uuids = {uuid: number for number, _, uuid in (line.partition(", ") for line in listed.splitlines())}
    full = [next((uuid for uuid in uuids if uuid.startswith(each)), None) for each in visible]
    numbers = [uuids.get(uuid, each) for uuid, each in zip(full, visible)][: torch.cuda.device_count()]
    if not all(number.isdigit() for number in numbers):
        raise UserError(f"CUDA_VISIBLE_DEVICES={','.join(visible)}: nvidia-smi does not tell which devices these are")
    return [int(number) for number in numbers]


def about(device: str) -> dict[str, Any]:
    """What is recorded with each attempt: `device`, its `driver`, and the `versions` of what computes."""
    return {
        "device": device_label(device),
        "driver": driver() if device == "cuda" else None,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def device_label(device: str) -> str:
    import torch

    from project.support.devices import device_name

    return f"{'GPU' if device == 'cuda' else 'CPU'}: {device_name(torch.device(device))}"


def driver() -> str:
    """The NVIDIA driver's version, as far as it is told."""
    return said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0] or "unknown"


def said_by(*command: str) -> str:
    """What a command prints; nothing where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
