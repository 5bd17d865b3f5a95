"""What really happens in a network: its forward pass in training, watched, and run again with something left out.

What a module is called, and whether it is one at all, does not matter: what counts is the logits, and what they owe to.
"""

import copy
import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from project.support.fresh_weights import WeightLayer, computes_weights, drawn_weight

# Functions that normalize their first argument, and those that drop parts of it. Modules call these, too.
NORMALIZING: dict[Any, str] = {
    **dict.fromkeys((F.batch_norm, torch.batch_norm), "batch normalization"),
    **dict.fromkeys((F.layer_norm, torch.layer_norm), "layer normalization"),
    **dict.fromkeys((F.group_norm, torch.group_norm), "group normalization"),
    **dict.fromkeys((F.instance_norm, torch.instance_norm), "instance normalization"),
    **dict.fromkeys((F.rms_norm, torch.rms_norm), "RMS normalization"),
    F.local_response_norm: "local response normalization",
}
DROPPING: dict[Any, str] = {
    **dict.fromkeys((F.dropout, F.alpha_dropout, torch.dropout, torch.alpha_dropout), "dropout"),
    **dict.fromkeys((F.dropout1d, F.dropout2d, F.dropout3d, torch.feature_dropout), "spatial dropout"),
    **dict.fromkeys((F.feature_alpha_dropout, torch.feature_alpha_dropout), "spatial dropout"),
}
KINDS = NORMALIZING | DROPPING
DROPS = frozenset(DROPPING.values())
SEEDS = 16  # with which a network that draws nothing has not varied
TRIED = 12  # layers, or modules, of a deep network
NEXT_TO_ZERO = 1e-3


class Call(NamedTuple):
    """A call of one of these functions, and the probability with which it drops."""

    name: str
    p: float = 0.0


class Watch(TorchFunctionMode):
    """Notes the calls of the functions above, and leaves out those of the names in `without`."""

    def __init__(self, without: Collection[str] = ()):
        super().__init__()
        self.calls: list[Call] = []
        self.without = without

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = KINDS.get(function)
        if name is None:
            return function(*args, **kwargs)
        if name == "group normalization" and (args[1:2] == (1,) or kwargs.get("num_groups") == 1):
            name = "layer normalization"
        p = kwargs.get("p", args[1] if len(args) > 1 else 0.5) if function in DROPPING else 0.0
        self.calls.append(Call(name, float(p)))
        if name in self.without:
            return args[0] if args else kwargs["input"]
        return function(*args, **kwargs)


