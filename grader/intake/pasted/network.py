"""The network of a notebook, found without running anything, as a module with all that it needs."""

import ast
import textwrap
from typing import NamedTuple, cast

from grader.intake.pasted.cells import Statement
from grader.intake.pasted.module_parts import Parts
from grader.intake.pasted.network_input import Input, first_input, is_flattening, kind_of_layer, mentions, method
from grader.intake.pasted.plain_code import (
    NotPlain,
    PlainCode,
    Scope,
    argument,
    arguments,
)
from grader.safe_text import printable
from project.support.errors import UserError

WRAPPERS = ("to", "cuda", "cpu", "float", "train", "eval", "compile", "DataParallel")  # each gives the network itself
PREFIX = "Pasted"


class Network(NamedTuple):
    """What was found of a network.

    Attributes:
        name: The class that a configuration names, in `my_network.py`.
        arguments: Of its constructor.
        module: The source of `my_network.py`.
        variable: What the notebook calls the network that it trains; empty where that cannot be told.
        nodes: The statements that make up the module.
        said: What is to be told, a line each.
    """

    name: str
    arguments: dict[str, object]
    module: str
    variable: str
    nodes: list[ast.stmt]
    said: list[str]


def find_network(code: PlainCode, trained: tuple[ast.expr, Scope] | None) -> Network:
    """The network that is trained: `trained` is what the optimizer's `X.parameters()` calls it.

    Raises:
        UserError: There is none.
    """
    classes = network_classes(code)
    said: list[str] = []
    variable, made = built(code, classes, *trained) if trained else ("", None)
    if made is None:
        candidates = [name for name in classes if not used_by_others(name, classes)]
        if not candidates:
            raise UserError(no_network(code))
        made = next((call for call, _ in code.calls.get(candidates[-1], [])), None)
        name = candidates[-1]
        if len(candidates) > 1:
            said.append(f"which network is trained cannot be told: {name}, the last one, is taken")
    elif isinstance(made.func, ast.Name) and made.func.id in classes:
        name = made.func.id
    else:  # a plain nn.Sequential
        name = "MyNetwork"
    if sum(isinstance(s.node, ast.ClassDef) and s.node.name == name for s in code.statements) > 1:
        said.append(f"{name} is defined more than once: the last one is taken")

    parts = Parts(code)
    if name in classes:
        parts.need(name)
        own, start = "", cast(Input | None, first_input(code, classes, name))
    else:
        assert made is not None
        layers = ast.unparse(made.args[0]) if len(made.args) == 1 else ", ".join(map(ast.unparse, made.args))
        own = f"class {name}(nn.Sequential):\n    def __init__(self):\n        super().__init__({layers})\n"
        parts.need_names_of(f"{own}\nnn")
        parts.lines.setdefault("nn", "from torch import nn")
        start, made = kind_of_layer(code, classes, made), None
    constructor = arguments_of(code, classes.get(name), made, said)
    outside = drawn_outside(code, variable, parts) if variable else []
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
    return Network(used, given, parts.module(own), variable, nodes, said + parts.said)


def calls_inside(parts: list[Statement]) -> list[ast.Call]:
    return [node for part in parts for node in ast.walk(part.node) if isinstance(node, ast.Call)]


def no_network(code: PlainCode) -> str:
    libraries = {name.partition(".")[0] for name in (*code.imports.values(), *code.stars)}
    other = next((name for name in ("tensorflow", "keras", "sklearn", "jax") if name in libraries), None)
    why = f": it is written for {other}" if other else ""
    return f"no network is found{why}; expected a class of torch.nn.Module, such as `class MyNet(nn.Module)`"


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


def built(
    code: PlainCode, classes: dict[str, ast.ClassDef], trained: ast.expr, scope: Scope
) -> tuple[str, ast.Call | None]:
    """The name at the top that the trained network has, and the call that built it last; ("", None) if not found."""
    waiting, variable, seen = [(trained, scope)], "", 0
    while waiting and (seen := seen + 1) < 100:
        node, scope = waiting.pop()
        if isinstance(node, ast.Name):
            try:
                values = code.stands_for(node.id, scope)
            except NotPlain:
                continue
            if scope is None or node.id not in (*arguments(scope), *code.bindings(scope)):
                variable = node.id
            waiting += [(value, where) for value, where in values if not mentions(value, node.id)]
        elif isinstance(node, ast.Call):
            name = code.dotted(node.func)
            if name in classes or name in ("torch.nn.Sequential", "nn.Sequential"):
                return variable, node
            if isinstance(node.func, ast.Attribute) and node.func.attr in WRAPPERS:
                waiting.append((node.args[0] if name.startswith("torch.") and node.args else node.func.value, scope))
    return variable, None


def arguments_of(
    code: PlainCode, defined: ast.ClassDef | None, made: ast.Call | None, said: list[str]
) -> dict[str, object]:
    """What the constructor is given, as far as it is plain."""
    constructor = method(defined, "__init__") if defined else None
    if made is None or constructor is None:
        return {}
    names, found = list(arguments(constructor))[1:], {}
    for name in names:
        if (value := argument(made, name, names)) is not None:
            try:
                found[name] = code.constant(value)
            except NotPlain as why:
                said.append(f"{printable(name)} of {constructor_name(made)} {why}: set it in config.yaml")
    return found


def constructor_name(made: ast.Call) -> str:
    return printable(ast.unparse(made.func), 40)


# What happens to the network between its making and its training.


def drawn_outside(code: PlainCode, variable: str, parts: "Parts") -> list[str]:
    """Statements at the top that draw the fresh network's weights, such as `model.apply(init_weights)`."""
    found = []
    for statement in code.statements:
        node = statement.node
        if not isinstance(node, ast.Expr | ast.For | ast.With) or not mentions(node, variable):
            continue
        called = [code.dotted(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)]
        if f"{variable}.apply" in called or any(".init." in name or name.startswith("init.") for name in called):
            found.append(statement.text)
            parts.need_names_of(statement.text, besides=frozenset({variable}))
    return [f"{variable} = self", *found] if found else []


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
