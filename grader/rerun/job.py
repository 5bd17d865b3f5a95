"""A job: one submission and one seed. And the slot of a machine in which it runs."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from grader.intake.submission import Submission
from grader.rerun.grading_data import GradingData
from grader.rerun.mounted_code import VisibleCode
from grader.rules import Rules
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.cores import Pool
from grader.sandbox.sandboxed_program import Launch, Turn


@dataclass(frozen=True, eq=False)
class Job:
    """What to rerun, and how. A job equals only itself, so that it can be a key.

    Attributes:
        submission: With its modules as a training sees them.
        device: `cuda` or `cpu`.
        folder: Where the log, the configuration and the curves are kept.
        trial: End where the training would begin, with what the census says.
    """

    submission: Submission
    seed: int
    rules: Rules
    data: GradingData
    device: str
    folder: Path
    sandboxed: bool = True
    trial: bool = False


@dataclass(frozen=True)
class Slot:
    """Where an engine has a job run.

    Attributes:
        gpu: Number of the GPU's device file, where the job's device is one.
        threads: Threads of the processor that compute.
        preparing: What the training program must hold from its start to its end.
        turn: What it must hold besides while it trains; on a CPU until the predictions are made.
        alone: Instead of the turn, one during which nobody else has one; None where several never have.
        cores: Shares of the processor, of which a job takes one with its turn, and gives it back at its end; None where the
            programs are held to none.
        per_gpu: How many may have their turn at once on this GPU.
        stop: Set it to end whatever runs.
        launch: Starts a program in a sandbox.
        scratch: Folder for what goes in and comes out; by default the system's temporary one.
        code: Our code that programs run.
    """

    gpu: int = 0
    threads: int = field(default_factory=torch.get_num_threads)
    preparing: AbstractContextManager[Any] = field(default_factory=nullcontext)
    turn: Turn = field(default_factory=threading.Lock)
    alone: Callable[[], AbstractContextManager[Turn]] | None = None
    cores: Pool | None = None
    per_gpu: int = 1
    stop: threading.Event | None = None
    launch: Launch = Bubblewrapped
    scratch: Path | None = None
    code: VisibleCode = VisibleCode()
