"""The statements of a notebook's cell, magics and shell commands left out. Nothing of it is run."""

import ast
import re
import warnings
from typing import NamedTuple

from grader.intake.checks import LONGEST_LINE

DEEPEST_TREE = 150  # of a cell's code; ast.unparse takes several calls a level
RUN_AS_CODE = ("time", "timeit", "capture", "writefile")  # cell magics below which code stands
SHELL_COMMAND = re.compile(  # of one line, or of several that end in a backslash; its output may be assigned
    r"^(?P<indent>[ \t]*)(?:(?P<target>[\w.,* ]+=)[ \t]*[!%]|[!%?]|[\w.]+\?+$)(?P<rest>(?:.*\\\n)*.*)$", re.MULTILINE
)


class Statement(NamedTuple):
    """A statement at the top of a cell (counted from 1), with its source."""

    cell: int
    node: ast.stmt
    text: str


def read_cell(number: int, text: str) -> list[Statement]:
    """The statements of a cell, each in its own line. Raises SyntaxError, ValueError and the like."""
    blank = len(text) - len(text.lstrip())
    first, _, rest = text[blank:].partition("\n")
    if first.startswith("%%"):
        if first[2:].split(" ")[0] not in RUN_AS_CODE:
            return []
        text = "\n" * (text[:blank].count("\n") + 1) + rest
    if long := next((n for n, line in enumerate(text.splitlines(), 1) if len(line) > LONGEST_LINE), None):
        raise ValueError(f"line {long} is longer than {LONGEST_LINE} characters")
    with warnings.catch_warnings(action="ignore"):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            text = SHELL_COMMAND.sub(without_command, text)
            tree = ast.parse(text)
    if depth(tree) > DEEPEST_TREE:
        raise ValueError("it is nested too deeply")
    return [Statement(number, node, source(text, node)) for node in tree.body]


def without_command(found: re.Match[str]) -> str:
    """Python in as many lines as the command takes."""
    instead = f"{found['target']} None" if found["target"] else "pass"
    return found["indent"] + instead + "\n" * found["rest"].count("\n")


def depth(tree: ast.AST) -> int:
    """How deeply a tree is nested; counted without recursion, for which a long sum is too deep."""
    levels, nodes = 0, [tree]
    while nodes := [child for node in nodes for child in ast.iter_child_nodes(node)]:
        levels += 1
    return levels


def source(text: str, node: ast.stmt) -> str:
    """The lines of a statement; of several in one line, its own part."""
    lines = text.split("\n")
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    assert node.end_lineno is not None
    if node.col_offset or ";" in lines[node.end_lineno - 1]:
        return ast.get_source_segment(text, node) or ""
    return "\n".join(lines[first - 1 : node.end_lineno]).rstrip()
