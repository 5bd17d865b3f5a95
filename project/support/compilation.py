"""`--model.compile true`: torch.compile for the network."""

import shutil
import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from project.support.errors import UserError, note


class Compilation(Callback):
    """Has the network compiled when it is first used, and says how long that took.

    Only the network's forward and backward pass are compiled; the weights in checkpoints keep their names.

    Raises:
        UserError: There is neither a GPU nor a C++ compiler, which the code for a CPU needs.
    """

    def __init__(self) -> None:
        if not torch.cuda.is_available() and not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
            raise UserError("model.compile: needs a C++ compiler; on Debian, apt-get install g++, or leave it at false")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        note("model.compile: the first batch waits for the compiler, a minute or more")
        pl_module.get_submodule("network").compile()
        self.started: float | None = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if self.started is not None:
            note(f"model.compile: the first batch took {time.perf_counter() - self.started:.0f} s")
            self.started = None
