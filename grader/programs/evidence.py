"""Runs inside a sandbox, beside a student's own code: what a person may want to know of an audited training.

It shares a process with code that could make it say anything, so it decides nothing. What it finds becomes flags.
"""

import importlib
import json
from pathlib import Path
from typing import Any

WATCHED_MODULES = ("builtins", "time", "json", "random", "torch", "torch.nn.functional", "safetensors.torch")
WATCHED_CLASSES = (
    *("pytorch_lightning.Trainer", "pytorch_lightning.LightningModule", "torch.nn.Module", "torch.Generator"),
    *("pytorch_lightning.loops.fit_loop._FitLoop", "pytorch_lightning.loops.training_epoch_loop._TrainingEpochLoop"),
    *("pytorch_lightning.loops.evaluation_loop._EvaluationLoop", "torchmetrics.Metric", "torchmetrics.MeanMetric"),
    *("torchmetrics.classification.MulticlassAccuracy", "project.classifier.Classifier", "project.data.ImageData"),
    *(
        "project.batches.in_memory.ResidentBatches",
        "project.batches.base.Batches",
        "project.support.metrics.EpochMetrics",
    ),
)


class Evidence:
    """Begin before the first line of a student's code is imported.

    Counts the steps of all optimizers, and remembers the library's functions, to see which were replaced.
    """

    def __init__(self) -> None:
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self.steps = 0
        self.before = functions()
        register_optimizer_step_post_hook(self.count)

    def count(self, optimizer: Any, *args: Any) -> None:
        # Without a gradient nothing is learnt: so the census looks at a schedule.
        self.steps += any(p.grad is not None for group in optimizer.param_groups for p in group["params"])

    def write(self, path: Path, expected_steps: int) -> None:
        """Write what was seen as JSON."""
        after = functions()
        replaced = sorted(name for name, function in self.before.items() if after.get(name) is not function)
        seen = {"optimizer_steps": self.steps, "expected_steps": expected_steps, "replaced": replaced[:20]}
        path.write_text(json.dumps(seen), encoding="utf-8")


def functions() -> dict[str, Any]:
    """The callables of the watched modules and classes by name. A class's own, not what it inherits."""
    owners = {name: importlib.import_module(name) for name in WATCHED_MODULES}
    for name in WATCHED_CLASSES:
        module, _, cls = name.rpartition(".")
        owners[name] = getattr(importlib.import_module(module), cls)
    return {
        f"{owner}.{name}": value
        for owner, place in owners.items()
        for name, value in vars(place).items()
        if callable(value) and type(value) is not type
    }
