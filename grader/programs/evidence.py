"""Runs inside a sandbox, beside a student's own code: what a person may want to know of an audited training.

It shares a process with code that could make it say anything, so it decides nothing. What it finds becomes flags.
"""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WATCHED = (
    *("builtins", "time", "json", "random", "safetensors.torch", "torch", "torch.nn", "torch.nn.functional"),
    *("torch.nn.init", "torch.nn.modules.module", "torch.optim.optimizer", "torch.overrides", "torch.random"),
    *("torch.utils.flop_counter", "torchmetrics", "torchmetrics.metric", "torchmetrics.aggregation"),
    *("torchmetrics.classification", "torchmetrics.classification.accuracy", "pytorch_lightning"),
    *("pytorch_lightning.trainer.trainer", "pytorch_lightning.core.module", "pytorch_lightning.loops.fit_loop"),
    *("pytorch_lightning.loops.training_epoch_loop", "pytorch_lightning.loops.evaluation_loop", "project.classifier"),
    *("project.data", "project.batches.base", "project.batches.in_memory", "project.strategies"),
    *("project.support.comparison", "project.support.fresh_weights", "project.support.metrics"),
    *("project.support.observation", "project.support.remembered", "project.support.watched_functions"),
)


class Evidence:
    """Counts the steps of all optimizers, and notices which functions of libraries are replaced.

    To be made before the first line of a student's code is imported.
    """

    def __init__(self, compiles: bool = False) -> None:
        import torch
        from torch.optim.optimizer import register_optimizer_step_post_hook

        if compiles:  # at its first use, the compiler itself replaces methods of torch.nn.Module
            torch.compile(torch.nn.Identity(), backend="eager")(torch.zeros(1))
        self.steps = 0
        self.before = functions()
        register_optimizer_step_post_hook(self.count)

    def count(self, optimizer: Any, *args: Any) -> None:
        # A step without a gradient learns nothing: the census makes such steps to look at a schedule.
        self.steps += any(p.grad is not None for group in optimizer.param_groups for p in group["params"])

    def write(self, path: Path, expected_steps: int, gone: Sequence[str] = ()) -> None:
        """Write what was seen as JSON; `gone` names strategies that had an effect before the training and none after it."""
        after = functions()
        replaced = sorted(name for name, function in self.before.items() if after.get(name) is not function)
        seen = {
            "optimizer_steps": self.steps,
            "expected_steps": expected_steps,
            "replaced": replaced[:20],
            "gone": gone,
        }
        path.write_text(json.dumps(seen), encoding="utf-8")


def functions() -> dict[str, Any]:
    """What can be called in the watched modules and in the classes that they define, by name; nothing inherited."""
    found: dict[str, Any] = {}
    # All imports come first, as Lightning replaces torch.compile.
    modules = {name: vars(importlib.import_module(name)) for name in WATCHED}
    for name, module in modules.items():
        classes = [value for value in module.values() if isinstance(value, type) and value.__module__ == name]
        for prefix, members in ((name, module), *((f"{name}.{cls.__name__}", vars(cls)) for cls in classes)):
            found |= {f"{prefix}.{member}": value for member, value in members.items() if callable(value)}
    return found
