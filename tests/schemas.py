"""The JSON schemas in configs/schemas, by which an editor completes and checks YAML: `python -m tests.schemas` writes them.

They describe what the signatures and docstrings of the classes say. A file may set as little as it likes, so nothing is
required; a class that is in no table of ours, such as a student's own, may have any settings.
"""

import importlib
import inspect
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union

from docstring_parser import parse
from torch import Tensor
from torch.optim import Optimizer

from grader.rules import Rules
from project.classifier import Classifier
from project.data import ImageData
from project.studies.study_plan import StudyFile
from project.training.class_aliases import MODULES
from project.training.configuration import CLASS_LISTS, CLASSES
from project.training.run_folder import Run
from project.training.trainer import Trainer

FOLDER = Path(__file__).parents[1] / "configs" / "schemas"
DIALECT = "http://json-schema.org/draft-07/schema#"  # which every editor knows
FILLED_IN = {
    "model": {"num_classes", "image_shape"},
    "optimizer": {"params"},
    "scheduler": {"optimizer"},
}  # by the program
BASIC = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null", dict: "object"}
KINDS = {
    "project.networks": "network",
    "project.optimization": "scheduler",
    "project.regularization": "regularization",
    "project.augmentation": "augmentation",
    "project.initialization": "initialization",
    "project.normalization": "normalization",
    "torch.optim": "optimizer",
    "torch.optim.lr_scheduler": "scheduler",
}
ELSEWHERE = r"^(?!project\.)\w+\."  # a name that no table of ours need have

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """Each file's name in FOLDER, and the schema in it."""
    settings = settings_schema()
    return {
        "settings.json": settings,
        "rules.json": {"$schema": DIALECT, **Rules.model_json_schema()},
        "study.json": {"$schema": DIALECT, **StudyFile.model_json_schema()},
        "sweep.json": sweep_schema(settings),
    }


def settings_schema() -> Schema:
    """What `fit --config` reads, whole or in part."""
    classes = {kind: dict(classes_of(kind)) for kind in ("source", *KINDS.values())}
    sections = {"trainer": Trainer, "model": Classifier, "data": ImageData, "run": Run}
    properties: Schema = {"seed_everything": {"type": "integer", "description": "The seed of all draws.", "default": 0}}
    for section, its_class in sections.items():
        found = arguments(its_class, section)
        for name in [name for name in found if name in classes]:
            one = {"$ref": f"#/$defs/{name}"}
            found[name] |= one if (section, name) in CLASSES else list_of(one)
        for name in [name for name in found if (section, name) in CLASS_LISTS]:
            added = f"Appends to what files before this one say. {found[name]['description']}"
            found[f"{name}+"] = {**list_of(found[name].get("items", {})), "description": added}
        properties[section] = {
            "type": "object",
            "description": (inspect.getdoc(its_class) or "").partition("\n")[0],
            "properties": found,
            "additionalProperties": False,
        }
    return {
        "$schema": DIALECT,
        "title": "Settings of a run, whole or in part",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": {kind: one_of(known, kind) for kind, known in classes.items()},
    }


def list_of(one: Schema) -> Schema:
    """Several of a kind, or one alone, which need not stand in a list."""
    types_ = ["array", "object", "string", "null"]
    return {"type": types_, "items": one, "if": {"type": ["object", "string"]}, "then": one}


def classes_of(kind: str) -> Iterator[tuple[str, type]]:
    """The classes that a setting such as `optimizer` can name, by their full names."""
    for module, names in MODULES.items():
        for name in names.split():
            each = getattr(importlib.import_module(module), name)
            its = "source" if module.startswith("project.datasets") else KINDS[module]
            if ("optimizer" if issubclass(each, Optimizer) else its) == kind:
                yield f"{module}.{name}", each


