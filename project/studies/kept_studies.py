"""Runs and studies that are there already, as a study: each configuration is an arm, its runs are the arm's seeds."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from project.assignment import RULES, Assignment
from project.studies.metric_names import METRIC_NAMES, MORE_METRICS, MetricName
from project.studies.one_training import RunResult, curves_of, finite
from project.studies.study_result import ArmResult, StudyResult
from project.support.errors import UserError, in_one_line, note
from project.support.wording import did_you_mean
from project.support.yaml_loader import read_yaml
from project.training.configuration import Settings

RUN_FOLDERS = Path("runs")


class KeptRun(NamedTuple):
    """A run's folder, what its arm is called after it, its configuration, and what it came to."""

    folder: Path
    name: str
    config: Settings
    result: RunResult

    @property
    def settings(self) -> Settings:
        """What decides the training, but for the seed."""
        return {key: value for key, value in self.config.items() if key not in ("run", "seed_everything")}


class Gathered(NamedTuple):
    """An arm, where it was found, its images (the settings of `data.source`), and the target of its rules."""

    arm: ArmResult
    place: str
    images: Settings
    target: float


def gathered(names: Sequence[str], name: str, metric: MetricName, studies: Path) -> StudyResult:
    """A study, without its answers, of runs and studies that are named. The first arm is what the others are compared to.

    Args:
        names: Folders of a run, of several runs, or of a study; or their names in `runs` and `studies`.
        name: Of the new study.
        metric: That it is about.
        studies: The folder of all studies.

    Raises:
        UserError: There is no such folder, it cannot be read, not all have the same images, or the metric is not known of all.
    """
    runs: list[KeptRun] = []
    arms: list[Gathered] = []
    for given in names:
        folder = folder_of(given, studies)
        if (folder / "study.json").is_file():
            arms += arms_of_runs(runs) + arms_of_study(folder, prefixed=len(names) > 1)
            runs = []
        else:
            runs += runs_in(folder)
    arms += arms_of_runs(runs)
    first = arms[0]
    for each in arms:
        if each.images != first.images:
            said = f"has other images than {first.place}; what is measured on other images compares nothing"
            raise UserError(f"{each.place}: {said}")
        if (count := [other.arm.name for other in arms].count(each.arm.name)) > 1:
            raise UserError(
                f"{each.place}: {count} arms are called {each.arm.name}; give each folder once, by its path"
            )
    results = [run for each in arms for run in each.arm.runs]
    measured = [known for known in MORE_METRICS if all(has(run, known) for run in results)]
    if metric not in (*METRIC_NAMES, *measured):
        known = ", ".join((*METRIC_NAMES, *measured))
        raise UserError(f"--metric {metric}: was not measured in each of these runs; take one of {known}")
    return StudyResult(
        name=name,
        question="",
        base=[],
        images=first.images,
        metric=metric,
        measured=measured,
        seeds=max(len(each.arm.runs) for each in arms) or 1,
        target=first.target,
        arms=[each.arm for each in arms],
    )


def has(run: RunResult, metric: MetricName) -> bool:
    """Whether one of MORE_METRICS was measured in a run, be it no number."""
    return metric in run.measured or metric == "train_loss" and run.train_loss is not None


def folder_of(given: str, studies: Path) -> Path:
    """The folder that a person means. Raises UserError where there is none."""
    for folder in (Path(given), RUN_FOLDERS / given, studies / given):
        if folder.is_dir():
            return folder
    known = [path.name for parent in (RUN_FOLDERS, studies) for path in parent.glob("*") if path.is_dir()]
    looked = f"here, in {RUN_FOLDERS} or in {studies}"
    raise UserError(f"study {given}: there is no such run or study {looked}{did_you_mean(Path(given).name, known)}")


