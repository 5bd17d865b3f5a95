"""A job: one submission and one seed; and the slot of a machine in which it runs."""

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from grader.intake.submission import Submission
from grader.rerun.grading_data import GradingData
from grader.rerun.visible_code import VisibleCode
from grader.rules import Rules
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.program import Launch, Turn


@dataclass(frozen=True, eq=False)
class Job:
    """What to rerun, and how. Two jobs are never equal, even where they are made of the same things.

    Attributes:
        seed: Of the training.
        device: `cuda` or `cpu`.
        folder: Where the log, the configuration and the curves are kept.
    """

    submission: Submission
    seed: int
    rules: Rules
    data: GradingData
    device: str
    folder: Path
    sandboxed: bool = True


@dataclass(frozen=True)
class Slot:
    """Where a job runs: an engine's to give.

    Attributes:
        gpu: Number of the GPU, where the job's device is one.
        threads: Of the processor, for its arithmetic.
        preparing: What a program must hold while it prepares for a training, and trains.
        turn: What it must hold besides while it trains; on a CPU also while what it trained predicts.
        per_gpu: How many may have their turn at once on this GPU.
        stop: Set, it ends whatever runs.
        launch: Starts a program in a sandbox.
        scratch: Folder for what goes in and comes out; by default the system's own for such.
        code: Ours, that programs run.
    """

    gpu: int = 0
    threads: int = field(default_factory=torch.get_num_threads)
    preparing: AbstractContextManager[Any] = field(default_factory=nullcontext)
    turn: Turn = field(default_factory=threading.Lock)
    per_gpu: int = 1
    stop: threading.Event | None = None
    launch: Launch = Bubblewrapped
    scratch: Path | None = None
    code: VisibleCode = VisibleCode()
