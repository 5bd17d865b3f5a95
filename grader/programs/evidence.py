"""Runs inside a sandbox, beside a student's own code: what a person may want to know of an audited training.

It shares a process with code that could make it say anything, so it decides nothing. What it finds becomes flags.
"""

import functools
import importlib
import inspect
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import CellType, FunctionType, ModuleType
from typing import Any

OURS = "project"  # what the census and the training are made of: watched as a whole
WATCHED = (  # modules of libraries, of which functions and classes are watched
    *("builtins", "time", "json", "random", "math", "pathlib", "safetensors.torch", "torch", "torch.autograd"),
    *("torch.nn", "torch.nn.functional", "torch.nn.init", "torch.nn.modules.module", "torch.optim.optimizer"),
    *("torch.overrides", "torch.random", "torch.utils.flop_counter", "torchmetrics", "torchmetrics.metric"),
    *("torchmetrics.aggregation", "torchmetrics.classification", "torchmetrics.classification.accuracy"),
    *("pytorch_lightning", "pytorch_lightning.trainer.trainer", "pytorch_lightning.core.module"),
    *("pytorch_lightning.loops.fit_loop", "pytorch_lightning.loops.training_epoch_loop"),
    *("pytorch_lightning.loops.evaluation_loop", "pytorch_lightning.loops.optimization.automatic"),
)
CHANGING = (
    "__builtins__",
    "__warningregistry__",
    "__annotations__",
    "__slotnames__",
    "__dict__",
)  # Python itself writes there
CHUNK = 1000  # images

Parts = list[Any]  # of a value: none of them is another object as long as nobody changes it


class Evidence:
    """Counts steps, passes backward and images, and notices what is replaced in libraries and in our code.

    To be made before the first line of a student's code is imported.

    Args:
        compiles: Whether a student's code or configuration has torch.compile at work.
    """

    def __init__(self, compiles: bool = False) -> None:
        import torch
        from torch.optim.optimizer import register_optimizer_step_post_hook

        import project.classifier

        if compiles:  # at its first use, the compiler itself replaces methods of torch.nn.Module
            torch.compile(torch.nn.Identity(), backend="eager")(torch.zeros(1))
        make_optimizers()
        self.compiles = compiles
        self.steps = self.called = self.depth = self.images = self.batch = 0
        self.gradients: list[int] = []  # of each parameter that is watched
        self.computing = {inspect.getfile(owner) for owner in (torch.nn.Module, project.classifier)}
        for name in ("backward", "grad"):  # what torch's own functions and methods compute gradients with
            setattr(torch.autograd, name, self.counting(getattr(torch.autograd, name)))
        self.replaced: set[str] = set()
        self.modules = modules()
        self.before = watched(self.modules)
        register_optimizer_step_post_hook(self.count)

    def count(self, optimizer: Any, *args: Any) -> None:
        """Count a step, but none that another optimizer makes a part of its own: SAM and Lookahead have others step."""
        step = frame = inspect.currentframe().f_back  # type: ignore[union-attr]  # CPython has frames
        while frame := frame and frame.f_back:
            if frame.f_code is step.f_code:  # type: ignore[union-attr]
                return
            if frame.f_code.co_filename in self.computing:  # a step on the way to a gradient is one of its own
                break
        # A step without a gradient learns nothing: the census makes such steps to look at a schedule.
        self.steps += any(p.grad is not None for group in optimizer.param_groups for p in group["params"])

    def counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.called += not self.depth  # checkpointing goes backward within a pass
            self.depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self.depth -= 1

        return counted

    def watch(self, network: Any, caller: Any = None) -> None:
        """Count the gradients of a network's parameters, and the images that gradients go through.

        Whoever computes them, each pass backward has a gradient for each parameter, and one for the logits of each batch.

        Args:
            caller: Module that gives images to the network; to be watched where the network takes no hooks.
        """
        import torch

        def count(number: int, gradient: Any) -> None:
            self.gradients[number] += 1

        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.register_hook(functools.partial(count, len(self.gradients)))
                self.gradients.append(0)

        def outputs(module: Any, inputs: Any, logits_NK: Any) -> None:
            def backward(gradient: Any) -> None:
                self.images += images
                self.batch = max(self.batch, images)

            if isinstance(logits_NK, torch.Tensor) and logits_NK.requires_grad and logits_NK.ndim:
                images = len(logits_NK)
                logits_NK.register_hook(backward)

        owner = caller if isinstance(network, torch.jit.ScriptModule) else network
        owner.register_forward_hook(torch.compiler.disable(outputs) if self.compiles else outputs)

    @property
    def passes(self) -> int:
        """Passes backward: calls of torch's functions, or, where these are more, gradients that most parameters had."""
        return max(self.called, int(statistics.median_high(self.gradients or [0])))

    def look(self) -> None:
        """Note what is replaced at this moment: somebody may put it back later."""
        now = watched(self.modules)
        self.replaced |= {name for name, parts in self.before.items() if not same(parts, now.get(name, []))}
        # What is new in a library was loaded later; of ours all is there from the beginning, but for modules.
        new = {name for name in now.keys() - self.before.keys() if of_ours(name)}
        self.replaced |= {name for name in new if not isinstance(now[name][0], ModuleType)}

    def counts(self) -> dict[str, int]:
        """What was counted until now."""
        return {"steps": self.steps, "passes": self.passes, "images": self.images, "batch": self.batch}

    def write(
        self,
        path: Path,
        counts: dict[str, int],
        gone: Sequence[str] = (),
        helped: bool = False,
        others: bool = False,
    ) -> None:
        """Write what was seen as JSON.

        Args:
            counts: See `counts`.
            others: Whether batches were made of other images than those that were given.
            gone: Names of strategies that had an effect before the training and none after it.
            helped: Whether processes that nobody hides work for the training: those that make batches, or the compiler's.
        """
        self.look()
        children = resource.getrusage(resource.RUSAGE_CHILDREN)  # that somebody waited for
        processor = {"own": time.process_time(), "others": children.ru_utime + children.ru_stime}
        seen = {"replaced": sorted(self.replaced)[:20], "gone": gone, "other_images": others}
        record = {**counts, **seen, "processor": {**processor, "helped": helped or self.compiles}}
        path.write_text(json.dumps(record), encoding="utf-8")


