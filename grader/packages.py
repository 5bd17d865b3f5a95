"""Packages that grading needs, and what installs them. Told with the standard library alone: none of them may be there."""

import re
import shlex
import sys
import tomllib
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
IN_VENV = Path(sys.executable).parent.with_name("pyvenv.cfg").exists()
VENV = REPOSITORY / ".venv"  # a system's own Python refuses packages
SET_UP = "" if IN_VENV else f"python3 -m venv {shlex.quote(str(VENV))} && "
PYTHON = sys.executable if IN_VENV else str(VENV / "bin" / "python")
INSTALL = f"{SET_UP}{shlex.quote(PYTHON)} -m pip install -e {shlex.quote(f'{REPOSITORY}[grader]')}"
AT_LEAST = re.compile(r"([\w.-]+?)(?:\[.*\])?(?:>=([\d.]+).*)?")


def lacking() -> list[str]:
    """Those that are missing here, or too old, by name. What only some systems need is passed over."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["grader"]]
    return [said for requirement in needed if ";" not in requirement and (said := lack(requirement))]


def lack(requirement: str) -> str:
    """What is wrong with a package, such as `torch` or `torch 2.1 (needs 2.11)`; empty where nothing is."""
    matched = AT_LEAST.fullmatch(requirement)
    assert matched, requirement
    name, least = matched.groups()
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return str(name)
    return f"{name} {found} (needs {least})" if least and release(found) < release(least) else ""


def release(version: str) -> list[int]:
    """2.15.0+cpu -> [2, 15, 0]; what comes after the numbers is not compared."""
    return [int(number) for number in re.match(r"[\d.]*", version).group().split(".") if number]  # type: ignore[union-attr]


def said_of(names: list[str], most: int = 5) -> str:
    """What is missing, and the command that mends it."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"missing: {', '.join(names[:most])}{more}; {INSTALL}"
