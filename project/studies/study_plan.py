"""What a study is to compare: a base, arms that change it, and seeds. Nothing heavy is imported here."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.studies.claims import Claim, checked
from project.studies.metric_names import METRIC_NAMES, MORE_METRICS, MetricName
from project.studies.study_arms import (
    BASE,
    Arm,
    Axis,
    arms_in,
    arms_of,
    as_options,
    axis_of,
    cells_of,
    checked_names,
    named_arms,
    stem_of,
)
from project.support.arguments import ArgumentParser
from project.support.errors import UserError
from project.support.wording import did_you_mean
from project.support.yaml_loader import read_yaml
from project.training.configuration import Settings, merged, read_arguments

USAGE = """\
main.py study (--study FILE | --config FILE ...) [--arm NAME=OVERLAY ...] [--seeds N] [--setting VALUE ...]
       main.py study RUN ...   (compares runs and studies that are there already; the first one is what others are compared to)"""
EPILOG = """\
An arm is what is laid over the base: a file, options, or both; a folder is an arm for each of its files.
  --config configs/base.yaml --arm configs/regularization/dropout.yaml
or, each behind the same --config:
  --arm "low rate=--model.optimizer.lr 0.01"
  --arm "both=configs/regularization/dropout.yaml --model.optimizer.lr 0.01"
  --arm configs/normalization
A grid is two settings, and every pair of their values an arm:
  --config configs/base.yaml --grid "rate=--model.optimizer.lr 0.02 0.05 0.1" --grid "momentum=--model.optimizer.momentum 0 0.9"
Besides, what `fit` takes: --config FILE ... --trainer.max_epochs 5 are the base's, and so all arms'."""


class Plan(NamedTuple):
    """What is to be trained and compared.

    Attributes:
        name: Of the study's folder.
        question: That it is to answer, in a person's words; may be empty.
        command: The base's options, as they were given.
        base: The base's settings.
        arms: The base first.
        grid: The two settings that the arms with a cell vary; empty where it is no grid.
        metric: What the lines in the terminal are about.
        measure: What is measured besides METRIC_NAMES.
        claims: What it is expected to show.
        seeds: How many of each arm, >= 2.
        first_seed: The least of them.
        folder: Of all studies.
        jobs: Trainings at once; None for as many as the machine takes.
        wandb: How W&B gets the runs; None where it does not.
    """

    name: str
    question: str
    command: list[str]
    base: Settings
    arms: list[Arm]
    grid: list[Axis]
    metric: MetricName
    measure: list[MetricName]
    claims: list[Claim]
    seeds: int
    first_seed: int
    folder: Path
    jobs: int | None
    wandb: Literal["offline", "online"] | None

    def settings(self, arm: Arm) -> Settings:
        """The base's settings, with those of an arm laid over them."""
        return merged([self.base, *arm.overlays])


class StudyFile(BaseModel):
    """A study as a file, such as those in configs/studies.

    Attributes:
        question: That it is to answer.
        base: Files and options, as one line or as a list.
        arms: By name, each a line like the base's; or a folder of overlays.
        grid: Two settings by name, each an option with several values, or several files.
        metric: What is compared.
        measure: What is measured besides; the metric is, in any case.
        expect: What it is expected to show, written down before it is run.
        seeds: How many of each arm.
    """

    model_config = ConfigDict(extra="forbid")

    question: str = ""
    base: str | list[str]
    arms: str | dict[str, str] = {}
    grid: dict[str, str] = {}
    metric: MetricName = "accuracy"
    measure: list[MetricName] = []
    expect: list[Claim] = []
    seeds: int = Field(5, ge=2)


