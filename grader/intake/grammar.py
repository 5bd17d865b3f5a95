"""The closed grammar of configurations: what it cannot derive is refused, and what is accepted is written anew.

`allowed_classes.json` is the list: for each place the classes, and of each class the arguments with what they may be, in
these words, of which a `|` offers several:

    flag, null              true or false; null
    integer, integer 1..9   within these bounds, else within MOST
    number, number 0..1     likewise, finite
    integers, numbers       a list of them
    'a text', 3             this very text or number
    layer, normalization    a class of that place, with its own arguments (any place of the list)
    augmentations           a list of such classes

A class is written as a mapping of `class_path` and `init_args`, or as its dotted name. A student's own class takes any plain
value, and classes of the list.
"""

import ast
import difflib
import functools
import json
import re
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from grader.safe_text import printable
from project.training.class_aliases import full_name

LIST = Path(__file__).with_name("allowed_classes.json")
MOST = 10**9  # of a number, in either direction
MOST_VALUES = 1_000  # of a configuration
LONGEST_TEXT = 100  # characters
# What settings can tell a network beside what it learns, compressed. Those with every regularizer of configs/ have 920.
MOST_INFORMATION = 3_000  # bytes
# The texts of an own class: what no parser reads as anything but a text or a number.
PLAIN_TEXT = re.compile(r"\w([\w +-]|[./](?![./]))*")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
OWN_CLASS = re.compile(r"submission\.([A-Za-z_]\w*)\.[A-Za-z_]\w*")

# Where a configuration has classes, and of which place they are.
CLASSES = {
    "model.network": "network",
    "model.optimizer": "optimizer",
    "model.scheduler": "scheduler",
    "model.initialization": "initialization",
    "model.normalization": "normalization",
}
CLASS_LISTS = {
    "trainer.callbacks": "callback",
    "model.regularization": "regularization",
    "data.augmentation": "augmentation",
}
NEEDED = ("model.network", "model.optimizer")
# What else a student chooses.
VALUES = {
    "trainer.max_epochs": "integer 1..1000",  # and by the rules
    "trainer.precision": "'auto' | 16 | 32 | '32' | '32-true' | '16-mixed' | 'bf16-mixed' | 'bf16-true' | null",
    "trainer.gradient_clip_val": "number 0.. | null",
    "trainer.gradient_clip_algorithm": "'norm' | 'value' | null",
    "trainer.accumulate_grad_batches": "integer 1..1024",
    "trainer.deterministic": "flag | 'warn' | null",
    "trainer.benchmark": "flag | null",
    "trainer.check_val_every_n_epoch": "1 | null",
    "model.compile": "flag",
    "data.batch_size": "integer 1..65536",
    "data.mean": "numbers | null",
    "data.std": "numbers | null",
}
IN_WORDS = {
    "flag": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "integers": "a list of whole numbers",
    "numbers": "a list of numbers",
    "layer": "a class of torch.nn",
    "normalization": "a class of project.normalization",
    "augmentations": "a list of augmentations",
}
FROM_YOUR_RUN = "copy it from your run: runs/<name>/config.yaml"


class Mistake(NamedTuple):
    """A value that the grammar does not derive: where it is, what is wrong with it, and how to mend it."""

    where: str
    what: str
    mend: str = FROM_YOUR_RUN


