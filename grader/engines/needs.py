"""What jobs to come have in common, and what can begin for them before torch is imported, which takes seconds."""

import math
from dataclasses import dataclass
from pathlib import Path

from grader.engines.machine import gpus
from grader.rerun.mounted_code import PRELOAD, VisibleCode
from grader.sandbox.fork_server import ForkServer


@dataclass(frozen=True)
class Needs:
    """What the jobs to come have in common.

    Attributes:
        device: `cuda` or `cpu`.
        data: Folder that all of their data lies in. It exists, and may still be empty.
        memory_gb: What each may use of the machine's memory.
        per_gpu: Trainings at once on each GPU.
        longest: Seconds within which a job ends, whatever it does, waiting included.
    """

    device: str
    sandboxed: bool
    data: Path
    memory_gb: float = 8.0
    per_gpu: int = 1
    longest: float = math.inf


def fork_servers(needs: Needs, code: VisibleCode, threads: int) -> list[ForkServer]:
    """Fork servers that have begun to import: one for each GPU, or one for the CPU; none without sandboxes."""
    devices = ([None] if needs.device == "cpu" else gpus()) if needs.sandboxed else []
    servers = [ForkServer(code.inputs, PRELOAD, [needs.data], gpu, threads) for gpu in devices]
    for server in servers:
        server.start()
    return servers