def runs_in(folder: Path) -> list[KeptRun]:
    """The run of a folder, or the runs of its folders."""
    if (folder / "config.yaml").is_file():
        if not (folder / "summary.json").is_file():
            raise UserError(f"{folder}: has no summary.json: the run was not trained to its end")
        return [read_run(folder, folder.resolve().name)]
    found = []
    for path in sorted(path.parent for path in folder.glob("*/config.yaml")):
        if (path / "summary.json").is_file():
            found.append(read_run(path, path.name))
        else:
            note(f"{path} is left out: it was not trained to its end")
    if not found:
        raise UserError(f"{folder}: is neither a run nor a study, and has no run in it that was trained to its end")
    if all(run.settings == found[0].settings for run in found):
        return [run._replace(name=folder.resolve().name) for run in found]
    return found


def read_run(folder: Path, name: str) -> KeptRun:
    """What a run left. Raises UserError where it cannot be read."""
    try:
        config = read_yaml((folder / "config.yaml").read_bytes())
        summary = json.loads((folder / "summary.json").read_bytes())
        with open(folder / "metrics.csv", newline="", encoding="utf-8") as file:
            rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
        result = RunResult(
            seed=summary["seed"],
            accuracy=summary["val_accuracy"],
            loss=next((finite(row["val/loss"]) for row in reversed(rows) if "val/loss" in row), None),
            train_loss=None,  # that the gap is made of: nobody measured it in evaluation mode
            val_loss=None,
            curves=curves_of(rows),
            remarks=summary["remarks"],
            seconds=summary["seconds"],
        )
        images_of(config)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        said = f"{type(error).__name__}: {in_one_line(error)}"
        raise UserError(f"{folder}: cannot be read as a run's folder ({said})") from None
    return KeptRun(folder, name, config, result)


def arms_of_runs(runs: Sequence[KeptRun]) -> list[Gathered]:
    """Runs that differ only in their seeds are one arm; one with a seed that the arm has already begins another."""
    groups: list[list[KeptRun]] = []
    for run in runs:
        for group in groups:
            if run.settings == group[0].settings and run.result.seed not in {one.result.seed for one in group}:
                group.append(run)
                break
        else:
            groups.append([run])
    names = [group[0].name for group in groups]
    return [
        Gathered(
            ArmResult(
                name=first.name if names.count(first.name) == 1 else str(first.folder),
                overlay=yaml.safe_dump(changed, sort_keys=False)
                if (changed := other_settings(runs[0].settings, first.settings))
                else "",
                runs=[run.result for run in group],
            ),
            str(first.folder),
            images_of(first.config),
            Assignment.load((first.config.get("run") or {}).get("rules") or RULES).target_accuracy,
        )
        for group in groups
        for first in group[:1]
    ]


def arms_of_study(folder: Path, prefixed: bool) -> list[Gathered]:
    """The arms of a study. Raises UserError where it cannot be read."""
    try:
        study = StudyResult.model_validate_json((folder / "study.json").read_bytes())
    except (OSError, ValueError) as error:
        again = "give the study's command again, which trains nothing that is kept"
        raise UserError(f"{folder / 'study.json'}: cannot be read ({in_one_line(error)}); {again}") from None
    place = str(folder)
    return [
        Gathered(
            arm.model_copy(update={"name": f"{study.name}: {arm.name}" if prefixed else arm.name, "cell": None}),
            place,
            study.images,
            study.target,
        )
        for arm in study.arms
    ]


def images_of(config: Settings) -> Settings:
    images: Settings = config["data"]["source"]
    return images


def other_settings(old: Any, new: Any) -> Any:
    """What of a configuration is not as in another one; None where nothing is."""
    if not (isinstance(old, dict) and isinstance(new, dict)) or old.get("class_path") != new.get("class_path"):
        return None if old == new else new
    found: Iterator[tuple[str, Any]] = ((key, other_settings(old.get(key), value)) for key, value in new.items())
    return {key: value for key, value in found if value is not None or new[key] != old.get(key)} or None
