"""Turns the parser's long account of a wrong setting into one line: what, where, and how to mend it."""

import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from project.support.errors import UserError, in_one_line
from project.support.own_code import own_error
from project.support.wording import did_you_mean
from project.training.class_aliases import FULL_NAMES, MODULES

START_FROM = "start from a configuration, such as --config configs/quickstart.yaml"
TYPES = r"Subtypes: \[(.*?)\] Errors:|Type (.*?) expects a|subclass of (\w+)|Expected an? (<class.*?>|typing.*?)\. Got"
AUGMENTATIONS = (
    "torchvision.transforms.v2.Transform (image by image) or project.augmentation.Augmentation (a batch at once)"
)
BASES = {  # that a class of one's own derives from
    "model.network": "torch.nn.Module",
    "model.optimizer": "torch.optim.Optimizer",
    "model.scheduler": "torch.optim.lr_scheduler.LRScheduler",
    "model.regularization": "project.regularization.Regularizer",
    "model.initialization": "project.initialization.Initialization",
    "model.normalization": "project.normalization.Normalization",
    "data.augmentation": "torchvision.transforms.v2.Transform or project.augmentation.Augmentation",
}
# Words in the names of types that say nothing to a person.
STRUCTURE = {"class", "Callable", "Union", "Iterable", "list"}
GIVEN = r"(?:Given|Got) value: (.+?)(?:\. Got value: .*| - Expected an? .*| Given value.*| Subclass types .*)?$"
PLACES = {  # of classes that have one of these among their bases
    "Optimizer": "model.optimizer",
    "LRScheduler": "model.scheduler",
    "Regularizer": "model.regularization",
    "Initialization": "model.initialization",
    "Normalization": "model.normalization",
    "Transform": "data.augmentation",
    "Augmentation": "data.augmentation",
    "Source": "data.source",
}
# How the parser begins to say that a value is not of one of several types.
OTHER_TYPE = ("Expected ", "Does not validate", "Not a valid", "Import path ", "a class path", "a dict ")


def refused(error: BaseException, classes: Iterable[tuple[str, str]]) -> BaseException:
    """What to tell when a class that the settings name could not be made.

    The parser hides in a ValueError of its own what the class raised, as it tries the types that a setting may have one
    after another: a UserError of ours, an error in a student's own code, or what a library says, which becomes a UserError.

    Args:
        error: What the parser raised.
        classes: Each setting that names a class, and the class.
    """
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, UserError) or own_error(each, UserError):
            return each
        each = each.__cause__
    said = str(error)
    reasons = [line for line in re.findall(r"^ *- (.+)$", said, re.MULTILINE) if not line.startswith(OTHER_TYPE)]
    places = [place for place, path in classes if f"class_path='{path}'" in said]
    reason = reasons[0][:300].rstrip(".") if reasons else in_one_line(error)
    told = UserError(f"{places[0] if places else 'settings'}: {reason}")
    told.__cause__ = error
    return told


