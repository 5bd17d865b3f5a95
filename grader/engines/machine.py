"""The machine that trains: its device, and what else a result depends on besides the submission.

torch, which takes seconds, is imported only where it is used: what needs no GPU does not wait for it.
"""

import os
import platform
import subprocess
from importlib import metadata
from typing import Any

from grader.sandbox.gpu_devices import minors
from project.support.errors import UserError

PACKAGES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "jsonargparse", "numpy", "safetensors")


def at_once_on_cpu(memory_gb: float, cores: int, memory: float | None = None) -> int:
    """How many trainings at once: one for each core, as far as there is memory for them.

    On 2 cores, that took the least time in all (docs/speed.md): twice the threads do not make a small network twice as
    fast, since they wait for the slowest of them at every step.

    Args:
        memory_gb: What each training may use.
        memory: What the machine has, in bytes; by default this one.
    """
    memory = memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores, int(memory / 1e9 / memory_gb)))


def thread_share(device: str, at_once: int, cores: int) -> int:
    """Threads of each training, where one trains on each GPU, or `at_once` on the CPU."""
    return max(1, cores // (at_once if device == "cpu" else len(gpus()) or at_once))


def gpus() -> list[int]:
    """The numbers of the device files of the GPUs that torch sees, in its order: a scheduler may hide some.

    Raises UserError where nvidia-smi does not tell them.
    """
    import torch

    listed = said_by("nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader")
    uuids = {number: uuid for number, _, uuid in (line.partition(", ") for line in listed.splitlines())}
    visible = [each.strip() for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    count = torch.cuda.device_count()
    named = visible or [*uuids] or [str(number) for number in range(count)]
    numbers = [next((n for n, uuid in uuids.items() if uuid.startswith(each)), each) for each in named[:count]]
    if not all(number.isdigit() for number in numbers):
        raise UserError(f"CUDA_VISIBLE_DEVICES={','.join(visible)}: nvidia-smi does not tell which devices these are")
    files = minors()
    return [files.get(uuids.get(number, ""), int(number)) for number in numbers]


def about(device: str) -> dict[str, Any]:
    """What is recorded with each attempt: `device`, its `driver` where it is a GPU, and the `versions` of what computes."""
    import torch

    from project.support.devices import device_name

    driver = None
    if device == "cuda":
        told = said_by("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
        driver = told.partition("\n")[0] or "unknown"
    return {
        "device": f"{'GPU' if device == 'cuda' else 'CPU'}: {device_name(torch.device(device))}",
        "driver": driver,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}


def said_by(*command: str) -> str:
    """What a command prints; nothing where it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
