"""The network of a notebook, found without running anything, as a module with all that it needs."""

import ast
import builtins
import re
import symtable
import textwrap
from typing import Literal, NamedTuple, cast

from grader.intake.pasted.plain_code import (
    Function,
    NotPlain,
    PlainCode,
    Scope,
    Statement,
    argument,
    arguments,
    bound,
    own_nodes,
)
from grader.safe_text import printable
from project.support.errors import UserError

MOST_PARTS = 300  # statements that a network may need
LIBRARIES = ("torch", "torchvision", "math", "numpy", "typing", "collections", "functools", "itertools")
FROM_FILES = ("load", "open", "read_csv", "load_state_dict", "loadtxt", "fromfile", "hub")
WRAPPERS = ("to", "cuda", "cpu", "float", "train", "eval", "compile", "DataParallel")  # each gives the network itself
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
PREFIX = "Pasted"

Input = Literal["flat", "images", "reshaped", "no channel", "unknown"]


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


def mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))


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


def method(defined: ast.ClassDef, name: str) -> Function | None:
    return next((each for each in reversed(defined.body) if isinstance(each, Function) and each.name == name), None)


# What the network's first layer takes.


def first_input(
    code: PlainCode, classes: dict[str, ast.ClassDef], name: str, into: str = "forward", depth: int = 0
) -> Input:
    """What shape a network, or one of its methods, takes, from the first layer that its input meets."""
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
            parts.need_names_of(statement.text, besides={variable})
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


class Parts:
    """The statements and imports that a module needs, found from the names in it.

    Attributes:
        taken: Statements of the notebook.
        lines: Import lines, by the name that they bind.
        said: What is to be told, a line each.
    """

    def __init__(self, code: PlainCode):
        self.code = code
        self.taken: list[Statement] = []
        self.lines: dict[str, str] = {}
        self.said: list[str] = []
        self.missing: list[str] = []
        self.defined: dict[str, list[Statement]] = {}
        self.imported: dict[str, list[str]] = {}
        for statement in code.statements:
            for node in own_nodes([statement.node]):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        line = f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
                        self.imported.setdefault(alias.asname or alias.name.partition(".")[0], []).append(line)
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    for alias in node.names:
                        line = f"from {node.module} import {alias.name}" + (
                            f" as {alias.asname}" if alias.asname else ""
                        )
                        self.imported.setdefault(alias.asname or alias.name, []).append(line)
                for name, _ in bound(node):
                    self.defined.setdefault(name, []).append(statement)

    def need(self, name: str) -> None:
        """Take what a name stands for, and all that this needs in turn."""
        waiting = [name]
        while waiting and len(self.taken) < MOST_PARTS:
            name = waiting.pop()
            if name in self.lines or name in self.missing:
                continue
            definitions = self.defined.get(name, [])
            if not definitions:
                if name in self.imported:
                    lines = self.imported[name]
                    library = lines[-1].split()[1].partition(".")[0]
                    self.lines[name] = "\n".join(dict.fromkeys(lines))
                    if library not in LIBRARIES and library != "__future__":
                        self.said.append(f"the network uses {printable(library)}, which the grader may not have")
                elif not hasattr(builtins, name) and not self.code.stars:
                    self.miss(name, "which the notebook does not define")
                continue
            last = definitions[-1]
            if last in self.taken:
                continue
            if not isinstance(last.node, Function | ast.ClassDef):
                if why := self.not_plain(last):
                    self.miss(name, why)
                    continue
                if len({each.text for each in definitions}) > 1:
                    self.said.append(
                        f"{printable(name)} is set more than once: the last one (cell {last.cell}) is taken"
                    )
            self.taken.append(last)
            waiting += global_names(last.text)

    def need_names_of(self, text: str, besides: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        for name in global_names(text) - besides:
            self.need(name)

    def not_plain(self, statement: Statement) -> str:
        """Why a name cannot be taken along; empty where it can."""
        if not isinstance(statement.node, ast.Assign | ast.AnnAssign | ast.If):
            return f"which cell {statement.cell} computes"
        waiting, seen = global_names(statement.text), set[str]()
        while waiting and len(seen) < MOST_PARTS:
            name = waiting.pop()
            seen.add(name)
            if name in self.defined:
                part = self.defined[name][-1]
                if not isinstance(part.node, Function | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.If):
                    return f"which cell {statement.cell} computes"
                waiting |= global_names(part.text) - seen
            elif name in self.imported:
                if self.imported[name][-1].split()[1].partition(".")[0] not in LIBRARIES:
                    return f"which cell {statement.cell} computes with {printable(name)}"
            elif not hasattr(builtins, name):
                return f"which cell {statement.cell} computes from {printable(name)}"
        called = [each.func for each in ast.walk(statement.node) if isinstance(each, ast.Call)]
        if any(getattr(function, "attr", getattr(function, "id", "")) in FROM_FILES for function in called):
            return f"which cell {statement.cell} reads from a file"
        return ""

    def miss(self, name: str, why: str) -> None:
        self.missing.append(name)
        self.said.append(f"the network needs {printable(name)}, {why}: write it down in my_network.py")

    def module(self, own: str) -> str:
        """The module's source: imports, then statements in the notebook's order, then `own`."""
        lines = sorted(line for found in self.lines.values() for line in found.split("\n"))
        stars = [f"from {module} import *" for module in dict.fromkeys(self.code.stars) if module.startswith("torch")]
        future = [line for line in lines if line.startswith("from __future__")]
        imports = "\n".join(dict.fromkeys([*future, *lines, *stars]))
        missing = "\n".join(f"# {name} = ...  # to be written down here" for name in self.missing)
        places = {id(statement): place for place, statement in enumerate(self.code.statements)}
        taken = sorted(self.taken, key=lambda statement: places[id(statement)])
        text = "\n\n".join(filter(None, (imports, missing))) + "\n"
        for part in taken:
            defines = isinstance(part.node, Function | ast.ClassDef)
            text += f"\n\n\n{part.text}\n\n" if defines else f"\n{part.text}"
        text = f"{text}\n\n\n{own}" if own else text
        return re.sub(r"\n{4,}", "\n\n\n", text.strip("\n")) + "\n"


def global_names(text: str) -> set[str]:
    """The names that a source uses and does not bind itself."""
    try:
        waiting, found = [symtable.symtable(text, "notebook", "exec")], set()
    except (SyntaxError, RecursionError, ValueError, MemoryError):
        return set()
    of_its_own = {s.get_name() for s in waiting[0].get_symbols() if s.is_assigned() and not s.is_namespace()}
    while waiting:
        table = waiting.pop()
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}
        waiting += table.get_children()
    return found - of_its_own
