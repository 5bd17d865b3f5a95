"""Turns the parser's long account of a wrong setting into one line: what, where, and how to mend it."""

import difflib
import importlib
import inspect
import re
from collections.abc import Iterable

START_FROM = "start from a configuration, such as --config configs/quickstart.yaml"
OWN_MODULES = (
    "networks",
    "optimization",
    "regularization",
    "initialization",
    "normalization",
    "data",
    "data.augmentation",
)


def explain(message: str, known_settings: Iterable[str]) -> str:
    """One line for a person.

    Args:
        message: What jsonargparse says, over many lines.
        known_settings: Names of all settings, such as `trainer.max_epochs`.
    """
    message = " ".join(message.split())
    key = found.group(1) if (found := re.search(r'Parser key "([^"]+)"', message)) else ""

    if found := re.search(r"does not accept option '([^']+)'|[Uu]nrecognized arguments: (\S+)", message):
        unknown = (found.group(1) or found.group(2)).partition("=")[0]
        name = re.split(r"\.(?:class_path|init_args)\b", unknown.lstrip("-"))[0]
        dashes = "--" if unknown.startswith("--") else ""
        return f"{dashes}{name}: there is no such setting{did_you_mean(name, known_settings, dashes)}"

    if found := re.search(r"Option '([^']+)' is not accepted", message):
        option = found.group(1)
        path = re.search(r"(?:class_path=|given class_path )'([^']+)'", message)
        name = path.group(1) if path else ""
        return f"{key}: {name} has no setting {option}{did_you_mean(option, arguments_of(name))}"

    if found := re.search(r"module '([^']+)' has no attribute '([^']+)'", message):
        module, name = found.groups()
        return f"{key}: {module} has no class {name}{did_you_mean(name, public_names(module), module + '.')}"

    if found := re.search(r"Expected a dot import path string: (\S+)", message):
        name = found.group(1)
        own = {n: f"project.{m}." for m in OWN_MODULES for n in public_names(f"project.{m}")}
        close = difflib.get_close_matches(name, own, n=1)
        return f"{key}: there is no class {name}" + (f"; did you mean {own[close[0]]}{close[0]}?" if close else "")

    if found := re.search(r"arguments are required: (.+)", message):
        return f"missing {re.sub(r'(?:fit|validate|test|predict)[.]', '', found.group(1))}; {START_FROM}"

    if found := re.search(r"No module named '([^']+)'", message):
        return f"{key}: there is no module {found.group(1)}"

    if found := re.search(r"Given value: (.+)", message):
        expected = sorted(set(re.findall(r"Expected an? <class '([^']+)'>", message)))
        wanted = " or ".join("null" if name == "NoneType" else name for name in expected) or "another kind of value"
        return f"{key}: expected {wanted}, found {found.group(1)[:80]}"

    return message if len(message) < 300 else message[:297] + "..."


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """`; did you mean X?` where something known is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, sorted(set(known)), n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


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
