"""Mistakes of a command line that can be told before torch is imported, which takes seconds."""

import importlib.util
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from project.support.errors import UserError
from project.support.own_code import TAKEN_NAMES
from project.support.wording import did_you_mean
from project.training.class_aliases import FULL_NAMES
from project.training.configuration import class_paths, merged, not_finite, read_arguments
from project.training.known_settings import known_settings
from project.training.parser_errors import without_file

OPTIONS = ("config", "ckpt_path", "print_config", "seeds", "find-lr", "help")  # that are no settings
OF_THE_DATA = {"model.num_classes", "model.image_shape"}


def check(args: Sequence[str]) -> None:
    """Raise UserError for a file that cannot be read, a section that is not there, no data to look at, an endless number, or
    a module that is not there, or that the grader would not take.

    Args:
        args: A command, then its options.
    """
    command, *rest = args
    if command.startswith("-"):
        raise UserError(f"{command}: expected a command first, such as python main.py fit {shlex.join(args)}")
    arguments = read_arguments(rest)
    if arguments.help:
        return
    for option in sorted(OF_THE_DATA & arguments.options.keys()):
        raise UserError(f"{option}: is taken from the data; leave it out")
    settings = merged(arguments.overlays)
    known = known_settings()
    own = {"out"} if command == "look" else set()
    for key in sorted(settings.keys() - own - {name.partition(".")[0] for name in known}, key=str):
        hint = did_you_mean(str(key), known) or did_you_mean(str(key), OPTIONS, "--")
        raise UserError(f"{key}: there is no such setting{hint}")
    if command == "look" and not settings.get("data"):
        said = "no data named; give --config configs/quickstart.yaml, or --data.source ImageTable with its path"
        raise UserError(said)
    if command == "fit" and any(path.startswith("submission.") for _, path in class_paths(settings)):
        for file in sorted(Path("submission").glob("*.py")):
            if file.stem in TAKEN_NAMES:  # which the grader would reject
                raise UserError(f"{file}: has the name of a library; give it a name of its own")
    for said in not_finite(settings):
        raise UserError(said)
    for key, path in class_paths(settings):
        module, _, name = path.partition(".")
        if name and module.isidentifier() and module not in sys.modules and not importlib.util.find_spec(module):
            if module == "submission":
                raise UserError(f"{key}: {without_file(path)}")
            name = name.rpartition(".")[2]
            moved = f"; did you mean {FULL_NAMES[name]}?" if name in FULL_NAMES else ""
            raise UserError(f"{key}: there is no module {module}{moved}")
