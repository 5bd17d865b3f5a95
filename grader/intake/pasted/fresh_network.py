"""How a notebook's network comes about: the call that makes the one that is trained, and what is done to it before it is."""

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from grader.intake.pasted.handles import Handle, label, last, root
from grader.intake.pasted.module_parts import FROM_FILES, Parts
from grader.intake.pasted.network_input import mentions, method
from grader.intake.pasted.plain_code import NotPlain, PlainCode, Scope, arguments, own_nodes

WRAPPERS = ("to", "cuda", "cpu", "float", "train", "eval", "compile", "DataParallel")  # each gives the network itself
LIBRARIES = ("torchvision", "torch", "timm")  # whose networks can be named in a configuration


class Made(NamedTuple):
    """How the trained network is made.

    Attributes:
        call: The call of its class; None where that cannot be told.
        scope: The function that the call stands in.
        handles: What the network is called on the way from its making to the optimizer.
        library: What makes it in a library, such as `torchvision.models.resnet18`; empty where none does.
    """

    call: ast.Call | None
    scope: Scope
    handles: list[Handle]
    library: str = ""

    @property
    def variable(self) -> str:
        """What it is called at the top; empty where that cannot be told."""
        return next((name for scope, name in self.handles if scope is None), "")


def made(
    code: PlainCode, classes: dict[str, ast.ClassDef], trained: tuple[ast.expr, Scope] | None, trainings: list[int]
) -> Made:
    """How the network is made that the optimizer calls `trained`; of several at the top, the last one before a training."""
    waiting, handles, library, seen = [trained] if trained else [], list[Handle](), "", 0
    while waiting and (seen := seen + 1) < 100:
        node, scope = waiting.pop()
        if isinstance(node, ast.Attribute) and not label(node):
            node = ast.Name(root(node))  # of model.fc1.parameters()
        if isinstance(node, ast.Name):
            own = scope is not None and node.id in (*arguments(scope), *code.bindings(scope))
            handles.append((scope if own else None, node.id))
            try:
                values = code.stands_for(node.id, scope)
            except NotPlain:
                continue
            itself = scope if own else None  # as in `model = model.to(device)`
            values = [(value, where) for value, where in values if where != itself or not mentions(value, node.id)]
            if not own and trainings:
                values = [each for each in values if code.home(each[0]) < trainings[-1]] or values
            waiting += values
        elif isinstance(node, ast.Call):
            name = code.dotted(node.func)
            if name in classes or name in ("torch.nn.Sequential", "nn.Sequential"):
                return Made(node, scope, handles)
            if isinstance(node.func, ast.Attribute) and node.func.attr in WRAPPERS:
                waiting.append((node.args[0] if name.startswith("torch.") and node.args else node.func.value, scope))
            elif function := code.functions.get(name):
                returned = [each.value for each in own_nodes(function.body) if isinstance(each, ast.Return)]
                waiting += [(value, function) for value in returned if value]
            elif name.partition(".")[0] in LIBRARIES:
                library = library or name
    return Made(None, None, handles, library)


def done_before_training(
    code: PlainCode, found: Made, defined: ast.ClassDef | None, trainings: list[int], parts: Parts
) -> list[str]:
    """The lines of a constructor that do to the fresh network `self` what the notebook does to it, such as `apply(draw)`."""
    lines: list[str] = []
    for scope, name in reversed(found.handles):  # from its making on
        taken = []
        for statement in between(code, name, scope, trainings):
            reads = any(isinstance(each, ast.Call) and last(each.func) in FROM_FILES for each in ast.walk(statement))
            if changes(code, statement, name, defined) and not reads:
                top = None if scope else next(each for each in code.statements if each.node is statement)
                taken.append(top.text if top else ast.unparse(statement))
                parts.need_names_of(taken[-1], besides=frozenset({name}))
                code.take(statement)
        lines += [f"{name} = self", *taken] if taken else []
    return lines


def between(code: PlainCode, name: str, scope: Scope, trainings: list[int]) -> Iterator[ast.stmt]:
    """The statements from where the trained network gets a name to the next training."""
    body = scope.body if scope else [each.node for each in code.statements]
    bound = [n for n, each in enumerate(body) if binds(each, name)]
    if scope is None:
        last_training = trainings[-1] if trainings else len(body)
        start = max((n for n in bound if n < last_training), default=-1)
        body = body[: next((n for n in trainings if n > start), len(body))]
    else:
        start = max(bound, default=-1)
    yield from body[start + 1 :]


def binds(node: ast.stmt, name: str) -> bool:
    """Whether a statement gives a name to something that does not come of what it had before."""
    assigned = isinstance(node, ast.Assign) and any(label(each) == name for each in node.targets)
    return assigned and not mentions(node.value, name)  # type: ignore[attr-defined]


def changes(code: PlainCode, node: ast.stmt, name: str, defined: ast.ClassDef | None) -> bool:
    """Whether a statement changes the network of that name: draws weights, replaces or freezes what it consists of."""
    if not isinstance(node, ast.Expr | ast.For | ast.With | ast.Assign) or not mentions(node, name):
        return False
    if isinstance(node, ast.Assign) and any(label(each) for each in node.targets):
        called = label(node.value.func) if isinstance(node.value, ast.Call) else ""
        again = [label(each) for each in node.targets] == [name]
        return again and called in code.functions and draws(code, code.functions[called].body)
    own = {name, *(each.id for loop in loops_in(node) for each in ast.walk(loop.target) if isinstance(each, ast.Name))}
    if draws(code, [node], own):
        return True
    for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
        given = any(root(each) in own for each in call.args)
        if given and (function := code.functions.get(label(call.func))) and draws(code, function.body):
            return True
        if defined and isinstance(call.func, ast.Attribute) and root(call.func) == name:
            its = method(defined, call.func.attr)
            if its and its.name != "forward" and draws(code, its.body):
                return True
    return False


def loops_in(node: ast.stmt) -> list[ast.For]:
    return [each for each in ast.walk(node) if isinstance(each, ast.For)]


def draws(code: PlainCode, body: Iterable[ast.stmt], own: set[str] | None = None) -> bool:
    """Whether statements change a network: that of the names `own`, or any."""
    for node in (each for statement in body for each in ast.walk(statement)):
        if isinstance(node, ast.Call):
            name, called = code.dotted(node.func), last(node.func)
            if ".init." in name or name.startswith("init."):
                return True
            changed = called == "apply" or called.endswith("_") and not called.endswith("__")
            if changed and isinstance(node.func, ast.Attribute) and (own is None or root(node.func) in own):
                return True
        elif isinstance(node, ast.Assign | ast.AugAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if not label(target) and own is not None and root(target) in own:
                    return True
    return False
