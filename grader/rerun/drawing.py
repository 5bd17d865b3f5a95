"""Whether a student's code imports what draws text, of which a training could make itself further images.

It is told from the text, so that code can hide it; a person who reads that code sees it.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping

DRAWS = ("PIL.ImageDraw", "PIL.ImageFont", "matplotlib")


def drawing(modules: Mapping[str, bytes]) -> list[str]:
    """What a person should look at in modules that were checked: nothing, or a single line."""
    with warnings.catch_warnings(action="ignore"):  # of a stray backslash, say, which is for the student to see
        imported = {name for code in modules.values() for name in imports(ast.parse(code))}
    if found := [ours for ours in DRAWS if any(f"{name}.".startswith(f"{ours}.") for name in imported)]:
        return [f"imports {', '.join(found)}, with which further images could be drawn"]
    return []


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names of what is imported, wherever that is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