def read_plan(args: Sequence[str], command: str = "study") -> Plan:
    """Read the options of `study`, or of a `fit` with several seeds, which is a study of one arm.

    Raises UserError for what is wrong; SystemExit where help is asked for.
    """
    options, rest = read_options(args)
    file = read_file(options.study) if options.study else StudyFile(base=[])
    base_options = [*as_options(file.base), *rest]
    base = read_arguments(base_options)
    if base.help or base.print_config or base.checkpoint:
        raise UserError(f"{command}: with several seeds it takes no --ckpt_path, --print_config and settings' --help")
    if not base.overlays:
        raise UserError(f"{command}: there is no base; give --config configs/base.yaml, or --study FILE")
    arms = [*(arms_in(file.arms) if isinstance(file.arms, str) else named_arms(file.arms))]
    for given in options.arm:
        arms += arms_of(given)
    grid = [axis_of(*each) for each in file.grid.items()]
    for given in options.grid:
        name, _, line = given.partition("=")
        grid.append(axis_of(name.strip(), line))
    varied = [*(arm.name for arm in arms), *(axis.name for axis in grid)]
    arms += cells_of(grid) if grid else []
    if not arms and command == "study":
        example = "give --arm configs/regularization/dropout.yaml, or `fit --seeds 5` for the base alone"
        raise UserError(f"study: there is no arm to compare to the base; {example}")
    checked_names(arms)
    metric = metric_of(options, file.metric)
    measure = list(dict.fromkeys(name for name in (metric, *file.measure) if name not in METRIC_NAMES))
    checked(file.expect, metric, measure, [BASE, *(arm.name for arm in arms)])
    merged_base = merged(base.overlays)
    run_name = (merged_base.get("run") or {}).get("name")
    stem = Path(options.study).stem if options.study else run_name or "+".join([*map(stem_of, base.files), *varied])
    first_seed = whole("--first-seed", options.first_seed or "0", 0, "seeds are counted from there")
    name = name_of(options, stem, f"-from-{first_seed}" if first_seed else "")
    return Plan(
        name=name,
        question=file.question,
        command=base_options,
        base=merged_base,
        arms=[Arm(BASE if arms else name, []), *arms],
        grid=grid,
        metric=metric,
        measure=measure,
        claims=file.expect,
        seeds=file.seeds
        if options.seeds is None
        else whole("--seeds", options.seeds, 2, "one tells nothing about noise"),
        first_seed=first_seed,
        folder=options.out,
        jobs=None if options.jobs is None else whole("--jobs", options.jobs, 1, "nothing would be trained"),
        wandb=options.wandb,
    )


def read_options(args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of `study` itself, and the words that are left: the base's."""
    parser = ArgumentParser(
        prog="main.py study",
        usage=USAGE,
        description="Trains each arm with each seed, and says what helped and whether it is more than noise.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--study", metavar="FILE", help="a study as a file, such as configs/studies/regularization.yaml")
    add("--arm", action="append", default=[], metavar="NAME=OVERLAY", help="what is laid over the base")
    add(
        "--grid",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="one of two settings, of which all pairs are arms",
    )
    add("--seeds", metavar="N", help="trainings of each arm (5)")
    add("--first-seed", metavar="N", help="the least of them (0)")
    add("--metric", metavar="NAME", help=f"{', '.join(METRIC_NAMES)} (accuracy); or one of {', '.join(MORE_METRICS)}")
    add("--name", help="of the study's folder; by default made from the file or the arms")
    add("--out", type=Path, default=Path("studies"), help="folder of all studies (%(default)s)")
    add(
        "--jobs",
        metavar="N",
        help="trainings at once, one thread each (as many as there are cores; on a GPU one for each 4 GB of it that are free)",
    )
    add("--wandb", choices=("offline", "online"), help="write the runs to W&B, too, as a group with the epoch as axis")
    return parser.parse_known_args(args)


def name_of(options: argparse.Namespace, stem: str, seeds: str = "") -> str:
    """Of the study's folder. Raises UserError where it is taken, or no plain name."""
    name: str = options.name or (re.sub(r"[^\w+.-]+", "-", stem).strip("-.")[:80] or "study") + seeds
    if Path(name).name != name or name == RUNS:
        raise UserError(f"--name {name}: is no plain name of a folder, or is taken; put the folder into --out")
    return name


def metric_of(options: argparse.Namespace, default: MetricName) -> MetricName:
    """What the lines in the terminal are about. Raises UserError where there is no such metric."""
    for name in (*METRIC_NAMES, *MORE_METRICS):
        if name == (options.metric or default):
            return name
    raise UserError(f"--metric {options.metric}: expected one of {', '.join((*METRIC_NAMES, *MORE_METRICS))}")


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
        # What has no base is no study; else a misspelt key first, since it lacks under its own name, too.
        first = min(error.errors(), key=lambda each: (each["loc"] != ("base",), each["type"] != "extra_forbidden"))
        where = ".".join(map(str, first["loc"])) or "the file"
        if first["type"] == "extra_forbidden":
            known = Claim.model_fields if len(first["loc"]) > 1 else StudyFile.model_fields
            raise UserError(
                f"--study {path}: {where}: there is no such key{did_you_mean(str(first['loc'][-1]), known)}"
            ) from None
        raise UserError(f"--study {path}: {where}: {first['msg']}, found {str(first['input'])[:60]}") from None


def whole(option: str, text: str, least: int, why: str) -> int:
    """A whole number. Raises UserError where it is none, or too small."""
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number < least:
        raise UserError(f"{option} {text}: expected a whole number from {least}: {why}")
    return number
