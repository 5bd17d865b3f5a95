"""Code without what only people read computes the same, in the same lines, and tells a network nothing more."""

import ast
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.intake.blanking import blanked

LIBRARY = Path(os.__file__).parent
FILES = [*Path("project").rglob("*.py"), *random.Random(0).sample(sorted(LIBRARY.glob("*.py")), 25)]


def meaning(code):
    """What the code computes, with all texts that are statements empty, and in which lines."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, (str, bytes)):
                node.value = ast.Constant("")
    lines = [(type(node).__name__, node.lineno) for node in ast.walk(tree) if isinstance(node, (ast.stmt, ast.Call))]
    return ast.dump(tree), lines


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_code_means_the_same_in_the_same_lines(file):
    content = file.read_bytes()
    assert meaning(blanked(content)) == meaning(content)


PIECES = st.sampled_from(
    [
        "# SECRET",
        '"SECRET"',
        "'''SECRET\n  # SECRET\n'''",
        'b"SECRET"',
        '("SECRET"\n    "SECRET")',
        "'SECRET'; x = 1  # SECRET",
        'x = """kept\n# kept\n"""',
        "x = 1 + \\\n  2  # SECRET",
        "def f():\n    'SECRET'",
        "def f(): 'SECRET'",
        "class C:  # SECRET\n    '''SECRET\n    '''\n    # SECRET\n    y = [  # SECRET\n        1,\n    ]",
        "f'{x}'",
        "é = 'kept'  # SECRET é",
        "if x:\n\t'SECRET'  # SECRET\nelse: 'SECRET' ; 'SECRET'",
    ]
)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_no_comment_and_no_docstring_is_left(pieces, ending, ends):
    code = "x = 0\n" + "\n".join(pieces) + "\n" * ends
    content = code.replace("\n", ending).encode()
    left = blanked(content)
    assert meaning(left) == meaning(content) and b"SECRET" not in left
    assert blanked(left) == left + b"\n"


@pytest.mark.parametrize("content", [b"def", b"x = \xff", b"\0", b"(" * 1000, b"'''"])
def test_what_does_not_parse_is_told(content):
    with pytest.raises((SyntaxError, ValueError, RecursionError, MemoryError)):
        blanked(content)
