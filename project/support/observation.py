"""What really happens in a network: its forward pass in training, watched, and run again with something left out.

What a module is called, and whether it is one at all, does not matter: what counts is the logits, and what they owe to.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from project.support.fresh_weights import Layer

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
TRIED_LAYERS = 12  # of a deep network, when its weights are scaled one layer after another


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
        idle: Names of the modules with weights, or that normalize or drop, which it never runs.
        unlearned: Names of the layers with weights that no gradient reaches.
    """

    def __init__(self, network: nn.Module, images_NCHW: Tensor):
        self.network, self.images_NCHW = network, images_NCHW
        self.run: set[nn.Module] = set()
        hooks = [module.register_forward_hook(lambda module, *_: self.run.add(module)) for module in network.modules()]
        try:
            with Watch() as watch:
                self.logits_NK = self.forward()
        finally:
            for hook in hooks:
                hook.remove()
        self.calls = watch.calls
        layers = [(name, module) for name, module in network.named_modules() if name]
        reached = self._reached()
        # The weights of a module that is not called may be used all the same, as attention does with its output's.
        self.idle = [n for n, m in layers if m not in self.run and what_is(m) and not reached & {*m.parameters()}]
        self.unlearned = [n for n, m in layers if m in self.run and (own := learnable(m)) and not reached & own]

    def forward(self, seed: int = 0, without: Collection[str] = ()) -> Tensor:
        """Logits in training, with the network's own draws from this seed, and without the functions of these names."""
        torch.manual_seed(seed)
        with torch.compiler.set_stance("force_eager"), Watch(without):
            logits = self.network(self.images_NCHW)
        return logits

    def _reached(self) -> set[nn.Parameter]:
        """The parameters that a gradient reaches; all, where nothing is known of that."""
        if not isinstance(self.logits_NK, Tensor) or self.logits_NK.ndim != 2 or not self.logits_NK.requires_grad:
            return {*self.network.parameters()}
        labels_N = torch.arange(len(self.logits_NK), device=self.logits_NK.device) % self.logits_NK.shape[1]
        F.cross_entropy(self.logits_NK.float(), labels_N).backward()
        reached = {p for p in self.network.parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        self.network.zero_grad()
        return reached

    @torch.no_grad()
    def normalizations(self) -> dict[str, int]:
        """Normalizations without which the logits would be others, and in how many places each works."""
        names = [call.name for call in self.calls if call.name in NORMALIZING.values()]
        dropping = set(DROPPING.values())
        whole = self.forward(without=dropping)
        return {
            name: names.count(name)
            for name in dict.fromkeys(names)
            if differ(whole, self.forward(without={*dropping, name}))
        }

    @torch.no_grad()
    def droppings(self) -> dict[str, list[float]]:
        """Kinds of dropout by which the logits vary from draw to draw, and the probabilities of each."""
        kinds = set(DROPPING.values())
        names = dict.fromkeys(call.name for call in self.calls if call.name in kinds)
        return {
            name: [call.p for call in self.calls if call.name == name]
            for name in names
            if differ(*(self.forward(seed, kinds - {name}) for seed in (0, 1)))
        }

    @torch.no_grad()
    def varies_otherwise(self) -> bool:
        """Whether the logits vary from draw to draw even without these kinds of dropout."""
        return differ(*(self.forward(seed, set(DROPPING.values())) for seed in (0, 1)))

    @torch.no_grad()
    def varies_in_evaluation(self) -> bool:
        """Whether the logits vary from draw to draw in evaluation, too."""
        modes = [(module, module.training) for module in self.network.modules()]
        try:
            self.network.eval()
            return differ(*(self.forward(seed) for seed in (0, 1)))
        except Exception:  # some cannot before they have trained
            return False
        finally:
            for module, mode in modes:
                module.training = mode

    @torch.no_grad()
    def scale_invariant(self, parametrized: bool = False) -> list[nn.Module]:
        """Layers whose weights can be doubled without any effect on the logits: what follows, or computes them, normalizes.

        At most TRIED_LAYERS are tried; `parametrized` asks for those whose weights are computed from others. A layer on
        which nothing depends at all is none of them.
        """
        layers = [m for m in self.network.modules() if isinstance(m, Layer) and m in self.run]
        layers = [layer for layer in layers if parametrize.is_parametrized(layer, "weight") or not parametrized]
        whole = self.forward(without=set(DROPPING.values()))
        found: list[nn.Module] = []
        for layer in layers[:: -(-len(layers) // TRIED_LAYERS) or 1]:
            weight = drawn_weight(layer)
            with_bias = [weight, *([] if layer.bias is None else [layer.bias])]
            alike = not differ(whole, self._with(with_bias, 2)) or not differ(whole, self._with([weight], 2))
            if alike and differ(whole, self._with([weight], -1)):
                found.append(layer)
        return found

    def _with(self, parameters: list[Tensor], factor: float) -> Tensor:
        """The logits with these parameters multiplied."""
        try:
            for parameter in parameters:
                parameter.mul_(factor)
            return self.forward(without=set(DROPPING.values()))
        finally:
            for parameter in parameters:
                parameter.div_(factor)


def drawn_weight(layer: Layer) -> Tensor:
    """A layer's weights; where they are computed from others, those of the same shape."""
    if parametrize.is_parametrized(layer, "weight"):
        for each in layer.get_submodule("parametrizations.weight").parameters():
            if each.shape == layer.weight.shape:
                return each
    return layer.weight


def learnable(module: nn.Module) -> set[nn.Parameter]:
    """A layer's own weights, without biases and those that are frozen."""
    return {p for p in module.parameters(recurse=False) if p.requires_grad and p.ndim > 1}


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
    """Observe a network in training, and leave it, and torch's random generators, as they were.

    Weights that are all zero are filled with small numbers meanwhile: behind a head of zeros nothing could be seen.
    Raises whatever the network raises on these images.
    """
    tensors = [*network.parameters(), *network.buffers()]
    kept = [tensor.detach().clone() for tensor in tensors]
    gradients = [parameter.grad for parameter in network.parameters()]
    devices = [images_NCHW.device] if images_NCHW.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        try:
            for name, parameter in network.named_parameters():
                if not name.endswith("bias") and not parameter.detach().any():
                    with torch.no_grad():
                        parameter.normal_(0, 0.1)
            yield Observation(network, images_NCHW)
        finally:
            with torch.no_grad():
                for tensor, before in zip(tensors, kept):
                    tensor.copy_(before)
            for parameter, gradient in zip(network.parameters(), gradients):
                parameter.grad = gradient
