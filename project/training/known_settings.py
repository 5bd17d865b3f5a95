"""All settings, as the schema in configs/schemas describes them: read without torch, which takes seconds to import."""

import json
import os
from pathlib import Path
from typing import Any

COMMANDS = ("fit", "validate", "test", "predict")  # that take all settings
OTHER_COMMANDS = ("look", "study", "compare", "gallery", "completion")  # main.py runs them
FIND_LR = "--find-lr"  # has `fit` test a range of learning rates instead

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMA = REPOSITORY / "configs" / "schemas" / "settings.json"  # written by `python -m tests.schemas`

EDITOR_LINE = "# yaml-language-server: $schema="

Schema = dict[str, Any]


def known_settings() -> dict[str, Schema]:
    """Each setting by its name, such as `trainer.max_epochs`, with its schema; a class's also with `class`, its kind."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found: dict[str, Schema] = {}
    for section, its in schema["properties"].items():
        for name, one in its.get("properties", {"": its}).items():
            reference = one.get("$ref") or (one.get("items") or {}).get("$ref")
            its_class = {"class": schema["$defs"][reference.rpartition("/")[2]]} if reference else {}
            found[f"{section}.{name}".rstrip(".")] = {**one, **its_class}
    return found


def names(setting: Schema) -> list[str]:
    """What a setting may be, where this can be listed: names of classes, or values."""
    if "class" in setting:
        return list(setting["class"]["examples"])
    if setting.get("type") == "boolean":
        return ["true", "false"]
    alternatives = [setting, *setting.get("anyOf", ())]
    return [str(value) for one in alternatives for value in one.get("enum", ()) if isinstance(value, str)]


def class_settings(setting: Schema, name: str | None) -> list[str]:
    """Names of the settings of a class, or of all classes that may stand there where `name` is None."""
    found: dict[str, None] = {}
    for rule in setting.get("class", {}).get("allOf", ()):
        of = rule["if"].get("properties", {}).get("class_path", {}).get("enum", ())
        if of and (name is None or name in of):
            found |= dict.fromkeys(rule["then"]["properties"]["init_args"]["properties"])
    return list(found)


def editor_line(file: Path) -> str:
    """The first line of a file of settings, by which editors find the schema.

    Empty where the file lies outside of this repository: the line would tell whoever gets the file where that lies here.
    """
    folder = file.resolve().parent
    if not folder.is_relative_to(REPOSITORY):
        return ""
    return f"{EDITOR_LINE}{Path(os.path.relpath(SCHEMA, folder)).as_posix()}\n"


def without_editor_line(content: bytes) -> bytes:
    """A file of settings as it is to lie elsewhere, where its first line would lead nowhere."""
    return content.partition(b"\n")[2] if content.startswith(EDITOR_LINE.encode()) else content
