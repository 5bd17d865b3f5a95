"""A module's code without what only people read: comments and texts that are statements, such as docstrings.

Nothing that a person writes there can reach a training, weights and tables among it. Lines keep their numbers.
"""

import ast
import io
import tokenize
import warnings
from collections.abc import Mapping

Span = tuple[tuple[int, int], tuple[int, int]]  # (line, column in bytes) of the start and of the end


def blanked(content: bytes) -> bytes:
    """The code, of a module in UTF-8 that parses, which computes the same but for the texts of docstrings.

    Raises SyntaxError, ValueError, RecursionError or MemoryError where it does not parse.
    """
    text = content.decode("utf-8-sig") + "\n"  # no backslash may be the last of the last line
    lines = [line.encode() for line in io.StringIO(text, newline=None)]  # as the parser counts them
    with warnings.catch_warnings(action="ignore"):
        tree = ast.parse(text)
    for (first, begin), (last, end) in sorted([*comments(lines), *statements_of_text(tree)], reverse=True):
        comment = lines[first - 1][begin : begin + 1] == b"#"
        # A backslash goes on with the same statement in the next line, as the text did.
        left = b"" if comment else b'""' + b"\\\n" * (last - first)
        lines[first - 1 : last] = [*(lines[first - 1][:begin] + left + lines[last - 1][end:]).splitlines(keepends=True)]
    return b"".join(lines)


def blanked_modules(modules: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same for each of a submission's modules, by file name: what a training sees of them. Raises as `blanked`."""
    return {path: blanked(content) for path, content in modules.items()}


def comments(lines: list[bytes]) -> list[Span]:
    found = []
    try:
        for token in tokenize.generate_tokens(iter([*(line.decode() for line in lines), ""]).__next__):
            if token.type == tokenize.COMMENT:
                line, column = token.start
                begin = len(token.line[:column].encode())
                found.append(((line, begin), (line, begin + len(token.string.encode()))))
    except tokenize.TokenError as error:
        raise SyntaxError(str(error)) from None
    return found


def statements_of_text(tree: ast.Module) -> list[Span]:
    """Statements that are nothing but a text: docstrings, and texts in the place of comments."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(value := node.value, ast.Constant):
            if isinstance(value.value, (str, bytes)):
                assert value.end_lineno is not None and value.end_col_offset is not None
                found.append(((value.lineno, value.col_offset), (value.end_lineno, value.end_col_offset)))
    return found
