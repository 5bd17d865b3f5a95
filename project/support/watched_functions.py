"""The functions that normalize and those that drop, watched while a network runs, and left out."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from project.support.comparison import LEAST, distance, plain, unnormalized
from project.support.remembered import undisturbed

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


class Call(NamedTuple):
    """A call of one of these functions, and the probability with which it drops."""

    name: str
    p: float = 0.0


class Watch(TorchFunctionMode):
    """Notes the calls of the functions above, and leaves out those of the names in `without`.

    What drops does so by draws of its own, from `seed`, so that all other draws are the same with it and without it. A
    normalization is left out by putting a fixed scale in its place; one that is nothing else stays where it is.
    """

    def __init__(self, without: Collection[str] = (), seed: int = 0):
        super().__init__()
        self.without, self.seed = without, seed
        self.calls: list[Call] = []
        self.left_out = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = KINDS.get(function)
        if name is None:
            return function(*args, **kwargs)
        x, others = (args[0], args[1:]) if args else (kwargs["input"], ())
        named = {key: value for key, value in kwargs.items() if key != "input"}
        if function in DROPPING:
            return self._drop(name, x, lambda x: function(x, *others, **named), *others, **named)
        if name == "group normalization" and (others[:1] == (1,) or named.get("num_groups") == 1):
            name = "layer normalization"
        self.calls.append(Call(name))
        return self._normalize(name, x, lambda x: function(x, *others, **named))

    def _drop(
        self, name: str, x: Tensor, drop: Callable[[Tensor], Tensor], p: float = 0.5, train: Any = True, **named: Any
    ) -> Tensor:
        self.calls.append(Call(name, float(p) if named.get("training", train) else 0.0))
        if name in self.without:
            return x
        with undisturbed():
            torch.manual_seed(1000 * self.seed + len(self.calls))
            return drop(x)

    def _normalize(self, name: str, x: Tensor, normalize: Callable[[Tensor], Tensor]) -> Tensor:
        normalized = normalize(x)
        if name not in self.without:
            return normalized
        with torch.no_grad():
            zero, twice = normalize(0 * x), normalize(2 * x)
            acts = distance(plain(normalized - zero), plain(twice - normalized)) > LEAST
        try:
            if not acts:
                return normalized
        except RuntimeError:  # within torch.func.vmap, where every row has an answer of its own that nobody can ask for
            self.left_out += 1
            return torch.where(acts.to(x.device), unnormalized(x, normalized), normalized)
        self.left_out += 1
        return unnormalized(x, normalized)