class Observation:
    """A network under observation, on a batch of images; see `observed`.

    Attributes:
        logits_NK: What it makes of the images in training.
        calls: The functions above that it calls meanwhile.
        run: The modules that it runs.
        reached: Names of the parameters that a gradient reaches.
        idle: Names of the modules with weights, or that normalize or drop, which it never uses.
        unlearned: Names of the layers with weights that no gradient reaches.
        repeatable: Whether the same draws give the same logits. Where it counts its own calls, say, they do not.
    """

    def __init__(self, network: nn.Module, images_NCHW: Tensor):
        self.network, self.images_NCHW = network, images_NCHW
        self.buffers = [(buffer, buffer.detach().clone()) for buffer in network.buffers()]
        self.run: set[nn.Module] = set()
        modules = [module for module in network.modules() if not isinstance(module, torch.jit.ScriptModule)]
        hooks = [module.register_forward_hook(lambda module, *_: self.run.add(module)) for module in modules]
        try:
            with Watch() as watch:
                self.logits_NK = self.forward(keep_graph=True)
            self.calls = watch.calls
            self.reached = self._reached(self.logits_NK)
            for seed in (1, 2):  # what is left out by chance in one draw works in another
                self.reached |= self._reached(self.forward(seed, keep_graph=True))
        finally:
            for hook in hooks:
                hook.remove()
        self.repeatable = not isinstance(self.logits_NK, Tensor) or not differ(self.forward(), self.forward())
        layers = [(name, module) for name, module in network.named_modules() if name and module in modules]
        # The weights of a module that is not called may be used all the same, as attention does with its output's.
        self.idle = [n for n, m in layers if m not in self.run and what_is(m) and not self.learns(n)]
        self.unlearned = [n for n, m in layers if m in self.run and learnable(m) and not self.learns(n)]

    def learns(self, name: str) -> bool:
        """Whether a gradient reaches any weights, biases left aside, of the module of this name."""
        of_module = [parameter for parameter in self.reached if parameter.startswith(f"{name}." if name else "")]
        return any(not parameter.endswith("bias") for parameter in of_module)

    def forward(self, seed: int = 0, without: Collection[str] = (), keep_graph: bool = False) -> Tensor:
        """Logits in training, with the network's own draws from this seed, and without the functions of these names.

        Gradients are on, as in training: a layer may tell by them whether it trains.
        """
        torch.manual_seed(seed)
        random.seed(seed)
        numpy.random.seed(seed)
        with torch.no_grad():
            for buffer, before in self.buffers:
                buffer.copy_(before)
        with torch.compiler.set_stance("force_eager"), torch.enable_grad(), Watch(without):
            logits = self.network(self.images_NCHW.clone())
        return logits if keep_graph or not isinstance(logits, Tensor) else logits.detach()

    def _reached(self, logits_NK: Tensor) -> set[str]:
        """Names of the parameters that a gradient reaches; of all, where nothing is known of that."""
        named = list(self.network.named_parameters())
        if not isinstance(logits_NK, Tensor) or logits_NK.ndim != 2 or not logits_NK.requires_grad:
            return {name for name, _ in named}
        labels_N = torch.arange(len(logits_NK), device=logits_NK.device) % logits_NK.shape[1]
        F.cross_entropy(logits_NK.float(), labels_N).backward()
        reached = {name for name, p in named if p.grad is not None and p.grad.abs().sum() > 0}
        self.network.zero_grad()
        return reached

    def normalizations(self) -> dict[str, int]:
        """Normalizations without which the logits would be others, and in how many places each works."""
        names = [call.name for call in self.calls if call.name in NORMALIZING.values()]
        whole = self.forward(without=DROPS)
        return {
            name: names.count(name)
            for name in dict.fromkeys(names)
            if self.repeatable and differ(whole, self.forward(without={*DROPS, name}))
        }

    def droppings(self) -> dict[str, list[float]]:
        """Kinds of dropout by which the logits vary from draw to draw, and the probabilities of each."""
        names = dict.fromkeys(call.name for call in self.calls if call.name in DROPS)
        return {
            name: [call.p for call in self.calls if call.name == name]
            for name in names
            if self.repeatable and self.varies(DROPS - {name})
        }

    def varies(self, without: Collection[str] = DROPS) -> bool:
        """Whether the logits vary from draw to draw without these kinds of dropout; by default, without all that are known."""
        if not self.repeatable:
            return False
        first = self.forward(0, without)
        return any(differ(first, self.forward(seed, without)) for seed in range(1, SEEDS))

    def varies_in_evaluation(self) -> bool:
        """Whether the logits vary from draw to draw in evaluation, too."""
        modes = [(module, module.training) for module in self.network.modules()]
        try:
            self.network.eval()
            with torch.no_grad():
                return self.repeatable and differ(*(self.forward(seed) for seed in (0, 1)))
        except Exception:  # some cannot before they have trained
            return False
        finally:
            for module, mode in modes:
                module.training = mode

    def scale_invariant(self, parametrized: bool = False) -> list[nn.Module]:
        """Layers whose weights can be doubled without any effect on the logits: what follows, or computes them, normalizes.

        At most TRIED are tried; `parametrized` asks for those whose weights are computed from others. A layer on which
        nothing depends at all is none of them.
        """
        layers = [m for m in self.network.modules() if isinstance(m, WeightLayer) and m in self.run]
        layers = [layer for layer in layers if computes_weights(layer) or not parametrized]
        whole = self.forward(without=DROPS)
        found: list[nn.Module] = []
        for layer in layers[:: -(-len(layers) // TRIED) or 1] if self.repeatable else []:
            weight = drawn_weight(layer)
            with_bias = [weight, *([] if layer.bias is None else [layer.bias])]
            alike = not differ(whole, self._with(with_bias, 2)) or not differ(whole, self._with([weight], 2))
            if alike and differ(whole, self._with([weight], -1)):
                found.append(layer)
        return found

    def _with(self, parameters: list[Tensor], factor: float) -> Tensor:
        """The logits with these parameters multiplied."""
        try:
            with torch.no_grad():
                for parameter in parameters:
                    parameter.mul_(factor)
            return self.forward(without=DROPS)
        finally:
            with torch.no_grad():
                for parameter in parameters:
                    parameter.div_(factor)

    def normalizing_modules(self) -> list[nn.Module]:
        """Modules that answer the same where their input is doubled, and without which the logits would be others.

        At most TRIED are tried, those with no modules of their own first.
        """
        seen: dict[nn.Module, Tensor] = {}

        def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if len(inputs) == 1 and isinstance(inputs[0], Tensor) and isinstance(output, Tensor):
                if output.shape == inputs[0].shape and output.is_floating_point():
                    seen.setdefault(module, inputs[0].detach().clone())

        candidates = [module for module in self.run if module is not self.network]
        hooks = [module.register_forward_hook(look) for module in candidates]
        try:
            whole = self.forward(without=DROPS)
        finally:
            for hook in hooks:
                hook.remove()
        found = []
        for module, x in sorted(seen.items(), key=lambda item: len(list(item[0].modules())))[:TRIED]:
            with torch.enable_grad(), Watch(DROPS):
                once, twice, other = (module(given.clone()).detach() for given in (x, 2 * x, x.flip(0)))
            if differ(once, twice) or not differ(once, other):
                continue
            hook = module.register_forward_hook(lambda module, inputs, output: inputs[0])
            try:
                if self.repeatable and differ(whole, self.forward(without=DROPS)):
                    found.append(module)
            finally:
                hook.remove()
        return found


def learnable(module: nn.Module) -> bool:
    """Whether a module has weights of its own, biases left aside, that are to be trained."""
    return any(p.requires_grad and p.ndim > 1 for p in module.parameters(recurse=False))


def what_is(module: nn.Module) -> bool:
    """Whether a module has weights of its own, or normalizes or drops by its class."""
    kinds = ("Norm", "Dropout")
    of_torch = type(module).__module__.startswith(("torch.", "project."))
    return bool(list(module.parameters(recurse=False))) or of_torch and any(k in type(module).__name__ for k in kinds)


def differ(first: Tensor, second: Tensor) -> bool:
    """Whether logits differ by more than rounding can explain."""
    a, b = (torch.nan_to_num(logits.double(), 0.0, 1e30, -1e30) for logits in (first, second))
    return bool((a - b).norm() > 1e-3 * max(a.norm(), b.norm()))


@contextmanager
def observed(network: nn.Module, images_NCHW: Tensor) -> Iterator[Observation]:
    """Observe a network in training, and leave it, and all random generators, as they were.

    It is a copy that is looked at, where it can be copied: a network may remember that it was called. Trainable weights
    that are next to zero are filled with small numbers meanwhile: behind a head of zeros nothing could be seen. Raises
    whatever the network raises on these images.
    """
    tensors = [*network.parameters(), *network.buffers()]
    kept = [tensor.detach().clone() for tensor in tensors]
    gradients = [parameter.grad for parameter in network.parameters()]
    states = random.getstate(), numpy.random.get_state()
    devices = [images_NCHW.device] if images_NCHW.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            try:
                watched = copy.deepcopy(network)
            except Exception:  # it holds what cannot be copied
                watched = network
            with torch.no_grad():
                for name, parameter in watched.named_parameters():
                    fills = parameter.requires_grad and parameter.is_floating_point() and not name.endswith("bias")
                    if fills and parameter.numel() and parameter.abs().max() < NEXT_TO_ZERO:
                        parameter.normal_(0, 0.1)
            yield Observation(watched, images_NCHW)
        finally:
            random.setstate(states[0])
            numpy.random.set_state(states[1])
            with torch.no_grad():
                for tensor, before in zip(tensors, kept):
                    tensor.copy_(before)
            for parameter, gradient in zip(network.parameters(), gradients):
                parameter.grad = gradient
