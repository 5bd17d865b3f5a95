"""What a class needs of its notebook, as a module: imports, constants, functions and classes, found from the names in it."""

import ast
import builtins
import re
import symtable
from functools import lru_cache

from grader.intake.pasted.cells import Statement
from grader.intake.pasted.plain_code import Function, PlainCode, bound, own_nodes
from grader.safe_text import printable

MOST_PARTS = 300  # statements that a network may need
LIBRARIES = ("torch", "torchvision", "math", "numpy", "typing", "collections", "functools", "itertools")
FROM_FILES = ("load", "open", "read_csv", "load_state_dict", "loadtxt", "fromfile", "hub")


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
            self.code.spend()
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

    def need_names_of(self, text: str, besides: frozenset[str] = frozenset()) -> None:
        for name in global_names(text) - besides:
            self.need(name)

    def not_plain(self, statement: Statement) -> str:
        """Why a name cannot be taken along; empty where it can."""
        if not isinstance(statement.node, ast.Assign | ast.AnnAssign | ast.If):
            return f"which cell {statement.cell} computes"
        waiting, seen = set(global_names(statement.text)), set[str]()
        while waiting and len(seen) < MOST_PARTS:
            self.code.spend()
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


@lru_cache(maxsize=2_000)
def global_names(text: str) -> frozenset[str]:
    """The names that a source uses and does not bind itself."""
    try:
        waiting, found = [symtable.symtable(text, "notebook", "exec")], set[str]()
    except (SyntaxError, RecursionError, ValueError, MemoryError):
        return frozenset()
    of_its_own = {s.get_name() for s in waiting[0].get_symbols() if s.is_assigned() and not s.is_namespace()}
    while waiting:
        table = waiting.pop()
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}
        waiting += table.get_children()
    return frozenset(found - of_its_own)
