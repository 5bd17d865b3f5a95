"""A configuration is the pure merge of files and options: `merged(overlays) -> settings`. Nothing heavy is imported here.

An option of the command line is a file with a single key, so that both behave alike: later over earlier, key by key. Three
rules go beyond that:
- A class that takes another one's place forgets the earlier one's settings (compared by its full path).
- `key+` appends to a list.
- Below a class, `key` is short for `init_args.key`.
"""

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from project.support.errors import UserError
from project.support.wording import did_you_mean
from project.support.yaml_loader import MAX_LEVELS, Refused, read_yaml
from project.training.class_aliases import FULL_NAMES, full_name
from project.training.known_settings import REPOSITORY, class_settings, known_settings

Settings = dict[str, Any]

# Where a class is expected: a text there names one.
CLASSES = {
    *(("model", name) for name in ("network", "optimizer", "scheduler", "initialization", "normalization")),
    ("data", "source"),
}
CLASS_LISTS = {("model", "regularization"), ("data", "augmentation"), ("trainer", "callbacks")}
GROUPS = {("trainer",), ("model",), ("data",), ("run",)}
EXAMPLES = ", such as --config FILE or --trainer.max_epochs 5"
RESUMES = ("--resume", "--continue")  # as other programs have it
OF_A_CLASS = ("class_path", "init_args", "dict_kwargs")


class Arguments(NamedTuple):
    """What a command line says."""

    overlays: list[Settings]  # of files and options, in order
    files: list[str]  # names of the files, in order
    names: list[str]  # of each overlay: `--config FILE`, or the option
    options: dict[str, str]  # their texts
    checkpoint: str | None  # --ckpt_path
    print_config: bool  # whether the complete configuration is asked for, and no run
    help: list[str]  # the arguments that ask for help


def read_arguments(args: Sequence[str]) -> Arguments:
    """Read a command line, and each file that it names once. Raises UserError for what cannot be read."""
    overlays: list[Settings] = []
    files: list[str] = []
    names: list[str] = []
    options: dict[str, str] = {}
    asked: list[str] = []
    checkpoint, print_config = None, False
    waiting = list(args)
    while waiting:
        name, given, value = waiting.pop(0).partition("=")
        if not name.startswith("-"):
            example = f"; write --config {name}" if name.endswith((".yaml", ".yml")) else EXAMPLES
            raise UserError(f"{name}: expected an option{example}")
        if not name.startswith("--") and name not in ("-h", "-c"):
            raise UserError(f"{name}: write -{name}, with two dashes")
        if name in ("-h", "--help") or name.endswith(".help"):
            named = [full_name(each) for each in (waiting[:1] if not given else [value])]
            asked += [name, *(named if name.endswith(".help") or named == ["all"] else ())]
            break
        if name == "--print_config":
            print_config = True
            continue
        if not given and waiting and not waiting[0].startswith("--"):
            value = waiting.pop(0)
        if name in RESUMES:
            run = Path(value or "RUN")
            run = run.parent.parent if run.suffix == ".ckpt" else run.parent if run.suffix == ".yaml" else run
            both = f"--config {run / 'config.yaml'} --ckpt_path {run / 'checkpoints' / 'last.ckpt'}"
            raise UserError(f"{name}: there is no such option; a run goes on by python main.py fit {both}")
        if not value:
            raise UserError(f"{name}: needs a value, such as {name}=VALUE")
        if name in ("-c", "--config"):
            files.append(value)
            names.append(f"--config {value}")
            overlays.append(read_overlay(value))
        elif name == "--ckpt_path":
            checkpoint = None if value == "null" else value
        else:
            overlays.append(as_overlay(name.lstrip("-"), value))
            names.append(name)
            options[name.lstrip("-")] = value
    return Arguments(overlays, files, names, options, checkpoint, print_config, asked)


