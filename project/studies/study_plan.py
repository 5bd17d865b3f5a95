"""What a study is to compare: a base, arms that change it, and seeds. Nothing heavy is imported here."""

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.support.errors import UserError
from project.support.yaml_loader import read_yaml
from project.training.configuration import Settings, merged, read_arguments

BASE = "base"  # the arm that the others are compared to
LONGEST_NAME = 60

MetricName = Literal["accuracy", "loss", "gap", "epochs"]
METRIC_NAMES: tuple[MetricName, ...] = ("accuracy", "loss", "gap", "epochs")

USAGE = "main.py study (--study FILE | --config FILE ...) [--arm NAME=OVERLAY ...] [--seeds N] [--setting VALUE ...]"
EPILOG = """\
An arm is what is laid over the base: a file, options, or both; a folder is an arm for each of its files.
  --arm configs/regularization/dropout.yaml
  --arm "low rate=--model.optimizer.lr 0.01"
  --arm "both=configs/regularization/dropout.yaml --model.optimizer.lr 0.01"
  --arm configs/normalization
Besides, what `fit` takes: --config FILE ... --trainer.max_epochs 5 are the base's, and so all arms'."""


class Arm(NamedTuple):
    """A change of the base, by its name."""

    name: str
    overlays: list[Settings]

    @property
    def text(self) -> str:
        """The change as YAML; empty for the base."""
        return yaml.safe_dump(merged(self.overlays), sort_keys=False) if self.overlays else ""


class Plan(NamedTuple):
    """What is to be trained and compared.

    Attributes:
        name: Of the study's folder.
        question: That it is to answer, in a person's words; may be empty.
        command: The base's options, as they were given.
        base: The base's settings.
        arms: The base first.
        metric: What the lines in the terminal are about.
        seeds: How many of each arm, >= 2.
        folder: Of all studies.
        jobs: Trainings at once; None for as many as there are cores.
    """

    name: str
    question: str
    command: list[str]
    base: Settings
    arms: list[Arm]
    metric: MetricName
    seeds: int
    folder: Path
    jobs: int | None

    def settings(self, arm: Arm) -> Settings:
        """The base's settings, with those of an arm laid over them."""
        return merged([self.base, *arm.overlays])


class StudyFile(BaseModel):
    """A study as a file, such as those in configs/studies.

    Attributes:
        question: That it is to answer.
        base: Files and options, as one line or as a list.
        arms: By name, each a line like the base's; or a folder of overlays.
        metric: What is compared.
        seeds: How many of each arm.
    """

    model_config = ConfigDict(extra="forbid")

    question: str = ""
    base: str | list[str]
    arms: str | dict[str, str]
    metric: MetricName = "accuracy"
    seeds: int = Field(5, ge=2)


def read_plan(args: Sequence[str]) -> Plan:
    """Read the options of `study`. Raises UserError for what is wrong; SystemExit where help is asked for."""
    parser = argparse.ArgumentParser(
        prog="main.py study",
        usage=USAGE,
        description="Trains each arm with each seed, and says what helped and whether it is more than noise.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument(
        "--study", metavar="FILE", help="a study as a file, such as configs/studies/regularization.yaml"
    )
    parser.add_argument("--arm", action="append", default=[], metavar="NAME=OVERLAY", help="what is laid over the base")
    parser.add_argument("--seeds", metavar="N", help="trainings of each arm (5)")
    parser.add_argument("--metric", metavar="NAME", help=f"{', '.join(METRIC_NAMES)} (accuracy)")
    parser.add_argument("--name", help="of the study's folder; by default made from the file or the arms")
    parser.add_argument("--out", type=Path, default=Path("studies"), help="folder of all studies (%(default)s)")
    parser.add_argument("--jobs", metavar="N", help="trainings at once, one thread each (as many as there are cores)")
    try:
        options, rest = parser.parse_known_args(args)
    except argparse.ArgumentError as error:
        raise UserError(f"study: {error}") from None
    file = read_file(options.study) if options.study else StudyFile(base=[], arms={})
    command = [*as_options(file.base), *rest]
    base = read_arguments(command)
    if base.help or base.print_config or base.checkpoint:
        raise UserError("study: takes no --ckpt_path, and says nothing about settings; ask `fit`")
    if not base.overlays:
        raise UserError("study: there is no base; give --config configs/base.yaml, or --study FILE")
    arms = [*(arms_in(file.arms) if isinstance(file.arms, str) else named_arms(file.arms))]
    for given in options.arm:
        arms += arms_of(given)
    checked_names(arms)
    metric = next((name for name in METRIC_NAMES if name == (options.metric or file.metric)), None)
    if metric is None:
        raise UserError(f"--metric {options.metric}: expected one of {', '.join(METRIC_NAMES)}")
    seeds = file.seeds if options.seeds is None else whole("--seeds", options.seeds, 2, "one tells nothing about noise")
    jobs = None if options.jobs is None else whole("--jobs", options.jobs, 1, "nothing would be trained")
    stem = (
        Path(options.study).stem
        if options.study
        else "+".join([*map(stem_of, base.files), *(arm.name for arm in arms)])
    )
    name = options.name or re.sub(r"[^\w+.-]+", "-", stem).strip("-.")[:80] or "study"
    if Path(name).name != name or name == RUNS:
        raise UserError(f"--name {name}: is no plain name of a folder, or is taken; put the folder into --out")
    merged_base = merged(base.overlays)
    return Plan(name, file.question, command, merged_base, [Arm(BASE, []), *arms], metric, seeds, options.out, jobs)


RUNS = "runs"  # the folder, beside those of the studies, of all that were trained


def read_file(path: str) -> StudyFile:
    """A study's file. Raises UserError where it cannot be read, or a key or value is wrong."""
    try:
        return StudyFile.model_validate(read_yaml(Path(path).read_bytes()))
    except OSError as error:
        raise UserError(f"--study {path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise UserError(f"--study {path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"--study {path}: {where}: {first['msg']}, found {str(first['input'])[:60]}") from None


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


def checked_names(arms: list[Arm]) -> None:
    """Raise UserError where there is nothing to compare, or a name is missing, taken twice, or nothing to print."""
    if not arms:
        raise UserError("study: there is no arm to compare to the base; give --arm configs/regularization/dropout.yaml")
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


def whole(option: str, text: str, least: int, why: str) -> int:
    """A whole number. Raises UserError where it is none, or too small."""
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < least:
        raise UserError(f"{option} {text}: expected a whole number from {least}: {why}")
    return number
