"""By what names a notebook's code gets hold of its network, and of what is made of it: optimizer, schedule, parameters.

Scopes are kept apart: a function's argument that is given the network is a handle in that function alone.
"""

import ast
from collections.abc import Iterable, Iterator

from grader.intake.pasted.network_input import method
from grader.intake.pasted.plain_code import DEEPEST, Function, PlainCode, Scope, argument, arguments, own_nodes

VALUES = (  # functions and methods that give numbers, texts or copies, by which nothing of the network can be changed
    "abs all any argmax clone copy cpu deepcopy detach dim format get_last_lr get_lr getattr hasattr id isinstance item keys len "
    "load_state_dict log max mean min norm numel numpy parameters_to_vector pow print repr save size sorted square state_dict "
    "std step str sum summary tolist type zero_grad"
).split()
Handle = tuple[
    Scope, str
]  # the function in which it is bound, None at the top; its name, such as `model` or `self.model`


class Handles:
    """The handles of a network.

    Args:
        code: The notebook's code.
        without: Statements that are not looked at.
        known: Handles to begin with.
    """

    def __init__(self, code: PlainCode, without: Iterable[ast.stmt], known: Iterable[Handle]):
        self.code, self.found, self.giving = code, set(known), set[str]()
        classes = {s.node.name: s.node for s in code.statements if isinstance(s.node, ast.ClassDef)}
        constructors = {name: made for name, node in classes.items() if (made := method(node, "__init__"))}
        self.called = {**code.functions, **constructors}
        nodes = [
            (node, scope)
            for node, scope in code.walk(without)
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.For | ast.comprehension)
        ]
        for _ in range(DEEPEST):
            before = len(self.found) + len(self.giving)
            for node, scope in nodes:
                self.found |= set(self.bound_by(node, scope))
            for name, function in self.called.items():
                self.found |= set(self.given_to(name, function))
                returned = (each.value for each in own_nodes(function.body) if isinstance(each, ast.Return))
                if any(value and self.holds(value, function) for value in returned):
                    self.giving.add(name)
            if len(self.found) + len(self.giving) == before:
                break

    def bound_by(self, node: ast.AST, scope: Scope) -> Iterator[Handle]:
        """The handles that an assignment or a loop makes."""
        value = node.iter if isinstance(node, ast.For | ast.comprehension) else getattr(node, "value", None)
        if value is None or not self.holds(value, scope):
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]  # type: ignore[attr-defined]
        for each in (each for target in targets for each in ast.walk(target)):
            if name := label(each):
                yield (None if "." in name else scope), name

    def given_to(self, name: str, function: Function) -> Iterator[Handle]:
        """The arguments of a function that are given handles wherever it is called."""
        names = [each for each in arguments(function) if each != "self"]
        for call, scope in self.code.calls.get(name, []):
            for each in names:
                value = argument(call, each, names)
                if value is not None and self.holds(value, scope):
                    yield function, each

    def is_handle(self, name: str, scope: Scope) -> bool:
        if (scope, name) in self.found:
            return True
        own = scope is not None and (name in arguments(scope) or name in self.code.bindings(scope))
        return not own and (None, name) in self.found

    def holds(self, node: ast.AST, scope: Scope) -> bool:
        """Whether the value of an expression gives hold of the network, not only of what it computes."""
        if name := label(node):
            return self.is_handle(name, scope)
        if isinstance(node, ast.Constant | ast.BinOp | ast.UnaryOp | ast.Compare | ast.Lambda | ast.JoinedStr):
            return False
        if isinstance(node, ast.Call):
            called = label(node.func)
            if last(node.func) in VALUES or called and self.is_handle(called, scope):  # model(images)
                return False
            if called in self.code.functions:
                return called in self.giving
        return any(self.holds(child, scope) for child in ast.iter_child_nodes(node))

    def owns(self, node: ast.expr, scope: Scope) -> bool:
        """Whether an attribute, an item or a method is one of the network, as in `model.fc.weight.data[0]`."""
        return self.is_handle(root(node), scope)


def label(node: ast.AST) -> str:
    """What a variable is called, `self.x` included; empty for any other expression."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def root(node: ast.AST) -> str:
    """The variable that attributes, items and methods are of; empty where a function's result comes between."""
    while not label(node):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not label(node.func):
            node = node.func.value
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        else:
            return ""
    return label(node)


def last(function: ast.expr) -> str:
    """The last part of a function's name."""
    return getattr(function, "attr", getattr(function, "id", ""))