def explain(message: str, known_settings: Iterable[str]) -> str:
    """One line for a person.

    Args:
        message: What jsonargparse says, over many lines.
        known_settings: Names of all settings, such as `trainer.max_epochs`.
    """
    message = " ".join(message.split())
    key = ".".join(re.findall(r'Parser key "([^"]+)"', message) or re.findall(r"^--([\w.]+)\.help: ", message))
    cause = message.rpartition('Parser key "')[2]  # of parsers within parsers, what the innermost one says
    path = found.group(1) if (found := re.search(r"class_path[=:'\" ]+([\w.]+)'", message)) else ""
    moved = f"; did you mean {FULL_NAMES[name]}?" if (name := path.rpartition(".")[2]) in FULL_NAMES else ""

    if found := re.search(r"Group '([^']+)' does not accept option '([^']+)'", message):
        name = ".".join(found.groups())
        return f"{name}: there is no such setting{did_you_mean(name, known_settings)}"

    if found := re.search(r"unrecognized arguments: --([\w.]+?)(\.help)?( |$)", message):
        return f"{found.group(1)}: there is no such setting{did_you_mean(found.group(1), known_settings)}"

    if found := re.search(r"Option '([^']+)' is not accepted", message):
        option = found.group(1)
        if not key:
            return f"{option}: there is no such setting{did_you_mean(option, known_settings)}"
        accepted = inspect.signature(resolved(path)).parameters if resolved(path) else ()
        return f"{key}: {path or 'it'} has no setting {option}{did_you_mean(option, accepted)}"

    own = re.search(r"Got value: .*?\b(submission(?:\.\w+)+)", message)
    if own and re.search(r"No module named 'submission\b|module 'submission' has no attribute", message):
        return f"{key}: {without_file(own.group(1))}"

    if found := re.search(r"module '([^']+)' has no attribute '([^']+)'", message):
        module, name = found.groups()
        public = [each for each in dir(resolved(module) or sys.modules.get(module)) if not each.startswith("_")]
        moved = moved if f"{path}.".startswith(f"{module}.{name}.") else ""  # else it is of a class within that one
        return f"{key}: {module} has no {name}{moved or did_you_mean(name, public, module + '.')}"

    if found := re.search(r"No module named '([^']+)'", message):
        return f"{key}: there is no module {found.group(1)}{moved}"

    if found := re.search(r"arguments are required: (\w+(?:\.\w+)*(?:, \w+(?:\.\w+)*)*)", message):
        names = found.group(1)
        if not key:
            return f"missing {names}; {START_FROM}"
        first = names.partition(",")[0]
        return f"{key}: missing {names}; give --{key}.{first} VALUE, or init_args: {{{first}: VALUE}} in a file"

    if found := re.search(r"Multiple subclasses with name (\w+)\. .* ambiguity: (.+?)\.+( |$)", message):
        return f"{key}: there is more than one {found.group(1)}; give one of {found.group(2)}"

    if fault := fault_of_class(path, key):
        return f"{key}: {fault}"

    types = re.search(TYPES, cause)
    wanted = allowed(types.group(types.lastindex or 0)) if types else ""
    if key == "model.network":
        wanted = f"{MODULES['project.networks'].replace(' ', ', ')} or another Module"

    found = re.search(r"Expected a dot import path string: (\w[\w.]*\w|\w)", message)
    if found and "'float'" not in cause:  # where a number may stand, a word is hardly a class
        hint = did_you_mean(found.group(1), FULL_NAMES) or (f"; there is {wanted}" if wanted else "")
        return f"{key}: there is no class {found.group(1)}{hint}"

    given = re.search(GIVEN, cause) or re.search(r"Import path ([\w.]+) does not correspond", cause)
    if wanted and given:
        of_class = re.search(r"class_path[=:'\" ]+([\w.]+)'", given.group(1))
        value = of_class.group(1) if of_class else given.group(1)[:80]
        place = next((PLACES[base.__name__] for base in bases_of(value) if base.__name__ in PLACES), key)
        cure = f", which belongs to {place}" if place != key else ""
        if of_class and not cure and key == "data.augmentation":
            cure = f"; one of your own derives from {AUGMENTATIONS}"
        return f"{key}: expected {wanted}, found {value}{cure}"

    return message if len(message) < 300 else message[:297] + "..."


def fault_of_class(path: str, key: str) -> str:
    """Why a class of a person's own, which was imported, is none that a setting takes; empty where that is not known."""
    module, _, name = path.rpartition(".")
    kind, base = getattr(sys.modules.get(module), name, None), BASES.get(key, "")
    if not isinstance(kind, type) or not base or resolved(path):
        return ""
    if not any(issubclass(kind, resolved(one)) for one in base.split(" or ")):
        return f"{path} derives from none that is taken here; write class {name}({base})"
    if missing := sorted(getattr(kind, "__abstractmethods__", ())):
        hint = did_you_mean(missing[0], vars(kind)).replace("did you mean", "is it what you wrote as")
        return f"{path} lacks the method {missing[0]}{hint}"
    return ""


def without_file(path: str) -> str:
    """What is wrong with the dotted name of a student's own class, whose module is not there."""
    _, *modules, name = path.split(".")
    if not modules:
        return f"{path} names no file; give submission.FILE.{name} for a class in submission/FILE.py"
    *folders, module = modules
    there = [each.stem for each in Path("submission", *folders).glob("*.py")]
    hint = did_you_mean(module, there, ".".join(["submission", *folders, ""]), f".{name}")
    cure = hint or "; put yours into the folder submission/ beside main.py"
    return f"there is no file submission/{'/'.join(modules)}.py{cure}"


def allowed(types: str) -> str:
    """What the types in a message allow: values, and classes by their short names."""
    found = [value for values in re.findall(r"Literal\[(.*?)\]", types) for value in values.split(", ")]
    others = re.sub(r"Literal\[.*?\]|\[\[.*?\]", "", types)  # not what a callable takes, either
    bases = {name: {base.__name__ for base in bases_of(path)} for name, path in FULL_NAMES.items()}
    for word in re.findall(r"\w+(?![\w.])", others):
        known = [name for name in FULL_NAMES if word in bases[name] and word != "Module"]  # which says too little
        found += known or ([] if word in STRUCTURE else ["null" if word == "NoneType" else word])
    *names, last = dict.fromkeys(found)
    listed = "a list of " if "list[" in types else ""
    return listed + (f"{', '.join(names)} or {last}" if names else last)


def bases_of(name: str) -> tuple[type, ...]:
    """The classes that a class of torch or of ours is one of; none where it is not there, as datasets are not in a grading."""
    try:
        found = resolved(name)
    except (ImportError, AttributeError, ValueError):
        return ()
    return found.__mro__ if isinstance(found, type) else ()


def resolved(name: str) -> Any:
    """What a dotted name of torch or of ours stands for; None elsewhere: to explain a mistake, nothing else is imported."""
    known = name.partition(".")[0] in ("torch", "torchvision", "pytorch_lightning", "project")
    return pkgutil.resolve_name(name) if known else None
