"""What really happens in a network: its forward pass in training, watched, and run again with something left out.

What a module is called, and whether it is one at all, does not matter: what counts is the logits, and what they owe to.
"""

import math
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook

from project.support.comparison import differ, draws_differ, logits_differ, unevenly, unnormalized
from project.support.fresh_weights import WeightLayer, computes_weights, drawn_weight
from project.support.remembered import Memory, undisturbed
from project.support.watched_functions import DROPS, Watch

SEEDS = 16  # with which a network that draws nothing has not varied
REPEATS = 8  # of what is never the same twice
TRIED = 12  # layers, or modules, of a deep network
NEXT_TO_ZERO = 1e-3
FAINT = 1e-5  # norm of a gradient, relative to the largest: it may be nothing but rounding


class Observation:
    """A network under observation, on a batch of images; see `observed`.

    Attributes:
        logits_NK: What it makes of the images in training.
        calls: The functions that normalize or drop which it calls meanwhile.
        run: The modules that it runs.
        reached: Names of the parameters that a gradient to speak of reaches.
        idle: Names of the modules with weights, or that normalize or drop, which it never uses.
        unlearned: Names of the layers with weights that no such gradient reaches.
        repeatable: Whether the same draws give the same logits. Where it draws from what nobody can set, they do not.
    """

    def __init__(self, network: nn.Module, images_NCHW: Tensor, beside: Collection[Any], before: Memory):
        self.network, self.images_NCHW, self.memory, self.watch = network, images_NCHW, before, Watch()
        self.run: set[nn.Module] = set()
        hook = register_module_forward_hook(lambda module, *_: self.run.add(module))
        try:
            self.forward()  # after its first call a network may be another
            self.memory = Memory(network, *beside)
            gradients, filled = self._gradients(), set[nn.Parameter]()
            while zeros := self._next_to_zero(gradients) - filled:
                filled |= zeros
                for zero in zeros:
                    nn.init.normal_(zero, 0, 0.1)
                self.memory = Memory(network, *beside)
                gradients = self._gradients()
        finally:
            hook.remove()
        self.reached = {name for name, gradient in gradients.items() if gradient > FAINT or self._felt(name)}
        self.logits_NK = self.forward()
        self.calls = self.watch.calls
        self.repeatable = not isinstance(self.logits_NK, Tensor) or not logits_differ(self.logits_NK, self.forward())
        modules = network.named_modules()
        layers = [(name, m) for name, m in modules if name and not isinstance(m, torch.jit.ScriptModule)]
        # The weights of a module that is not called may be used all the same, as attention does with its output's.
        self.idle = [n for n, m in layers if m not in self.run and what_is(m) and not self.learns(n)]
        self.unlearned = [n for n, m in layers if m in self.run and learnable(m) and not self.learns(n)]

    def can_be_drawn(self, name: str) -> bool:
        """Whether the weights of this layer matter for how it learns; all do where none learn, as with weights of zero."""
        return self.learns(name) or not self.learns("")

    def learns(self, name: str) -> bool:
        """Whether a gradient reaches any weights, biases left aside, of the module of this name."""
        of_module = [parameter for parameter in self.reached if parameter.startswith(f"{name}." if name else "")]
        return any(not parameter.endswith("bias") for parameter in of_module)

    def forward(
        self,
        seed: int = 0,
        without: Collection[str] = (),
        dropping: int | None = None,
        scaled: Collection[Tensor] = (),
        factor: float = 1.0,
        evaluated: bool = False,
        keep_graph: bool = False,
        images: slice = slice(None),
    ) -> Tensor:
        """Logits in training, or where it is evaluated, of the network as it was when it was first seen.

        Gradients are on, as in training: a layer may tell by them whether it trains.

        Args:
            seed: Of all draws.
            without: Names of the functions to leave out.
            dropping: Another seed, for those that drop.
            scaled: Tensors that are multiplied by `factor` before.
            images: Those of the batch that it gets.
        """
        self.memory.put_back()
        self.memory.seed(seed)
        if evaluated:
            self.network.eval()
        with torch.no_grad():
            for tensor in scaled:
                tensor.mul_(factor)
        before = self.memory.states()
        self.watch = Watch(without, seed if dropping is None else dropping)
        quiet = warnings.catch_warnings(action="ignore")  # a compiled network warns of the hooks here
        with quiet, torch.compiler.set_stance("force_eager"), torch.enable_grad(), self.watch:
            logits = self.network(self.images_NCHW[images].clone())
        self.drew = self.memory.states() != before  # beside what drops
        return logits if keep_graph or not isinstance(logits, Tensor) else logits.detach()

    def _gradients(self) -> dict[str, float]:
        """By names of parameters that any gradient reaches, its norm, relative to the largest; 1 where nothing is known."""
        named = list(self.network.named_parameters(remove_duplicate=False))
        found: dict[str, float] = {}
        for seed in range(3):  # what is left out by chance in one draw works in another
            logits_NK = self.forward(seed, keep_graph=True)
            if not isinstance(logits_NK, Tensor) or logits_NK.ndim != 2 or not logits_NK.requires_grad:
                return {name: 1.0 for name, _ in named}
            labels_N = torch.arange(len(logits_NK), device=logits_NK.device) % logits_NK.shape[1]
            self.network.zero_grad()
            F.cross_entropy(logits_NK.float(), labels_N).backward()
            norms = {name: p.grad.float().norm().item() for name, p in named if p.grad is not None}
            self.network.zero_grad()
            largest = max((norm for norm in norms.values() if norm < math.inf), default=0.0) or 1.0
            found |= {name: max(norm / largest, found.get(name, 0)) for name, norm in norms.items() if norm > 0}
            if not self.drew and not any(call.p for call in self.watch.calls):
                break
        return found

    def _next_to_zero(self, gradients: Collection[str]) -> set[nn.Parameter]:
        """Weights that will grow from next to nothing: behind a head of zeros nothing could be seen yet."""
        weights = {p for name, p in self.network.named_parameters() if name in gradients and name[-4:] != "bias"}
        trained = {p for p in weights if p.requires_grad and p.is_floating_point() and p.numel()}
        return {p for p in trained if p.abs().max() < NEXT_TO_ZERO}

    def _felt(self, name: str) -> bool:
        """Whether the logits would be others with the opposite weights; biases, which nobody asks about, are not tried."""
        if name.endswith("bias"):
            return False
        scaled = self.forward(without=DROPS, scaled=[self.network.get_parameter(name)], factor=-1)
        return logits_differ(self.forward(without=DROPS), scaled)

    def differs(self, one: Callable[[int], Tensor], other: Callable[[int], Tensor]) -> bool:
        """Whether two ways to run the network, with a seed, give other logits; in distribution, where it is not repeatable."""
        if self.repeatable:
            return logits_differ(one(0), other(0))
        draws: dict[bool, list[Tensor]] = {True: [], False: []}
        turns = Random(0).sample([True, False], counts=[REPEATS, REPEATS], k=2 * REPEATS)
        for seed, first in enumerate(turns):
            draws[first].append((one if first else other)(seed))
        return draws_differ(draws[True], draws[False])

    def normalizations(self) -> dict[str, int]:
        """Normalizations without which the logits would be others, and in how many places each works."""
        found = {}
        for name in dict.fromkeys(call.name for call in self.calls if call.name not in DROPS):
            without = {*DROPS, name}
            if self.differs(lambda seed: self.forward(seed, DROPS), lambda seed: self.forward(seed, without)):
                self.forward(without=without)
                found[name] = self.watch.left_out
        return found

    def droppings(self) -> dict[str, list[float]]:
        """Kinds of dropout by which the logits vary from draw to draw, and the probabilities of each."""
        found: dict[str, list[float]] = {}
        for call in self.calls:
            if call.name in DROPS and call.p > 0:
                found.setdefault(call.name, []).append(call.p)
        return {name: probabilities for name, probabilities in found.items() if self._drops(DROPS - {name})}

    def _drops(self, others: Collection[str]) -> bool:
        """Whether anything that drops, but for these, has an effect on the logits."""
        if not self.repeatable:
            return self.differs(lambda seed: self.forward(seed, DROPS), lambda seed: self.forward(seed, others))
        first = self.forward(0, others)
        return any(logits_differ(first, self.forward(0, others, dropping=seed)) for seed in range(1, SEEDS))

    def varies(self) -> bool:
        """Whether the logits vary from draw to draw without all kinds of dropout that are known."""
        first = self.forward(0, DROPS)
        if not self.repeatable or not self.drew:
            return False
        return any(logits_differ(first, self.forward(seed, DROPS)) for seed in range(1, SEEDS))

    def varies_in_evaluation(self) -> bool:
        """Whether the logits vary from draw to draw in evaluation, too."""
        try:
            first = self.forward(evaluated=True)
            draws = self.drew or any(call.p for call in self.watch.calls)
            return self.repeatable and draws and logits_differ(first, self.forward(1, evaluated=True))
        except Exception:  # some cannot before they have trained
            return False

    def mixes_images_in_evaluation(self) -> bool:
        """Whether in evaluation the logits of an image depend on the other images of its batch."""
        half = len(self.images_NCHW) // 2
        try:
            whole_NK = self.forward(evaluated=True)
            return self.repeatable and logits_differ(whole_NK[:half], self.forward(evaluated=True, images=slice(half)))
        except Exception:  # some cannot before they have trained
            return False

    def scale_invariant(self, parametrized: bool = False) -> list[nn.Module]:
        """Layers whose weights can be doubled without any effect on the logits: what follows, or computes them, normalizes.

        At most TRIED are tried; `parametrized` asks for those whose weights are computed from others. A layer on which
        nothing depends at all is none of them, and one of which signs alone count.
        """
        layers = [m for m in self.network.modules() if isinstance(m, WeightLayer) and m in self.run]
        layers = [layer for layer in layers if computes_weights(layer) or not parametrized]
        whole = self.forward(without=DROPS)
        found: list[nn.Module] = []
        for layer in layers[:: -(-len(layers) // TRIED) or 1] if self.repeatable else []:
            weight = drawn_weight(layer)
            ways = [[weight], [weight, *([] if layer.bias is None else [layer.bias])]]
            doubled = (self.forward(without=DROPS, scaled=way, factor=2) for way in ways)
            opposite = self.forward(without=DROPS, scaled=[weight], factor=-1)
            if not all(logits_differ(whole, logits) for logits in doubled) and logits_differ(whole, opposite):
                with putting_out(layer, lambda _, output: unevenly(output)):
                    if logits_differ(whole, self.forward(without=DROPS)):
                        found.append(layer)
        return found

    def normalizing_modules(self) -> list[nn.Module]:
        """Modules that answer the same where their input is doubled, and without which the logits would be others.

        At most TRIED are tried, those with no modules of their own first.
        """
        seen: dict[nn.Module, Tensor] = {}

        def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if (
                module is not self.network
                and len(inputs) == 1
                and isinstance(inputs[0], Tensor)
                and isinstance(output, Tensor)
            ):
                if output.shape == inputs[0].shape and output.is_floating_point():
                    seen.setdefault(module, inputs[0].detach().clone())

        hook = register_module_forward_hook(look)
        try:
            self.forward(without=DROPS)
        finally:
            hook.remove()
        found = []
        for module, x in sorted(seen.items(), key=lambda item: len(list(item[0].modules())))[:TRIED]:
            try:
                with torch.enable_grad(), Watch(DROPS):
                    once, twice, other = (module(given.clone()).detach() for given in (x, 2 * x, unevenly(x)))
                if differ(once, twice) or not differ(once, other):
                    continue
            except Exception:  # called alone it may fail: what it got within torch.func.vmap is nothing outside
                continue

            def without(seed: int, module: nn.Module = module) -> Tensor:
                with putting_out(module, unnormalized):
                    return self.forward(seed, DROPS)

            if self.differs(lambda seed: self.forward(seed, DROPS), without):
                found.append(module)
        return found


def learnable(module: nn.Module) -> bool:
    """Whether a module has weights of its own, biases left aside, that are to be trained."""
    return any(p.requires_grad and p.ndim > 1 for p in module.parameters(recurse=False))


def what_is(module: nn.Module) -> bool:
    """Whether a module has weights of its own, or normalizes or drops by its class."""
    kinds = ("Norm", "Dropout")
    of_torch = type(module).__module__.startswith(("torch.", "project."))
    return bool(list(module.parameters(recurse=False))) or of_torch and any(k in type(module).__name__ for k in kinds)


@contextmanager
def putting_out(module: nn.Module, what: Callable[[Tensor, Tensor], Tensor]) -> Iterator[None]:
    """Have a module put out `what` is made of its input and its output."""

    def replace(called: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        return what(inputs[0], output) if called is module else None

    hook = register_module_forward_hook(replace)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def observed(network: nn.Module, images_NCHW: Tensor, *beside: Any) -> Iterator[Observation]:
    """Observe a network in training, and leave it, what is named beside it, and all random generators, as they were.

    Trainable weights that are next to zero are filled with small numbers meanwhile. Raises whatever the network raises on
    these images.
    """
    with undisturbed(network, *beside) as before:
        yield Observation(network, images_NCHW, beside, before)