def other_images(batches: Any, folder: str) -> bool:
    """Whether training batches are made of other images or labels than the training split of a TensorFolder."""
    import torch
    from safetensors import safe_open

    images_NHWC, labels_N = batches.split
    with (
        suppress(Exception),
        safe_open(Path(folder, "train.safetensors"), "pt") as file,
    ):  # what it holds may be anything
        given_NHWC, same = file.get_slice("images"), torch.equal(labels_N.cpu(), file.get_tensor("labels"))
        for first in range(0, len(labels_N), CHUNK):  # all at once would need as much memory again
            some = slice(first, first + CHUNK)
            same = same and torch.equal(images_NHWC[some].cpu(), given_NHWC[some])
        return not same
    return True


def compiles(code: Path) -> bool:
    """Whether modules below a folder mention the compiler. They are read as texts."""
    return any("compile" in file.read_text(encoding="utf-8", errors="replace") for file in code.rglob("*.py"))


def make_optimizers() -> None:
    """Make one of each kind: at the first one, torch itself replaces the `step` of its class."""
    import torch

    import project.optimization  # noqa: F401

    kinds = [torch.optim.Optimizer]
    for kind in kinds:  # which grow meanwhile; a class that others inherit from comes before them
        kinds += kind.__subclasses__()
        with suppress(Exception):
            kind([torch.nn.Parameter(torch.zeros(2, 2))])  # type: ignore[call-arg]


def modules() -> dict[str, ModuleType]:
    """The watched modules by their names, among them all that are loaded of our own."""
    # All imports come first, as Lightning replaces torch.compile.
    libraries = {name: importlib.import_module(name) for name in WATCHED}
    return libraries | {name: module for name, module in sys.modules.items() if of_ours(name)}


def of_ours(name: str) -> bool:
    return name.partition(".")[0] == OURS


def watched(modules: dict[str, ModuleType]) -> dict[str, Parts]:
    """By its name, what each function and class in these modules consists of; of our own modules all they hold."""
    found = {}
    for name, module in modules.items():
        members, ours = vars(module), of_ours(name)
        classes = [value for value in members.values() if isinstance(value, type) and value.__module__ == name]
        for prefix, held in ((name, members), *((f"{name}.{cls.__name__}", vars(cls)) for cls in classes)):
            for member, value in held.items():
                if (ours or callable(value)) and member not in CHANGING:
                    found[f"{prefix}.{member}"] = parts(value)
    return found


def parts(value: Any) -> Parts:
    """An object, and what it does its work with, if it is a function or a container that can be changed in place."""
    match value:
        case FunctionType():
            named, cells = value.__kwdefaults__ or {}, value.__closure__ or ()
            return [value, value.__code__, value.__defaults__, *named.values(), *map(content, cells)]
        case staticmethod() | classmethod():
            return [value, *parts(value.__func__)]
        case property():
            return [value, *parts(value.fget), *parts(value.fset), *parts(value.fdel)]
        case dict():
            return [value, *value.keys(), *value.values()]
        case list() | set():
            return [value, *value]
    return [value]


def content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty one
        return None


def same(before: Parts, now: Parts) -> bool:
    """Whether these are the very same objects. None of them is asked: its answer may be a student's."""
    return len(before) == len(now) and all(map(lambda one, other: one is other, before, now))