@functools.cache
def allowed() -> dict[str, dict[str, dict[str, str]]]:
    """The list: {place: {class: {argument: words}}}."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads(LIST.read_bytes())["places"]
    return found


@functools.cache
def allowed_anywhere() -> dict[str, dict[str, str]]:
    return {name: arguments for classes in allowed().values() for name, arguments in classes.items()}


def derive(config: dict[str, Any], modules: Collection[str]) -> tuple[dict[str, dict[str, Any]], list[Mistake]]:
    """The sections `trainer`, `model` and `data` of a configuration, written anew, and all that is wrong with them.

    They hold what a student chooses and nothing else: no source of images, nothing that the grader decides. `modules` are
    the files that are handed in. Where anything is wrong, the sections are incomplete.
    """
    reader = Reader(modules)
    found: dict[str, dict[str, Any]] = {"trainer": {}, "model": {}, "data": {}}
    for where in (*CLASSES, *CLASS_LISTS, *VALUES):
        section, key = where.split(".")
        given = config.get(section)
        value = given.get(key) if isinstance(given, dict) else None
        if value is None and where not in NEEDED:
            continue
        if where in CLASSES:
            found[section][key] = reader.a_class(where, CLASSES[where], value)
        elif where in CLASS_LISTS:
            found[section][key] = reader.classes(where, CLASS_LISTS[where], value)
        else:
            found[section][key] = reader.argument(where, VALUES[where], value)
    if (information := len(zlib.compress(json.dumps(found).encode(), 9))) > MOST_INFORMATION:
        what = f"{information:,} bytes of settings when they are compressed"
        mend = f"choose in at most {MOST_INFORMATION:,}; a network's weights come from training alone"
        reader.wrong("trainer, model, data", what, mend)
    return found, reader.mistakes


def texts_in(settings: Any) -> list[str]:
    """Every text in settings, at any depth, for each may name a class."""
    found: list[str] = []
    waiting = [settings]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            found.append(value)
    return found


def classes_for(settings: Any) -> list[str]:
    """The classes that a parser of settings imports: all that they name, and the layers, which are defaults."""
    return sorted({*allowed()["layer"], *(text for text in texts_in(settings) if DOTTED.fullmatch(text))})


class Reader:
    """Reads values by the words of the list.

    Attributes:
        mistakes: What it came upon.
    """

    def __init__(self, modules: Collection[str]):
        self.modules = modules
        self.mistakes: list[Mistake] = []
        self.values = 0

    def wrong(self, where: str, what: str, mend: str = FROM_YOUR_RUN) -> None:
        self.mistakes.append(Mistake(where, what, mend))

    def classes(self, where: str, place: str, value: Any) -> list[Any]:
        """A list of classes."""
        if not isinstance(value, list):
            self.wrong(where, f"{shown(value)} is no list of classes")
            return []
        return [self.a_class(f"{where}[{index}]", place, each) for index, each in enumerate(value)]

    def a_class(self, where: str, place: str | None, value: Any) -> Any:
        """A class of this place, of any place where it is None, or of the student's own."""
        name: Any = value
        given: Any = {}
        if isinstance(value, dict):
            name, given = value.get("class_path"), value.get("init_args") or {}
            for key in value.keys() - {"class_path", "init_args"}:
                if key != "dict_kwargs" or value[key]:
                    self.wrong(f"{where}.{shown(key)}", "stands beside class_path and init_args", "remove it")
        if not isinstance(name, str) or not isinstance(given, dict):
            self.wrong(where, f"{shown(value)} is no class_path with its init_args")
            return None
        if own := OWN_CLASS.fullmatch(name):
            if f"{own[1]}.py" not in self.modules:
                self.wrong(where, f"there is no {own[1]}.py", "put it beside config.yaml")
            arguments = self.plain(f"{where}.init_args", given)
        else:
            name = full_name(name)
            known = allowed_anywhere() if place is None else allowed()[place]
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
                mend = f"did you mean {near[0]}?" if near else "take a class of configs/, or one of your own module"
                self.wrong(where, f"{shown(name)} is not allowed", mend)
                return None
            arguments = {}
            for key, each in given.items():
                at = f"{where}.init_args.{shown(key)}"
                if isinstance(key, str) and key in known[name]:
                    arguments[key] = self.argument(at, known[name][key], each)
                else:
                    self.wrong(at, f"{name} has no such argument here", "remove it")
        if isinstance(value, str):
            return name
        return {"class_path": name, "init_args": arguments} if arguments else {"class_path": name}

    def argument(self, where: str, words: str, value: Any) -> Any:
        """A value that one of these words allows."""
        self.count(where)
        for word in words.split(" | "):
            name, _, bounds = word.partition(" ")
            if name in allowed():
                if isinstance(value, (dict, str)):
                    return self.a_class(where, name, value)
            elif name == "augmentations":
                if isinstance(value, list):
                    return self.classes(where, "augmentation", value)
            elif fits(name, bounds, value):
                return value
        self.wrong(where, f"{shown(value)} is not allowed", f"take {offered(words)}")
        return None

    def plain(self, where: str, value: Any) -> Any:
        """A value of an own class: plain data, and classes of the list."""
        self.count(where)
        if isinstance(value, dict) and "class_path" in value:
            return self.a_class(where, None, value)
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str) or not key.isidentifier():
                    self.wrong(f"{where}.{shown(key)}", "is no name", "use letters, digits and _")
            return {str(key): self.plain(f"{where}.{shown(key)}", each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.plain(f"{where}[{index}]", each) for index, each in enumerate(value)]
        if isinstance(value, str) and DOTTED.fullmatch(value):
            return self.a_class(where, None, value)
        if isinstance(value, str) and (len(value) > LONGEST_TEXT or not PLAIN_TEXT.fullmatch(value)):
            mend = f"use at most {LONGEST_TEXT} letters, digits, spaces and _ + -"
            self.wrong(where, f"{shown(value)} is no plain text", mend)
            return None
        if value is None or isinstance(value, (bool, str)) or fits("number", "", value):
            return value
        self.wrong(where, f"{shown(value)} is no plain value", f"use a text, true, false, or a number up to {MOST:,}")
        return None

    def count(self, where: str) -> None:
        self.values += 1
        if self.values == MOST_VALUES + 1:
            self.wrong(where, f"is more than {MOST_VALUES} values", "write a shorter configuration")


def fits(name: str, bounds: str, value: Any) -> bool:
    """Whether a scalar, or a list of numbers, is what a word allows."""
    if name in ("integers", "numbers"):
        return isinstance(value, list) and len(value) <= 100 and all(fits(name[:-1], bounds, each) for each in value)
    if name in ("integer", "number"):
        low, _, high = bounds.partition("..")
        least, most = float(low or -MOST), float(high or MOST)
        return type(value) in ((int,) if name == "integer" else (int, float)) and least <= value <= most
    if name in ("flag", "null"):
        return isinstance(value, bool) if name == "flag" else value is None
    literal = ast.literal_eval(name)
    return type(value) is type(literal) and bool(value == literal)


def offered(words: str) -> str:
    """What words of the list allow, as people say it: `a number 0..1 or null`."""
    parts = (word.partition(" ") for word in words.split(" | "))
    return " or ".join(IN_WORDS.get(name, name) + space + bounds for name, space, bounds in parts)


def shown(value: Any) -> str:
    """A value for a message, safe and short."""
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "a mapping"
    return printable(str(value), 60) if isinstance(value, str) else printable(str(value), 30)
