"""The network of a notebook, found without running anything, as a module with all that it needs."""

import ast
import textwrap
from typing import NamedTuple, cast

from grader.intake.pasted.cells import Statement
from grader.intake.pasted.fresh_network import done_before_training, made
from grader.intake.pasted.handles import Handle, label
from grader.intake.pasted.module_parts import Parts
from grader.intake.pasted.network_input import Input, first_input, is_flattening, kind_of_layer, method
from grader.intake.pasted.plain_code import (
    NotPlain,
    PlainCode,
    Scope,
    argument,
    arguments,
)
from grader.safe_text import printable
from project.support.errors import UserError

PREFIX = "Pasted"
KERAS = {"layers", "Sequential", "Model", "applications"}
ESTIMATORS = {"neural_network", "linear_model", "svm", "ensemble", "neighbors", "tree", "naive_bayes"}
MAKERS = {
    "tensorflow": KERAS,
    "keras": KERAS,
    "flax": {"linen", "nnx"},
    "sklearn": ESTIMATORS,
}  # of networks and the like


class Network(NamedTuple):
    """What was found of a network.

    Attributes:
        name: The class that a configuration names, in `my_network.py`.
        arguments: Of its constructor.
        module: The source of `my_network.py`.
        handles: What the notebook calls the network that it trains.
        nodes: The statements that make up the module.
        said: What is to be told, a line each.
    """

    name: str
    arguments: dict[str, object]
    module: str
    handles: list[Handle]
    nodes: list[ast.stmt]
    said: list[str]


def find_network(code: PlainCode, trained: tuple[ast.expr, Scope] | None, trainings: list[int]) -> Network:
    """The network that is trained.

    Args:
        code: The notebook's code, in which what is taken is marked.
        trained: What the optimizer's `X.parameters()` calls it.
        trainings: The numbers of the statements that train.

    Raises:
        UserError: There is none.
    """
    classes = network_classes(code)
    said: list[str] = []
    found = made(code, classes, trained, trainings)
    call = found.call
    if found.library:
        raise UserError(
            f"the network that is trained is {printable(found.library)}, no class of the notebook; a configuration can "
            f"name it, as in `python main.py fit --model.network {printable(found.library)}`"
        )
    if call is None:
        candidates = [name for name in classes if not used_by_others(name, classes)]
        if not candidates:
            raise UserError(no_network(code))
        name = candidates[-1]
        call = next((each for each, _ in code.calls.get(name, [])), None)
        if trained or len(candidates) > 1:
            which = "the last one" if len(candidates) > 1 else "the only one"
            said.append(f"which network is trained cannot be told: {name}, {which}, is taken")
        found = found._replace(handles=[*found.handles, *called_by(code, call)])
    elif isinstance(call.func, ast.Name) and call.func.id in classes:
        name = call.func.id
    else:  # a plain nn.Sequential
        name = "MyNetwork"
    if sum(isinstance(s.node, ast.ClassDef) and s.node.name == name for s in code.statements) > 1:
        said.append(f"{name} is defined more than once: the last one is taken")

    parts = Parts(code)
    if name in classes:
        parts.need(name)
        own, start = "", cast(Input | None, first_input(code, classes, name))
    else:
        assert call is not None
        layers = ast.unparse(call.args[0]) if len(call.args) == 1 else ", ".join(map(ast.unparse, call.args))
        own = f"class {name}(nn.Sequential):\n    def __init__(self):\n        super().__init__({layers})\n"
        parts.need_names_of(f"{own}\nnn")
        parts.lines.setdefault("nn", "from torch import nn")
        start, call = kind_of_layer(code, classes, call), None
    constructor = arguments_of(code, classes.get(name), call, found.scope, said)
    outside = done_before_training(code, found, classes.get(name), trainings, parts)
    if start == "unknown":
        fed_flat = any(is_flattening(node) for node, _ in code.walk(list(classes.values())))
        start = "flat" if fed_flat else None
        if not fed_flat:
            said.append(f"whether {name} takes images (N, C, H, W) or flat ones cannot be told: it gets (N, C, H, W)")
    wrapper = wrapping(name, start, constructor, outside)
    if wrapper:
        own = f"{own}\n\n{wrapper}" if own else wrapper
        if start == "flat":
            said.append(f"{name} takes flat images: {PREFIX}{name} flattens them for it")
        if outside:
            said.append(f"what the notebook does to the fresh network is done by {PREFIX}{name}")
    if any(code.dotted(call.func).endswith((".softmax", ".Softmax")) for call in calls_inside(parts.taken)):
        said.append(f"{name} computes softmax: cross-entropy takes logits, and probabilities cost some accuracy")
    used = PREFIX + name if wrapper else name
    given = {} if wrapper and "def __init__" in wrapper else constructor
    nodes = [part.node for part in parts.taken]
    return Network(used, given, parts.module(own), found.handles, nodes, said + parts.said)