def read_overlay(path: str | Path) -> Settings:
    """Settings of a YAML file. Raises UserError where it is missing, no YAML, or no mapping."""
    if not os.path.isfile(path):
        known = {str(each): each.stem for each in Path("configs").rglob("*.yaml")}
        named = [name for name, stem in known.items() if stem == str(path)]
        hint = f"; did you mean {named[0]}?" if named else run_s_file(Path(path)) or did_you_mean(str(path), known)
        elsewhere = "" if known or hint else f"; these commands start from {REPOSITORY}"
        raise UserError(f"--config {path}: no such file{hint}{elsewhere}")
    try:
        settings = read_yaml(Path(path).read_bytes())
    except yaml.YAMLError as error:
        raise UserError(f"--config {path}: {error}") from None
    if not isinstance(settings, dict):
        raise UserError(f"--config {path}: expected `key: value` lines, found {type(settings).__name__}")
    if "base" in settings and {"arms", "grid"} & settings.keys():
        raise UserError(f"--config {path}: is a study's file; python main.py study --study {path}")
    if "config" in settings:
        raise UserError(f"--config {path}: config: a file names no other file; give each with a --config of its own")
    return settings


def run_s_file(path: Path) -> str:
    """`; did you mean runs/x/config.yaml?` for the config.yaml of a run that is not there, else nothing."""
    runs = [str(each.parent) for each in Path("runs").glob("*/config.yaml")]
    return did_you_mean(str(path.parent), runs, suffix="/config.yaml") if path.name == "config.yaml" else ""


def as_overlay(option: str, text: str) -> Settings:
    """The option `trainer.max_epochs` with the text `5` as a file would say it."""
    try:
        value = read_yaml(text)
    except Refused as error:
        raise UserError(f"--{option}: {error}") from None
    except yaml.YAMLError:
        value = text
    if "#" in text and not isinstance(value, dict | list) and not text.startswith(("'", '"')):
        value = text  # it begins no comment here
    keys = option.split(".")
    if len(keys) > MAX_LEVELS:
        raise UserError(f"--{option[:60]}...: no setting lies that deep")
    for key in reversed(keys):
        value = {key: value}
    return value


def merged(overlays: Iterable[Settings]) -> Settings:
    """Settings laid over each other, the later over the earlier ones. None of them is changed."""
    settings: Settings = {}
    for overlay in overlays:
        settings = laid_over(settings, overlay, ())
    return settings


def overruled(arguments: Arguments) -> Iterator[str]:
    """Says of each file or option that had a say until a later file overruled all of it, which file that was."""
    overlays, names = arguments.overlays, arguments.names
    before, whole = merged([]), merged(overlays)
    for number, name in enumerate(names):
        after = laid_over(before, overlays[number], ())
        # What one of the later ones overrules has no say in the end, either: mostly, that is all there is to see.
        if after != before and merged(overlays[:number] + overlays[number + 1 :]) == whole:
            for later in range(number + 1, len(names)):
                up_to = overlays[: later + 1]
                if merged(up_to) == merged(up_to[:number] + up_to[number + 1 :]):
                    if names[later].startswith("--config "):
                        yield f"{name} has no effect: {names[later]}, which comes later, overrules it"
                    break
        before = after


def laid_over(old: Any, new: Any, path: tuple[str, ...]) -> Any:
    """`new` at `path` laid over what is there."""
    if isinstance(new, dict) and (path[:2] in CLASS_LISTS or path in CLASSES):
        check_class_path(new, path)
    if path in CLASS_LISTS and (isinstance(new, str | list) or is_class(new)):
        classes = map(as_class, new if isinstance(new, list) else [new])
        return [laid_over(None, each, (*path, str(number))) for number, each in enumerate(classes)]
    if path in CLASSES or is_class(old) or is_class(new):
        return class_laid_over(as_class(old), as_class(new), path)
    if isinstance(old, list) and isinstance(new, dict) and old:  # an option about the last one
        return [*old[:-1], laid_over(as_class(old[-1]), new, (*path, str(len(old) - 1)))]
    if isinstance(old, str) and isinstance(new, dict) and "class_path" not in new:
        return class_laid_over(as_class(old), new, path)
    if not isinstance(new, dict):
        if path not in GROUPS or not isinstance(old, dict):
            return new
        if new is None:  # a file's group whose lines are all comments
            return old
        raise UserError(f"{path[0]}: expected `key: value` settings, found {str(new)[:60]}")
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if isinstance(key, str) and key.endswith("+"):
            name = key.removesuffix("+")
            more = laid_over(None, value if isinstance(value, list | None) else [value], (*path, name)) or []
            there = result.get(name) or []
            if not isinstance(there, list):
                raise UserError(f"{'.'.join((*path, name))}+: appends to a list, and there is {str(there)[:60]}")
            result[name] = [*there, *more]
        else:
            result[key] = laid_over(result.get(key), value, (*path, str(key)))
    return result


