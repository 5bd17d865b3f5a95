"""What pages, notebooks and configurations name is there: every module, class, file, folder and link."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KINDS = ("README*.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md", "notebooks/*.ipynb", "configs/**/*.yaml")
PAGES = sorted(page for kind in KINDS for page in ROOT.glob(kind))

DOTTED = re.compile(r"(?<![\w/.-])(?:project|grader|tests|benchmarks)(?:\.[A-Za-z_]\w*)+")
PATH = re.compile(
    r"(?<![\w/-])(?:\.\./)*"
    r"(?:(?:project|grader|configs|tests|benchmarks|docs|notebooks|\.github|\.ci)/[\w./-]*|main\.py|pyproject\.toml)"
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def unresolved(text: str, folder: Path) -> list[str]:
    """Names in a page of `folder` that stand for nothing."""
    dotted = [name for name in DOTTED.findall(text) if not defined(name)]
    paths = [path.rstrip(".") for path in PATH.findall(text)]
    paths = [path for path in paths if not ((ROOT / path).exists() or (folder / path).exists())]
    return sorted({*dotted, *paths, *(link for link in LINK.findall(text) if not (folder / link).exists())})


def defined(name: str) -> bool:
    """Whether a dotted name is a module, or something at the top of one. Nothing is imported."""
    place, *rest = name.split(".")
    path = ROOT / place
    while rest and path.is_dir() and ((path / rest[0]).is_dir() or (path / f"{rest[0]}.py").exists()):
        path = path / rest.pop(0)
    if not rest:
        return True
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found = ast.parse(module.read_text(encoding="utf-8")).body
    targets = [target for node in found if isinstance(node, ast.Assign) for target in node.targets]
    return rest[0] in {getattr(node, "name", None) for node in found} | {getattr(node, "id", None) for node in targets}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_name_is_there(page):
    assert unresolved(page.read_text(encoding="utf-8"), page.parent) == []


def test_what_is_not_there_is_found():
    text = "`project.data.glyphs.Glyphs`, project.networks.MLP, grader.desk; see grader/desk.py, [here](gone.md), configs/base.yaml."
    assert unresolved(text, ROOT) == ["gone.md", "grader.desk", "grader/desk.py", "project.data.glyphs.Glyphs"]