def called_by(code: PlainCode, call: ast.Call | None) -> list[Handle]:
    """What the notebook calls what a call makes."""
    assignments = [(node, scope) for node, scope in code.walk() if isinstance(node, ast.Assign)]
    made_by = [(node, scope) for node, scope in assignments if any(each is call for each in ast.walk(node.value))]
    return [(scope, label(target)) for node, scope in made_by for target in node.targets if label(target)]


def calls_inside(parts: list[Statement]) -> list[ast.Call]:
    return [node for part in parts for node in ast.walk(part.node) if isinstance(node, ast.Call)]


def no_network(code: PlainCode) -> str:
    """Why there is none, in a line."""
    expected = "expected a class of torch.nn.Module, such as `class MyNet(nn.Module)`"
    for node, _ in code.walk():
        for each in [node.func] if isinstance(node, ast.Call) else getattr(node, "bases", []):
            library, *parts = code.dotted(each).split(".")
            if MAKERS.get(library, set()) & set(parts):
                return f"no network is found: it is written for {library} ({code.where(each)}); {expected}"
    skipped = f"; {'; '.join(code.skipped[:3])}" if code.skipped else ""
    return f"no network is found; {expected}{skipped}"


def network_classes(code: PlainCode) -> dict[str, ast.ClassDef]:
    """The networks that are defined, by name, in the order of their last definitions."""
    found: dict[str, ast.ClassDef] = {}
    for statement in code.statements:
        if isinstance(node := statement.node, ast.ClassDef):
            bases = [code.dotted(base) for base in node.bases]
            if any(base in found or base.startswith("torch.nn.") or base in ("nn.Module", "Module") for base in bases):
                found.pop(node.name, None)
                found[node.name] = node
    return found


def used_by_others(name: str, classes: dict[str, ast.ClassDef]) -> bool:
    others = (node for other, each in classes.items() if other != name for node in ast.walk(each))
    return any(isinstance(node, ast.Name) and node.id == name for node in others)


def arguments_of(
    code: PlainCode, defined: ast.ClassDef | None, made: ast.Call | None, scope: Scope, said: list[str]
) -> dict[str, object]:
    """What the constructor is given, as far as it is plain."""
    constructor = method(defined, "__init__") if defined else None
    if made is None or constructor is None:
        return {}
    names, found = list(arguments(constructor))[1:], {}
    for name in names:
        if (value := argument(made, name, names)) is not None:
            try:
                found[name] = code.constant(value, scope)
            except NotPlain as why:
                said.append(f"{printable(name)} of {constructor_name(made)} {why}: set it in config.yaml")
    return found


def constructor_name(made: ast.Call) -> str:
    return printable(ast.unparse(made.func), 40)


def wrapping(name: str, start: Input | None, constructor: dict[str, object], outside: list[str]) -> str:
    """A class that has the network as the notebook used it; empty where the network can be used as it is."""
    given = {"flat": "images.flatten(1)", "no channel": "images.squeeze(1)"}.get(start or "")
    if not given and not outside:
        return ""
    lines = [
        f"class {PREFIX}{name}({name}):",
        f'    """{name} as the notebook used it. Images come as (N, C, H, W)."""',
    ]
    if outside:
        written = ", ".join(f"{key}={value!r}" for key, value in constructor.items())
        lines += ["", "    def __init__(self):", f"        super().__init__({written})"]
        lines += [textwrap.indent(text, " " * 8) for text in outside]
    if given:
        fed = "flat, (N, H * W)" if start == "flat" else "without their channel, (N, H, W)"
        lines += ["", "    def forward(self, images):"]
        lines += [f"        return super().forward({given})  # {name} takes them {fed}"]
    return "\n".join(lines) + "\n"
