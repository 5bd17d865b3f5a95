"""The arms of a study, from what a person writes: files, options, folders. Nothing heavy is imported here."""

import shlex
from pathlib import Path
from typing import NamedTuple

import yaml

from project.support.errors import UserError
from project.training.configuration import Settings, merged, read_arguments

BASE = "base"  # the arm that the others are compared to
LONGEST_NAME = 60


class Arm(NamedTuple):
    """A change of the base, by its name; in a grid, with its level of the first setting and of the second, from 0."""

    name: str
    overlays: list[Settings]
    cell: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """The change as YAML; empty for the base."""
        return yaml.safe_dump(merged(self.overlays), sort_keys=False) if self.overlays else ""


class Axis(NamedTuple):
    """A setting of a grid: each level is a change of the base."""

    name: str
    levels: list[Arm]


def arms_of(given: str) -> list[Arm]:
    """The arms of an --arm: `NAME=OVERLAY`, or an overlay that gives it its name, or a folder of them."""
    name, equals, overlay = given.partition("=")
    if equals and not name.startswith("--") and not name.endswith(".yaml") and " --" not in name:
        return [*named_arms({name.strip(): overlay})]
    if Path(given).is_dir():
        return arms_in(given)
    words = split(given)
    name = " ".join(stem_of(word) if is_file(word) else word.removeprefix("--") for word in words)
    return [*named_arms({name: given})]


def named_arms(lines: dict[str, str]) -> list[Arm]:
    """An arm for each name and line of files and options. Raises UserError for what cannot be read."""
    arms = []
    for name, line in lines.items():
        try:
            read = read_arguments(as_options(line))
        except UserError as error:
            raise UserError(f"--arm {name}: {error}") from None
        if read.help or read.print_config or read.checkpoint:
            raise UserError(
                f"--arm {name}: an arm is files and settings, without --ckpt_path, --print_config and --help"
            )
        arms.append(Arm(name, read.overlays))
    return arms


def arms_in(folder: str) -> list[Arm]:
    """An arm for each overlay in a folder."""
    paths = sorted(Path(folder).glob("*.yaml"))
    if not paths:
        raise UserError(f"--arm {folder}: is no folder of overlays")
    return named_arms({path.stem: shlex.quote(str(path)) for path in paths})


def axis_of(name: str, line: str) -> Axis:
    """A setting of a grid: an option with several values, or several files, or a folder of them."""
    words = split(line)
    if words and words[0].startswith("--"):
        option, *values = words
        levels = [level for value in values for level in named_arms({value: f"{option}={shlex.quote(value)}"})]
    else:
        levels = [level for word in words for level in arms_of(word)]
    names = [level.name for level in levels]
    if not name or len(levels) < 2 or len({*names}) < len(names):
        example = "rate=--model.optimizer.lr 0.01 0.05"
        raise UserError(f"--grid {name}: needs a name and two or more values, each once, such as {example!r}")
    return Axis(name, levels)


def cells_of(grid: list[Axis]) -> list[Arm]:
    """The arms of a grid of two settings: each level of the one with each of the other."""
    if len(grid) != 2:
        raise UserError(
            f"--grid: a grid is of two settings, and {len(grid)} are given; use --arm for one, or leave one out"
        )
    first, second = grid
    return [
        Arm(f"{first.name} {a.name}, {second.name} {b.name}", [*a.overlays, *b.overlays], (row, column))
        for row, a in enumerate(first.levels)
        for column, b in enumerate(second.levels)
    ]


def checked_names(arms: list[Arm]) -> None:
    """Raise UserError where a name is missing, taken twice, or nothing to print."""
    names = [arm.name for arm in arms]
    for name in names:
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise UserError(
                f"--arm {name[:LONGEST_NAME]!r}: needs a name of 1 to {LONGEST_NAME} characters: NAME=OVERLAY"
            )
        if name == BASE:
            raise UserError(f"--arm {BASE}: is what the arms are compared to; take another name")
        if names.count(name) > 1:
            raise UserError(f"--arm {name}: is there twice; take another name for one: NAME=OVERLAY")


def as_options(line: str | list[str]) -> list[str]:
    """Files and options as a command line has them: `a.yaml --b.c 1` -> `--config a.yaml --b.c 1`."""
    waiting = [word for one in ([line] if isinstance(line, str) else line) for word in split(one)]
    options: list[str] = []
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            options += ["--config", word]
        elif "=" not in word and waiting and not waiting[0].startswith("--"):
            options += [word, waiting.pop(0)]
        else:
            options.append(word)
    return options


def split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UserError(f"--arm {line[:LONGEST_NAME]}: {str(error).lower()}") from None


def is_file(word: str) -> bool:
    return not word.startswith("-") and word.endswith(".yaml")


def stem_of(path: str) -> str:
    return Path(path).stem
