"""What a notebook's code says without being run: its statements, and what names stand for where that is plain.

Plain are constants, arithmetic of constants, names bound to one constant, and arguments with a constant default.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from grader.intake.checks import MOST_CODE
from grader.intake.pasted.cells import Statement, read_cell
from grader.safe_text import printable
from project.support.errors import UserError

MOST_CELLS = 2_000
DEEPEST = 20  # names that stand for names, arithmetic in arithmetic
MOST_LOOKED_AT = 1_000  # parts of one value
MOST_STEPS = 20_000  # of following names and calls through a notebook
LARGEST = 10**15  # of a number
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = Function | None  # the function that code stands in; None at the top
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
NEW_SCOPES = (*DEFINITIONS, ast.Lambda)


class NotPlain(Exception):
    """A value that the code does not state; the message says why, as in "lr <message>"."""


class PlainCode:
    """The code of a notebook, in the order of its cells.

    Args:
        cells: The source of each code cell, with the cell's number.

    Attributes:
        statements: All statements at the top of cells.
        skipped: A line for each cell that cannot be read.
        imports: By name, what it was imported as: `nn` is `torch.nn`.
        stars: Modules of which everything was imported.
    """

    def __init__(self, cells: Iterable[tuple[int, str]]):
        self.statements: list[Statement] = []
        self.skipped: list[str] = []
        size = 0
        for number, text in cells:
            size += len(text.encode("utf-8", "replace"))
            if number > MOST_CELLS or size > MOST_CODE:
                self.skipped.append(
                    f"cell {number} and all after it are left out: that is more than any assignment needs"
                )
                break
            try:
                self.statements += read_cell(number, text)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                said = printable(str(getattr(error, "msg", None) or error), 100)
                line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
                self.skipped.append(f"cell {number}{line} does not parse ({said}): the cell is left out")
        self._nodes = [list(nodes_of(statement.node)) for statement in self.statements]
        self.imports: dict[str, str] = {}
        self.stars: list[str] = []
        self.calls: dict[str, list[tuple[ast.Call, Scope]]] = {}
        self.functions: dict[str, Function] = {}
        for node, _ in self.walk():
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.partition(".")[0]
                    self.imports[name] = alias.name if alias.asname else name
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append(node.module or "")
                    else:
                        self.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        for statement in self.statements:
            if isinstance(statement.node, Function):
                self.functions[statement.node.name] = statement.node
        for node, scope in self.walk():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                self.calls.setdefault(node.func.id, []).append((node, scope))
        self.homes = {id(node): n for n, nodes in enumerate(self._nodes) for node, _ in nodes}
        self._taken = set[int]()
        self._looked_at = self._steps = 0
        self._bindings: dict[Scope, dict[str, list[ast.expr | None]]] = {}

    def home(self, node: ast.AST) -> int:
        """The number of the statement at the top that a node stands in."""
        return self.homes[id(node)]

    def where(self, node: ast.stmt | ast.expr) -> str:
        return f"cell {self.statements[self.home(node)].cell}, line {node.lineno}"

    def take(self, node: ast.AST) -> None:
        """Mark a node as one that the submission has, or that something was said of."""
        self._taken.add(id(node))

    def is_taken(self, node: ast.AST) -> bool:
        return id(node) in self._taken

    def spend(self, steps: int = 1) -> None:
        """Count steps of following names and calls. Raises UserError where they become too many."""
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise UserError("its functions call each other in too many ways to be read without running them")

    def walk(self, without: Iterable[ast.stmt] = ()) -> Iterator[tuple[ast.AST, Scope]]:
        """Every node in the order of the source, with the innermost function that it stands in."""
        left_out = set(without)
        for statement, nodes in zip(self.statements, self._nodes):
            if statement.node not in left_out:
                yield from nodes

    def dotted(self, node: ast.AST) -> str:
        """The full name of what an expression names: `torch.optim.Adam` for `optim.Adam`; empty where it names nothing."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    def bindings(self, scope: Scope) -> dict[str, list[ast.expr | None]]:
        """By name, what is assigned to it in a function, or at the top; None where it is no plain assignment."""
        if scope not in self._bindings:
            found: dict[str, list[ast.expr | None]] = {}
            body = scope.body if scope else [statement.node for statement in self.statements]
            for node in own_nodes(body):
                for name, value in bound(node):
                    found.setdefault(name, []).append(value)
            self._bindings[scope] = found
        return self._bindings[scope]

    def stands_for(self, name: str, scope: Scope) -> list[tuple[ast.expr, Scope]]:
        """The expressions that a name may stand for. Raises NotPlain where they cannot be known."""
        if scope and name in (defaults := arguments(scope)):
            if name in self.bindings(scope):
                raise NotPlain("is set again in its function")
            calls = self.calls.get(scope.name, [])
            given = [(argument(call, name, list(defaults)), where) for call, where in calls] or [(None, None)]
            found = [(value or defaults[name], where if value else None) for value, where in given]
            if not all(value for value, _ in found):
                raise NotPlain("is given by whoever calls the function")
            return [(value, where) for value, where in found if value]
        if scope and name in self.bindings(scope):
            values, where = self.bindings(scope)[name], scope
        else:
            values, where = self.bindings(None).get(name, []), None
        if not values:
            raise NotPlain("is a name that the notebook does not set")
        if None in values:
            raise NotPlain("is a name that changes")
        return [(value, where) for value in values if value]

    def constant(self, node: ast.expr, scope: Scope = None, depth: int = 0) -> Any:
        """The number, text, truth value, None or list that an expression stands for. Raises NotPlain."""
        self._looked_at = self._looked_at + 1 if depth else 0
        if depth > DEEPEST or self._looked_at > MOST_LOOKED_AT:
            raise NotPlain("is nested too deeply")
        if isinstance(node, ast.Constant):
            return bounded(node.value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = number(self.constant(node.operand, scope, depth + 1))
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            left, right = (number(self.constant(side, scope, depth + 1)) for side in (node.left, node.right))
            if isinstance(node.op, ast.Pow) and not (abs(left) <= 1000 and abs(right) <= 12):
                raise NotPlain("is a power that is too large")
            try:
                return bounded(ARITHMETIC[type(node.op)](left, right))
            except ArithmeticError:
                raise NotPlain("is no number") from None
        if isinstance(node, ast.Tuple | ast.List) and len(node.elts) <= 100:
            return [self.constant(each, scope, depth + 1) for each in node.elts]
        if isinstance(node, ast.Name):
            found = [self.constant(value, where, depth + 1) for value, where in self.stands_for(node.id, scope)[:100]]
            if any(value != found[0] for value in found):
                raise NotPlain(f"is set to several values ({printable(', '.join(map(str, found)), 60)})")
            return found[0]
        raise NotPlain("comes from a function call" if isinstance(node, ast.Call) else "is computed")


def nodes_of(statement: ast.stmt) -> Iterator[tuple[ast.AST, Scope]]:
    """Every node of a statement at the top in the order of the source, with the innermost function that it stands in."""
    waiting: list[tuple[ast.AST, Scope]] = [(statement, None)]
    while waiting:
        node, scope = waiting.pop()
        yield node, scope
        inner = node if isinstance(node, Function) else scope
        waiting += [(child, inner) for child in reversed(list(ast.iter_child_nodes(node)))]


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every node of a body that runs in its own scope: not those within functions and classes that it defines."""
    waiting = list(body)[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, NEW_SCOPES):
            waiting += reversed(list(ast.iter_child_nodes(node)))


def bound(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a node binds, with the value where it is a plain assignment."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from pairs(target, node.value)
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
        yield from pairs(node.target, node.value)
    elif isinstance(node, ast.AugAssign | ast.For | ast.AsyncFor):
        yield from pairs(node.target, None)
    elif isinstance(node, ast.withitem) and node.optional_vars:
        yield from pairs(node.optional_vars, None)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name, None


def pairs(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        values: list[ast.expr | None] = [None] * len(target.elts)
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            values = list(value.elts)
        for each, its_value in zip(target.elts, values):
            if isinstance(each, ast.Name):
                yield each.id, its_value


def arguments(function: Function) -> dict[str, ast.expr | None]:
    """A function's arguments, in order, with their defaults; None where there is none."""
    listed, given = function.args, function.args.defaults
    names = [each.arg for each in (*listed.posonlyargs, *listed.args)]
    defaults: list[ast.expr | None] = [None] * (len(names) - len(given)) + list(given)
    of_keywords = zip((each.arg for each in listed.kwonlyargs), listed.kw_defaults)
    return {**dict(zip(names, defaults)), **dict(of_keywords)}


def argument(call: ast.Call, name: str, names: list[str]) -> ast.expr | None:
    """What a call gives for an argument, by name or by position among `names`."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    place = names.index(name) if name in names else len(call.args)
    given = call.args[place] if place < len(call.args) else None
    return None if isinstance(given, ast.Starred) else given


def bounded(value: Any) -> Any:
    """A constant of a kind and size that a configuration holds. Raises NotPlain."""
    if isinstance(value, int | float) and not abs(value) < LARGEST or isinstance(value, str) and len(value) > 200:
        raise NotPlain("is too large")
    if not isinstance(value, int | float | str | None):
        raise NotPlain("is neither a number nor a text")
    return value


def number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotPlain("is no number")
    return value
