"""What all finders of settings in a notebook's code share."""

import ast
from collections.abc import Iterable, Iterator
from typing import Any

from grader.intake.pasted.plain_code import NotPlain, PlainCode, Scope
from grader.safe_text import printable

POSITIONS = {  # of arguments that are often given without their names
    "SGD": ["params", "lr", "momentum", "dampening", "weight_decay", "nesterov"],
    "RMSprop": ["params", "lr", "alpha", "eps", "weight_decay", "momentum"],
    "StepLR": ["optimizer", "step_size", "gamma"],
    "MultiStepLR": ["optimizer", "milestones", "gamma"],
    "ExponentialLR": ["optimizer", "gamma"],
    "CosineAnnealingLR": ["optimizer", "T_max", "eta_min"],
    "CosineAnnealingWarmRestarts": ["optimizer", "T_0", "T_mult", "eta_min"],
    "OneCycleLR": ["optimizer", "max_lr"],
    "ReduceLROnPlateau": ["optimizer", "mode", "factor", "patience"],
    "CyclicLR": ["optimizer", "base_lr", "max_lr"],
    "ConstantLR": ["optimizer", "factor", "total_iters"],
    "LinearLR": ["optimizer", "start_factor", "end_factor", "total_iters"],
    "PolynomialLR": ["optimizer", "total_iters", "power"],
}
REQUIRED = {  # arguments that have no default in PyTorch
    "StepLR": ["step_size"],
    "MultiStepLR": ["milestones"],
    "ExponentialLR": ["gamma"],
    "CosineAnnealingLR": ["T_max"],
    "CosineAnnealingWarmRestarts": ["T_0"],
    "OneCycleLR": ["max_lr"],
    "CyclicLR": ["base_lr", "max_lr"],
}
NETWORK_S_PARAMETERS = ("parameters", "named_parameters")
Settings = dict[str, Any]


class Finder:
    """Finds settings, in the form of a configuration, in a notebook's code but for its network.

    Attributes:
        said: What was found, and what could not be told, a line each.
    """

    def __init__(self, code: PlainCode, network: Iterable[ast.stmt] = ()):
        self.code, self.network = code, list(network)
        self.said: list[str] = []

    def say(self, line: str) -> None:
        if line not in self.said:
            self.said.append(line)

    def made(self, names: list[str] | tuple[str, ...], module: str) -> Iterator[tuple[ast.Call, Scope]]:
        """The calls of these classes of torch, in the order of the source, which are taken by that."""
        for node, scope in self.code.walk(self.network):
            if isinstance(node, ast.Call):
                path = self.code.dotted(node.func).split(".")
                if path[-1] in names and (len(path) == 1 or path[0] == "torch" or module in path):
                    self.code.take(node)
                    yield node, scope

    def arguments(self, call: ast.Call, scope: Scope, what: str, leave: tuple[str, ...] = ()) -> Settings:
        """The arguments of a call but its first, as far as they are plain."""
        called = self.code.dotted(call.func).rpartition(".")[2]
        names = POSITIONS.get(called, ["params", "lr"])
        given = {**dict(zip(names, call.args)), **{word.arg: word.value for word in call.keywords if word.arg}}
        if len(call.args) > len(names) or any(word.arg is None for word in call.keywords):
            self.say(f"{what}: an argument has no name here: set it in config.yaml")
        found = {}
        for name, value in given.items():
            if name not in (names[0], *leave):
                try:
                    found[name] = self.code.constant(value, scope)
                except NotPlain as why:
                    instead = "" if name in REQUIRED.get(called, ()) else ": PyTorch's default stays"
                    self.say(f"{what}: {printable(name)} {why}{instead}")
        return found


def listed(arguments: Settings) -> str:
    """Arguments as a line shows them."""
    return "".join(f", {printable(name)} {printable(str(value))}" for name, value in arguments.items())
