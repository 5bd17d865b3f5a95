"""Turns the parser's long account of a wrong setting into one line: what, where, and how to mend it."""

import difflib
import importlib
import inspect
import re
from collections.abc import Iterable

from project.training.class_aliases import FULL_NAMES
from project.training.configuration import did_you_mean

START_FROM = "start from a configuration, such as --config configs/quickstart.yaml"


def explain(message: str, known_settings: Iterable[str]) -> str:
    """One line for a person.

    Args:
        message: What jsonargparse says, over many lines.
        known_settings: Names of all settings, such as `trainer.max_epochs`.
    """
    message = " ".join(message.split())
    key = ".".join(re.findall(r'Parser key "([^"]+)"', message))

    if found := re.search(r"Group '([^']+)' does not accept option '([^']+)'", message):
        name = ".".join(found.groups())
        return f"{name}: there is no such setting{did_you_mean(name, known_settings)}"

    if found := re.search(r"Option '([^']+)' is not accepted", message):
        option = found.group(1)
        if not key:
            return f"{option}: there is no such setting{did_you_mean(option, known_settings)}"
        path = re.search(r"class_path[=:'\" ]+([\w.]+)'", message)
        name = path.group(1) if path else "it"
        return f"{key}: {name} has no setting {option}{did_you_mean(option, arguments_of(name))}"

    if found := re.search(r"module '([^']+)' has no attribute '([^']+)'", message):
        module, name = found.groups()
        return f"{key}: {module} has no class {name}{did_you_mean(name, public_names(module), module + '.')}"

    if found := re.search(r"arguments are required: (.+)", message):
        return f"missing {found.group(1)}; {START_FROM}"

    if found := re.search(r"No module named '([^']+)'", message):
        return f"{key}: there is no module {found.group(1)}"

    expected = dict.fromkeys(re.findall(r"Expected an? <class '([^']+)'>", message))
    if (found := re.search(r"Given value: (.+?)(?:\. Got value: .*)?$", message)) and expected:
        literals = re.search(r"typing\.Literal\[([^\]]*)\]", message)
        wanted = f"one of {literals.group(1)}" if literals else " or ".join(expected)
        return f"{key}: expected {wanted.replace('NoneType', 'null')}, found {found.group(1)[:80]}"

    if found := re.search(r"Expected a dot import path string: (\w[\w.]*\w|\w)", message):
        name = found.group(1)
        close = difflib.get_close_matches(name, FULL_NAMES, n=1)
        return f"{key}: there is no class {name}" + (f"; did you mean {FULL_NAMES[close[0]]}?" if close else "")

    return message if len(message) < 300 else message[:297] + "..."


def public_names(module: str) -> list[str]:
    """The names in a module of torch or of ours; nothing is imported from elsewhere to explain a mistake."""
    if module.partition(".")[0] not in ("torch", "torchvision", "pytorch_lightning", "project"):
        return []
    return [name for name in dir(importlib.import_module(module)) if not name.startswith("_")]


def arguments_of(class_path: str) -> list[str]:
    """The arguments of a class in such a module."""
    module, _, name = class_path.rpartition(".")
    if name not in public_names(module):
        return []
    return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
