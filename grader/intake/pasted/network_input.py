"""What shape of images a network takes: seen from the first layer that its input meets, without running anything."""

import ast
from typing import Literal

from grader.intake.pasted.plain_code import Function, PlainCode, arguments

RESHAPES = ("view", "reshape", "flatten", "view_as", "ravel")
FLAT, IMAGES = (
    ("Linear", "LazyLinear", "BatchNorm1d"),
    ("Conv2d", "BatchNorm2d", "MaxPool2d", "AvgPool2d", "LazyConv2d"),
)
PASSED_BY = (
    "Dropout",
    "ReLU",
    "LeakyReLU",
    "Tanh",
    "Sigmoid",
    "GELU",
    "ELU",
    "Identity",
    "relu",
    "dropout",
    "float",
    "to",
)

Input = Literal["flat", "images", "reshaped", "no channel", "unknown"]


def first_input(
    code: PlainCode, classes: dict[str, ast.ClassDef], name: str, into: str = "forward", depth: int = 0
) -> Input:
    """What shape a network, or one of its methods, takes, from the first layer that its input meets."""
    code.spend()
    defined = classes.get(name)
    forward = method(defined, into) if defined else None
    if depth > 5 or defined is None or forward is None or len(arguments(forward)) < 2:
        return "unknown"
    carried = {list(arguments(forward))[1]}
    for statement in forward.body:
        for call in calls_inside_out(statement):
            function = call.func
            if (
                isinstance(function, ast.Attribute)
                and isinstance(function.value, ast.Name)
                and function.value.id in carried
            ):
                if function.attr in RESHAPES:
                    return "reshaped"
                if function.attr == "unsqueeze":
                    return "no channel"
            if not any(isinstance(each, ast.Name) and each.id in carried for each in call.args):
                continue
            kind: Input | None = None
            if (
                isinstance(function, ast.Attribute)
                and isinstance(function.value, ast.Name)
                and function.value.id == "self"
            ):
                layer = layer_called(defined, function.attr)
                if layer is not None:
                    kind = kind_of_layer(code, classes, layer, depth + 1)
                else:
                    kind = first_input(code, classes, name, function.attr, depth + 1)
            elif isinstance(function, ast.Attribute) and function.attr in RESHAPES:
                kind = "reshaped"
            if kind:
                return kind
        if isinstance(statement, ast.Assign) and any(mentions(statement.value, each) for each in list(carried)):
            carried |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return "unknown"


def calls_inside_out(node: ast.AST) -> list[ast.Call]:
    """The calls in a statement, in the order in which they run."""
    found: list[ast.Call] = []
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Call):
            found.append(each)
        waiting += ast.iter_child_nodes(each)
    return sorted(found, key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))


def layer_called(defined: ast.ClassDef, attribute: str) -> ast.Call | None:
    """The call that makes `self.attribute`."""
    for node in ast.walk(defined):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if any(isinstance(target, ast.Attribute) and target.attr == attribute for target in node.targets):
                return node.value
    return None


def kind_of_layer(code: PlainCode, classes: dict[str, ast.ClassDef], layer: ast.Call, depth: int = 0) -> Input | None:
    """What a layer takes; None where it passes on whatever comes."""
    code.spend()
    name = code.dotted(layer.func)
    last = name.rpartition(".")[2]
    if name in classes:
        return first_input(code, classes, name, depth=depth + 1)
    if last == "Sequential" and depth < 5:
        for each in layer.args:
            if not isinstance(each, ast.Call):
                return "unknown"
            if kind := kind_of_layer(code, classes, each, depth + 1):
                return kind
        return "unknown"
    if last == "Flatten":
        return "reshaped"
    if last in FLAT:
        return "flat"
    if last in IMAGES:
        return "images"
    return None if last in PASSED_BY else "unknown"


def is_flattening(node: ast.AST) -> bool:
    """Whether a call makes a batch of images flat: x.view(-1, 784), x.view(x.size(0), -1), x.flatten(1)."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return (
        node.func.attr in ("view", "reshape") and len(node.args) == 2 or node.func.attr == "flatten" and bool(node.args)
    )


def method(defined: ast.ClassDef, name: str) -> Function | None:
    return next((each for each in reversed(defined.body) if isinstance(each, Function) and each.name == name), None)


def mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))
