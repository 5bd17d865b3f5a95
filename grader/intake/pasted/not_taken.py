"""What a notebook does to its network, or in its loop, that the submission does not do: said, a line each.

What is known is a closed list. All else that touches the network, its optimizer, schedule or loss is said.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from grader.intake.pasted.finder import Finder
from grader.intake.pasted.handles import Handle, Handles, label, last, root
from grader.intake.pasted.known_code import (
    CONTEXTS,
    FUNCTIONS_OF_TORCH,
    HARMLESS,
    KNOWN_FUNCTIONS,
    KNOWN_METHODS,
    MOST_LINES,
    MOVES,
    STEPS,
)
from grader.intake.pasted.plain_code import Function, NotPlain, PlainCode, Scope
from grader.safe_text import printable


class Place(NamedTuple):
    """Where a statement stands.

    Attributes:
        scope: Its function.
        fed: Names from which the loss is computed there.
        trains: Whether the loop around it trains.
    """

    scope: Scope = None
    fed: frozenset[str] = frozenset()
    trains: bool = False


class NotTaken(Finder):
    """Says what no finder took, after all of them.

    Args:
        code: The notebook's code, in which finders have marked what they took.
        network: Statements that the submission's module has.
        handles: What the notebook calls the network.
        training: Functions that train.
    """

    def __init__(self, code: PlainCode, network: list[ast.stmt], handles: Iterable[Handle], training: set[str]):
        super().__init__(code, network)
        self.training = training
        self.handles = Handles(code, network, handles)
        classes = [s.node for s in code.statements if isinstance(s.node, ast.ClassDef) and s.node not in network]
        self.methods = {
            each.name for one in classes for each in one.body if isinstance(each, Function)
        }  # are read, too
        self.told: dict[int, ast.stmt | ast.expr] = {}
        self.sinks: dict[int, list[ast.expr]] = {}  # by the innermost loop or function: what its training depends on

    def find(self) -> list[str]:
        """The lines."""
        statements = [each.node for each in self.code.statements if each.node not in self.network]
        for node in statements:
            self.find_sinks(node)
        waiting: list[ast.AST] = [node for node in statements if not isinstance(node, Function)]
        reached: dict[str, ast.AST] = {}
        while waiting:
            for name in {each.id for each in ast.walk(waiting.pop()) if isinstance(each, ast.Name)} - reached.keys():
                if (function := self.code.functions.get(name)) and function not in self.network:
                    reached[name] = function
                    waiting.append(function)
        for node in statements:
            if isinstance(node, ast.ClassDef):
                self.look([each for each in node.body if isinstance(each, Function)], Place())
            elif not isinstance(node, Function) or reached.get(node.name) is node:
                self.look([node], Place())
        for each in sorted(self.told.values(), key=lambda each: (self.code.home(each), each.lineno))[:MOST_LINES]:
            text = printable(ast.unparse(each).partition("\n")[0], 100)
            self.say(f"not taken over: {self.code.where(each)}: `{text}`")
        if (more := len(self.told) - MOST_LINES) > 0:
            self.say(f"not taken over: {more} more statements")
        return self.said

    def tell(self, node: ast.stmt | ast.expr) -> None:
        self.told[id(node)] = node

    # What the loss is computed from.

    def find_sinks(self, top: ast.AST) -> None:
        waiting = [(top, top)]
        while waiting:
            node, block = waiting.pop()
            if isinstance(node, ast.Call):
                if last(node.func) == "backward" and isinstance(node.func, ast.Attribute):
                    self.sinks.setdefault(id(block), []).append(node.func.value)
                elif label(node.func) in self.training:
                    self.sinks.setdefault(id(block), []).extend(node.args)
            inner = node if isinstance(node, ast.For | ast.While | Function) else block
            waiting += [(child, inner) for child in ast.iter_child_nodes(node)]

    def fed(self, block: ast.stmt, around: frozenset[str]) -> frozenset[str]:
        """The names from which a loop or a function that trains computes the loss; those around where it does not train."""
        if id(block) not in self.sinks:
            return around
        values: dict[str, list[ast.expr]] = {}
        for node in ast.walk(block):
            for name in bound_to(node):
                values.setdefault(name, []).append(node.value)  # type: ignore[attr-defined]  # bound_to has seen to it
        found, waiting = set[str](), list(self.sinks[id(block)])
        while waiting:
            for name in set(read_by(waiting.pop())) - found:
                found.add(name)
                waiting += values.get(name, [])
        return frozenset(found)

    # Statements.

    def look(self, body: Iterable[ast.stmt], place: Place) -> bool:
        """Say what is not known of these statements. Returns whether they have a part in the training."""
        parts = [self.has_part(statement, place) for statement in body]  # of all, before any is asked for
        return any(parts)

    def has_part(self, node: ast.stmt, place: Place) -> bool:
        if self.code.is_taken(node) or isinstance(node, HARMLESS):
            return False
        if isinstance(node, Function):
            self.look(node.body, Place(node, self.fed(node, frozenset())))
            return False
        if isinstance(node, ast.Break | ast.Continue):
            return place.trains
        if isinstance(node, ast.For | ast.While):
            self.check(node.iter if isinstance(node, ast.For) else node.test, node, place)
            trains = any(id(each) in self.sinks for each in ast.walk(node))
            return self.look([*node.body, *node.orelse], Place(place.scope, self.fed(node, place.fed), trains))
        if isinstance(node, ast.Try):
            handlers = [each for handler in node.handlers for each in handler.body]
            return self.look([*node.body, *handlers, *node.orelse, *node.finalbody], place)
        if isinstance(node, ast.If | ast.With):
            heads = [node.test] if isinstance(node, ast.If) else [each.context_expr for each in node.items]
            self.check(ast.Tuple(heads), node, place)
            has_part = self.look([*node.body, *getattr(node, "orelse", [])], place)
            if not has_part or all(map(is_none if isinstance(node, ast.If) else is_context, heads)):
                return has_part
            self.tell(node)
            return False  # so that the conditions around it are not said, too
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            return self.assigns(node, place)
        if isinstance(node, ast.Expr | ast.Return):
            leaves = isinstance(node, ast.Return) and place.trains
            return self.check(node.value, node, place) or leaves
        self.tell(node)
        return False

    def assigns(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign, place: Place) -> bool:
        assigned = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in (each for one in assigned for each in getattr(one, "elts", [one])):
            if not label(target) and (self.handles.owns(target, place.scope) or root(target) in place.fed):
                self.tell(node)
                return True
        if node.value is None:
            return False
        if any(name in place.fed for name in bound_to(node)):
            value = node.value
            if isinstance(node, ast.AugAssign):
                value = ast.BinOp(node.target, node.op, node.value)
            if not self.is_known(value, place):
                self.tell(node)
                return True
            return self.check(node.value, node, place) or True
        return self.check(node.value, node, place)

    def check(self, value: ast.expr | None, statement: ast.stmt, place: Place) -> bool:
        """Say the statement if a call in an expression of it is not known. Returns whether one is a step of the training."""
        is_step = False
        for call in self.calls_in(value):
            owner, name = getattr(call.func, "value", None), last(call.func)
            if owner is not None and name == "backward":
                is_step = True
                known = self.is_known(owner, place)
            elif owner is not None and self.handles.owns(owner, place.scope):
                is_step |= name in STEPS
                known = name in STEPS or name in KNOWN_METHODS or name in self.methods
            elif owner is not None and name.endswith("_") and root(owner) in place.fed:
                known = False
            else:
                given = [*call.args, *(word.value for word in call.keywords)]
                is_step |= label(call.func) in self.training
                known = name in KNOWN_FUNCTIONS or label(call.func) in self.handles.called
                known = known or not any(self.handles.holds(each, place.scope) for each in given)
                known = known or self.handles.is_handle(label(call.func), place.scope)
            if not known:
                self.tell(statement)
        return is_step

    def calls_in(self, value: ast.AST | None) -> Iterator[ast.Call]:
        waiting = [value] if value else []
        while waiting:
            node = waiting.pop()
            if not self.code.is_taken(node):
                if isinstance(node, ast.Call):
                    yield node
                waiting += ast.iter_child_nodes(node)

    # What the loss may be computed by.

    def is_known(self, node: ast.expr, place: Place) -> bool:
        """Whether all that an expression computes is in the submission, too: batches that are moved, network, loss, penalty."""
        if isinstance(node, ast.Constant) or label(node):
            return True
        if isinstance(node, ast.Call):
            return self.is_known_call(node, place)
        if self.code.is_taken(node):
            return True
        if isinstance(node, ast.Tuple | ast.List):
            return all(self.is_known(each, place) for each in node.elts)
        if isinstance(node, ast.Attribute | ast.Starred):
            return self.is_known(node.value, place)
        if isinstance(node, ast.Subscript):  # a part of a batch, or a batch of all images
            own = root(node.value) in place.fed and not isinstance(node.slice, ast.Constant)
            return not own and self.is_known(node.value, place)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):  # of a penalty
            sides = [node.left, node.right]
            return any(map(self.code.is_taken, sides)) and all(self.is_known(each, place) for each in sides)
        return False

    def is_known_call(self, call: ast.Call, place: Place) -> bool:
        function, name = call.func, last(call.func)
        is_network = self.handles.is_handle(label(function), place.scope) or name == "forward"
        if is_network or self.is_loss(function, place):
            return all(self.is_known(each, place) for each in call.args)
        if self.code.is_taken(call):
            return True
        if name not in MOVES:
            return False
        moved = function.value if isinstance(function, ast.Attribute) else None
        if moved is not None and self.code.dotted(function).partition(".")[0] not in ("torch", "numpy"):
            return self.is_known(moved, place)
        return all(self.is_known(each, place) for each in call.args)

    def is_loss(self, function: ast.expr, place: Place) -> bool:
        """Whether a function is a loss of torch, of which the finder of losses speaks; or said where it is made."""
        if last(function.func if isinstance(function, ast.Call) else function) in FUNCTIONS_OF_TORCH:
            return True
        if not label(function):
            return False
        for value in self.values_of(label(function), place.scope):
            of_transforms = isinstance(value, ast.Call) and "transforms" in self.code.dotted(value.func)
            if not self.code.is_taken(value) and not of_transforms:
                self.tell(value)
        return bool(self.values_of(label(function), place.scope))

    def values_of(self, name: str, scope: Scope) -> list[ast.expr]:
        """The expressions other than names that a variable stands for; none where they cannot be known."""
        found, waiting, seen = list[ast.expr](), [(name, scope)], set[Handle]()
        while waiting:
            name, scope = waiting.pop()
            if (scope, name) in seen:
                continue
            seen.add((scope, name))
            try:
                values = self.assigned_to_self(name) if "." in name else self.code.stands_for(name, scope)
            except NotPlain:
                return []
            waiting += [(label(value), where) for value, where in values if label(value)]
            found += [value for value, _ in values if not label(value)]
        return found

    def assigned_to_self(self, name: str) -> list[tuple[ast.expr, Scope]]:
        assignments = ((node, scope) for node, scope in self.code.walk(self.network) if isinstance(node, ast.Assign))
        return [(node.value, scope) for node, scope in assignments if name in map(label, node.targets)]


def bound_to(node: ast.AST) -> Iterator[str]:
    """The variables that a statement assigns to, wholly or in part."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from filter(None, (root(each) for each in getattr(target, "elts", [target])))


def read_by(node: ast.AST) -> Iterator[str]:
    """The variables that an expression reads, but for those of which it takes the size alone."""
    if name := label(node):
        yield name
    elif (
        not (isinstance(node, ast.Call) and last(node.func) in ("size", "len", "item"))
        and getattr(node, "attr", "") != "shape"
    ):
        for child in ast.iter_child_nodes(node):
            yield from read_by(child)


def is_none(test: ast.expr) -> bool:
    """Whether it is asked only whether there is something, such as a schedule."""
    other = test.comparators[-1] if isinstance(test, ast.Compare) else test
    return isinstance(other, ast.Constant) and other.value is None


def is_context(context: ast.expr) -> bool:
    return last(context.func if isinstance(context, ast.Call) else context) in CONTEXTS