def one_of(known: dict[str, type], kind: str) -> Schema:
    """A class by its name, or with its settings: below `init_args`, or beside the name."""
    names = [name.rpartition(".")[2] for name in known]
    a_name: Schema = {"type": "string", "anyOf": [{"enum": [*names, *known]}, {"pattern": ELSEWHERE}]}
    keys: Schema = {"class_path": a_name, "init_args": {"type": ["object", "null"]}, "dict_kwargs": {"type": "object"}}
    any_of_them: Schema = {}
    rules: list[Schema] = [{"if": {"type": "string"}, "then": a_name}]
    for full, short in zip(known, names):
        found = arguments(known[full], kind)
        any_of_them |= {name: {} for name in found}
        described = inspect.getdoc(known[full]) or ""
        rules.append(
            {
                "if": {"required": ["class_path"], "properties": {"class_path": {"enum": [short, full]}}},
                "then": {"description": described.partition("\n")[0], **with_settings(found)},
            }
        )
    rules.append({"if": {"type": "object", "not": {"required": ["class_path"]}}, "then": with_settings(any_of_them)})
    return {"type": ["object", "string", "null"], "examples": names, "properties": keys, "allOf": rules}


def with_settings(found: Schema) -> Schema:
    """A class's settings, below `init_args` or beside its name."""
    below = {"type": ["object", "null"], "properties": found, "additionalProperties": False}
    beside = {name: {key: value for key, value in one.items() if key != "description"} for name, one in found.items()}
    return {
        "properties": {"class_path": {}, "dict_kwargs": {}, "init_args": below, **beside},
        "additionalProperties": False,
    }


def arguments(of: type, what: str) -> dict[str, Schema]:
    """Schemas of the arguments of a class, and of those that it passes on to the classes it derives from.

    Args:
        of: The class.
        what: A section, or a kind of class, whose arguments FILLED_IN are left out.
    """
    found: dict[str, Schema] = {}
    for each in of.__mro__:
        parameters = inspect.signature(each.__init__).parameters if "__init__" in vars(each) else {}
        try:
            types_ = typing.get_type_hints(each.__init__)
        except (NameError, TypeError):
            types_ = {}
        documented = [p for doc in (each.__doc__, each.__init__.__doc__) for p in parse(doc or "").params]
        said = {name.strip(): p.description or "" for p in documented for name in p.arg_name.split(",")}
        said |= {p.arg_name.partition(" ")[0]: p.description or "" for p in documented}
        for name, parameter in parameters.items():
            if name == "self" or name in found or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if name in FILLED_IN.get(what, ()):
                continue
            schema = of_type(types_.get(name, Any))
            if said.get(name):
                schema["description"] = " ".join(said[name].split())[:300]
            # Not None: at such a default the YAML language server gives up on the sections of a file.
            if isinstance(parameter.default, int | float | str | tuple | list):
                schema["default"] = parameter.default
            found[name] = schema
        if parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            break
    return found


def of_type(hint: Any) -> Schema:
    """The schema of a type; of classes, which a file names or describes, it says nothing."""
    origin, given = typing.get_origin(hint), typing.get_args(hint)
    if hint in BASIC:
        return {"type": BASIC[hint]}
    if origin is Literal:
        return {"enum": list(given)}
    if origin in (Union, types.UnionType):
        known = [of_type(each) for each in given if each is not Tensor]  # which no YAML can be
        if {} in known:
            return {}
        types_ = list(dict.fromkeys(schema.get("type") for schema in known))
        return {"anyOf": known} if None in types_ else {"type": types_ if len(types_) > 1 else types_[0]}
    if origin in (list, tuple, set):
        return {"type": "array"}
    if origin is dict:
        return {"type": "object"}
    return {}


def sweep_schema(settings: Schema) -> Schema:
    """A sweep of W&B, whose parameters are settings of a run; what else W&B takes is W&B's to check."""
    sections = settings["properties"]
    named = {f"{section}.{name}": {} for section, one in sections.items() for name in one.get("properties", ())}
    classes = "|".join(".".join(path) for path in sorted(CLASSES)).replace(".", "\\.")
    return {
        "$schema": DIALECT,
        "title": "A sweep of W&B over settings of a run",
        "type": "object",
        "required": ["program", "method", "parameters"],
        "properties": {
            "program": {"const": "main.py"},
            "method": {"enum": ["grid", "random", "bayes"]},
            "parameters": {
                "type": "object",
                "properties": {"seed_everything": {}, **named},
                "patternProperties": {f"^({classes})\\.\\w+$": {"type": "object"}},
                "additionalProperties": False,
            },
        },
    }


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