def check_class_path(new: Settings, path: tuple[str, ...]) -> None:
    """Raise UserError where the name of a class stands as a setting's would: `Dropout: 0.2`."""
    names = [key for key in new if isinstance(key, str) and key.rpartition(".")[2] in FULL_NAMES]
    if not names or "class_path" in new:
        return
    name, value, setting = names[0], new[names[0]], ".".join(path[:2])
    others = {key: each for key, each in new.items() if key not in names}
    if value is not None and not isinstance(value, dict):
        first, *_ = [*class_settings(known_settings()[setting], full_name(name)), "SETTING"]
        value = {first: value}
    arguments = {**(value or {}), **others}
    meant: Any = {"class_path": name, **({"init_args": arguments} if arguments else {})}
    meant = [meant] if path in CLASS_LISTS else meant
    written = yaml.safe_dump(meant, default_flow_style=True, sort_keys=False, width=math.inf).strip()
    raise UserError(f"{setting}: {name} names a class, and no setting; write {written}")


def class_laid_over(old: Any, new: Any, path: tuple[str, ...]) -> Any:
    """A class laid over another one, which is forgotten, or settings of a class over the class."""
    if not isinstance(new, dict) or not (is_class(old) or "class_path" in new):
        return new  # the parser says that there is no class
    if not isinstance(new.get("class_path", ""), str):
        raise UserError(f"{'.'.join(path)}: class_path: expected the name of a class, found {new['class_path']}")
    stays = is_class(old) and new.get("class_path", old["class_path"]) == old["class_path"]
    result = dict(old) if stays else {}
    arguments = {key: value for key, value in new.items() if key not in OF_A_CLASS}
    for key in ("init_args", "dict_kwargs"):
        if not isinstance(new.get(key), dict | None):
            raise UserError(f"{'.'.join((*path, key))}: expected `key: value` settings, found {str(new[key])[:60]}")
        given = {**(new.get(key) or {}), **(arguments if key == "init_args" else {})}
        if given:
            result[key] = laid_over(result.get(key) or {}, given, (*path, key))
    name = new.get("class_path", result.pop("class_path", None))
    if path == ("model", "network") and not result:
        return name  # may be a function's, such as torchvision.models.resnet18, which takes no settings
    return {"class_path": name, **result}


def is_class(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("class_path"), str)


def as_class(value: Any) -> Any:
    """A class by its full name, where `value` names one: as a text, or as a mapping with `class_path`."""
    if isinstance(value, str):
        return {"class_path": full_name(value)}
    return {**value, "class_path": full_name(value["class_path"])} if is_class(value) else value


def class_paths(settings: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Each class that is named in merged settings, after the setting that names it, such as `model.network`."""
    if is_class(settings):
        yield ".".join(path), settings["class_path"]
    elif path == ("model", "network") and isinstance(settings, str):  # without settings of its own
        yield ".".join(path), settings
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from class_paths(value, path if key in OF_A_CLASS else (*path, str(key)))
    elif isinstance(settings, list):
        for value in settings:
            yield from class_paths(value, path)


def not_finite(settings: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Says of each number in merged settings of the model and the data that is none, or endless, which one it is."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            if path or key in ("model", "data"):
                yield from not_finite(value, path if key in OF_A_CLASS else (*path, str(key)))
    elif isinstance(settings, list):
        for value in settings:
            yield from not_finite(value, path)
    elif isinstance(settings, float) and not math.isfinite(settings):
        yield f"{'.'.join(path)}: {settings} is no number to compute with"
