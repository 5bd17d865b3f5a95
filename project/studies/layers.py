"""A network by layer: what each puts out for an image, and what it costs in parameters and multiplications."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.utils.parametrize import is_parametrized
from torch.utils.flop_counter import FlopCounterMode

from project.support.remembered import undisturbed

MOST_ROWS = 36  # of a table


class Layer(NamedTuple):
    """A part of a network.

    Attributes:
        name: Its name in the network; "" for the network itself.
        kind: Name of its class.
        shape: Of what it puts out for one image, such as (C, H, W); None where it is not called, or puts out no tensor.
        parameters: How many it has that no layer before it has.
        multiplications: For one image, in matrix products and convolutions: all but a few.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int
    multiplications: int


class Account:
    """What the modules of a network do while it makes logits of images, in evaluation.

    Attributes:
        operations: Counted in each module alone, without those that it calls; two for each multiplication of an image.
        shapes: Of what each put out last, for one image.
        called: The modules, numbered in the order of their first calls.
    """

    def __init__(self, network: nn.Module, images_NCHW: Tensor):
        self.operations: Counter[nn.Module] = Counter()
        self.shapes: dict[nn.Module, tuple[int, ...]] = {}
        self.called: dict[nn.Module, int] = {}
        self.running: list[nn.Module] = []
        self.counter, self.seen = FlopCounterMode(display=False), 0
        with ExitStack() as stack:
            stack.enter_context(undisturbed(network))
            stack.callback(register_module_forward_pre_hook(self.enter).remove)
            stack.callback(register_module_forward_hook(self.leave, always_call=True).remove)
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            # So torch computes attention and recurrent layers in plain products, where it counts nothing of its faster ways.
            stack.enter_context(torch.enable_grad())
            stack.enter_context(warnings.catch_warnings(action="ignore"))  # of what the next line also sets
            stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            stack.enter_context(self.counter)
            network.eval()(images_NCHW)

    def enter(self, module: nn.Module, inputs: Any) -> None:
        self.charge()
        self.running.append(module)
        self.called.setdefault(module, len(self.called))

    def leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self.charge()
        self.running.pop()
        first = output[0] if isinstance(output, tuple) and output else output  # a recurrent layer's state follows
        if isinstance(first, Tensor):
            self.shapes[module] = tuple(first.shape[1:])

    def charge(self) -> None:
        """Charge the innermost module that runs with what was counted since the last look."""
        total = self.counter.get_total_flops()
        if self.running:
            self.operations[self.running[-1]] += total - self.seen
        self.seen = total


def layers(network: nn.Module, images_NCHW: Tensor) -> list[list[Layer]]:
    """A network's parts in the order in which it calls them, each of its parameters and multiplications in one of them.

    They are the layers themselves, or where these are too many, the modules that they lie in. Parts that follow each other
    and are alike in all but their names are listed together; there are at most MOST_ROWS such lists. The network is left as
    it was. Raises whatever it raises on the images.
    """
    account, count = Account(network, images_NCHW), len(images_NCHW)
    depths = [name.count(".") + 1 for name, _ in network.named_modules() if name]
    rows: list[list[Layer]] = []
    for depth in range(max(depths, default=1), 0, -1):
        found = parts(network, "", depth, account, count, set())
        rows = [[*alike] for _, alike in groupby(found, lambda layer: layer[1:])]
        if len(rows) <= MOST_ROWS:
            return rows
    left = [layer for alike in rows[MOST_ROWS - 1 :] for layer in alike]
    sums = sum(layer.parameters for layer in left), sum(layer.multiplications for layer in left)
    return [*rows[: MOST_ROWS - 1], [Layer(f"{len(left)} more", "", left[-1].shape, *sums)]]


def parts(
    module: nn.Module, name: str, depth: int, account: Account, images: int, seen: set[nn.Module | nn.Parameter]
) -> Iterator[Layer]:
    """A module's layers, `depth` levels below it or higher. `seen` are the modules and parameters that are listed already."""

    def layer(modules: list[nn.Module]) -> Layer:
        parameters = {p for each in modules for p in each.parameters(recurse=False)} - seen
        shapes = [account.shapes[each] for each in (module, *modules[::-1]) if each in account.shapes]
        operations = sum(account.operations[each] for each in modules)
        seen.update(modules, parameters)
        size = sum(parameter.numel() for parameter in parameters)
        return Layer(name, type(module).__name__, shapes[0] if shapes else None, size, operations // (2 * images))

    def first_call(item: tuple[str, nn.Module]) -> int:
        return min((account.called[each] for each in item[1].modules() if each in account.called), default=len(calls))

    calls = account.called
    within = [each for each in module.modules() if each not in seen]
    children = sorted(module.named_children(), key=first_call)
    # Of a layer that computes its weights from others, or whose children nobody calls (attention's), nothing is apart.
    whole = is_parametrized(module) or not any(each in calls for each in within if each is not module)
    if not within or all(each not in calls and not [*each.parameters(recurse=False)] for each in within):
        return
    if depth == 0 or whole:
        yield layer(within)
        return
    itself = layer([module])
    if itself.parameters or itself.multiplications:
        yield itself
    for child_name, child in children:
        yield from parts(child, f"{name}.{child_name}".lstrip("."), depth - 1, account, images, seen)


def as_text(network: nn.Module, images_NCHW: Tensor) -> str:
    """The layers as lines for a terminal, and their sums. Raises whatever the network raises on the images."""
    rows = [["layer", "", "output", "parameters", "multiplications"]]
    found = layers(network, images_NCHW)
    for alike in found:
        first, last, count = alike[0], alike[-1].name, len(alike)
        parent, _, own = last.rpartition(".")
        shown_last = own if parent == first.name.rpartition(".")[0] else last
        rows.append(
            [
                (first.name or "itself") if count == 1 else f"{first.name} to {shown_last}",
                first.kind if count == 1 else f"{count} x {first.kind}",
                "not called" if first.shape is None else "x".join(map(str, first.shape)),
                *(f"{count * value:,}" for value in (first.parameters, first.multiplications)),
            ]
        )
    every = [layer for alike in found for layer in alike]
    sums = (sum(layer.parameters for layer in every), sum(layer.multiplications for layer in every))
    rows.append(["in all", type(network).__name__, "", *(f"{value:,}" for value in sums)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    )
