"""Makes the list of what a configuration may name: `python -m tests.grader.allowed_classes > grader/intake/allowed_classes.json`.

It reads the signatures of the installed libraries, of the classes that are chosen here by name. What is new in a library is
not on the list before somebody chose it, made the list, and read what changed in it.
"""

import collections.abc
import enum
import inspect
import json
import numbers
import types
import typing
from importlib.metadata import version
from typing import Any, Literal

import torch
import torchvision
from pytorch_lightning import callbacks, cli
from torch import nn
from torch.optim import lr_scheduler
from torchvision.transforms import v2

from project import augmentation, initialization, networks, normalization, optimization, regularization
from project.training.class_aliases import MODULES

LAYERS = (
    "ReLU LeakyReLU PReLU RReLU ELU CELU SELU GELU SiLU Mish ReLU6 Softplus Softsign Tanh Sigmoid Hardswish Hardsigmoid "
    "Hardtanh Tanhshrink Softshrink Hardshrink LogSigmoid Threshold Identity Softmax GLU BatchNorm1d BatchNorm2d "
    "InstanceNorm1d InstanceNorm2d GroupNorm LayerNorm RMSNorm LocalResponseNorm Dropout Dropout1d Dropout2d AlphaDropout "
    "FeatureAlphaDropout Linear Conv1d Conv2d Flatten MaxPool1d MaxPool2d AvgPool1d AvgPool2d AdaptiveAvgPool1d "
    "AdaptiveAvgPool2d AdaptiveMaxPool2d"
).split()
TRANSFORMS = (
    "RandomCrop RandomResizedCrop CenterCrop Resize Pad RandomHorizontalFlip RandomVerticalFlip RandomRotation RandomAffine "
    "RandomPerspective ElasticTransform RandomErasing ColorJitter RandomGrayscale Grayscale RandomInvert RandomPosterize "
    "RandomSolarize RandomAutocontrast RandomEqualize RandomAdjustSharpness GaussianBlur GaussianNoise "
    "RandomChannelPermutation RandomPhotometricDistort RandomZoomOut RandomShortestSize TrivialAugmentWide RandAugment "
    "AugMix AutoAugment RandomApply RandomChoice RandomOrder Compose"
).split()
OPTIMIZERS = "ASGD Adadelta Adagrad Adam AdamW Adamax NAdam RAdam RMSprop Rprop SGD".split()
SCHEDULERS = MODULES["torch.optim.lr_scheduler"].split()

PROBABILITY, COUNT = "number 0..1", "integer 0..100000"
BY_NAME = {  # what a signature does not say
    **dict.fromkeys(("p", "smoothing", "l1_ratio", "decay", "pct_start", "warmup"), PROBABILITY),
    **dict.fromkeys(("num_classes", "in_channels", "image_size", "depth", "width", "stages", "pool", "groups"), COUNT),
    "milestones": "integers",
    **dict.fromkeys(("step_size_up", "step_size_down"), "number"),
    **dict.fromkeys(("base_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"), "number | numbers"),
    **dict.fromkeys(("degrees", "sigma", "translate", "shear"), "number | numbers"),
    "monitor": "'val/loss' | 'val/accuracy' | 'train/loss' | 'train/accuracy'",
    "size": "integer 1..1024 | integers",
    "padding": "integer 0..1024 | integers | 'same' | 'valid'",
    "fill": "number | numbers",
    "value": "number | numbers | 'random'",
    "transforms": "augmentations",
    "weights": "null",  # training starts from nothing
}
BY_DEFAULT = {  # what a text may be in whose place this one stands
    **dict.fromkeys(("min", "max"), "'min' | 'max'"),
    "triangular": "'triangular' | 'triangular2' | 'exp_range'",
    "cos": "'cos' | 'linear'",
    "cycle": "'cycle' | 'iterations'",
    "zeros": "'zeros' | 'reflect' | 'replicate' | 'circular'",
    "constant": "'constant' | 'edge' | 'reflect' | 'symmetric'",
    "none": "'none' | 'tanh'",
}
UNUSABLE = ("params", "optimizer", "device", "dtype", "lr_lambda", "scale_fn", "labels_getter")
OF_MODELS = {  # that the functions of torchvision.models hand on
    "num_classes": COUNT,
    "dropout": PROBABILITY,
    "width_mult": "number 0..4",
    **dict.fromkeys(("zero_init_residual", "init_weights"), "flag"),
}


def kind(name: str, annotation: Any, default: Any) -> str | None:
    """What may stand there, in the list's words; None where nothing may."""
    empty = inspect.Parameter.empty
    if name in UNUSABLE:
        return "null" if default is None else None
    if name in BY_NAME:
        return BY_NAME[name] + (" | null" if default is None and BY_NAME[name] != "null" else "")
    found = [] if annotation in (empty, Any) else of_type(annotation)
    if not found and default is not empty:
        found = of_value(default)
    if default is None:
        found.append("null")
    return " | ".join(dict.fromkeys(found)) or None


def of_type(annotation: Any) -> list[str]:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return [each for one in inner for each in of_type(one)]
    if origin is Literal:
        return [repr(value) for value in inner]
    if origin in (list, tuple, collections.abc.Sequence):
        return [f"{each}s" for one in inner for each in of_type(one) if each in ("number", "integer")]
    if origin is collections.abc.Callable:
        return ["layer"] if inner[-1] is nn.Module else []
    if annotation is normalization.Normalization:
        return ["normalization"]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [repr(text) for one in annotation for text in (one.name, one.value) if isinstance(text, str)]
    words = {int: "integer", float: "number", numbers.Number: "number", bool: "flag", type(None): "null"}
    return [words[annotation]] if annotation in words else []


def of_value(value: Any) -> list[str]:
    if isinstance(value, enum.Enum):
        return of_type(type(value))
    if isinstance(value, (list, tuple)):
        return [f"{each}s" for one in value[:1] for each in of_value(one)]
    if isinstance(value, str):
        return [BY_DEFAULT.get(value, repr(value))]
    words = {bool: "flag", int: "number", float: "number"}
    return [words[type(value)]] if type(value) in words else []


def arguments(made: Any) -> dict[str, str]:
    """The arguments of a class or function, by their names."""
    function = made.__init__ if inspect.isclass(made) else made
    try:
        annotations = typing.get_type_hints(function)
    except (NameError, TypeError):
        annotations = {}
    parameters = [] if function is object.__init__ else list(inspect.signature(function).parameters.values())
    named = [one for one in parameters if one.name != "self" and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    found = {one.name: kind(one.name, annotations.get(one.name, one.annotation), one.default) for one in named}
    if made in MODELS:
        found |= OF_MODELS
    if made is cli.ReduceLROnPlateau:  # it hands on all others
        found |= arguments(lr_scheduler.ReduceLROnPlateau)
    return {name: words for name, words in found.items() if words}


MODELS = [torchvision.models.get_model_builder(name) for name in torchvision.models.list_models(torchvision.models)]


def ours(module: types.ModuleType) -> dict[str, Any]:
    """The classes of one of our modules that have a short name."""
    return {f"{module.__name__}.{name}": getattr(module, name) for name in MODULES[module.__name__].split()}


def those(module: types.ModuleType, names: collections.abc.Iterable[str]) -> dict[str, Any]:
    return {f"{module.__name__}.{name}": getattr(module, name) for name in names if hasattr(module, name)}


def allowed() -> dict[str, dict[str, dict[str, str]]]:
    """For each place that a class can take, the classes' names, and what their arguments may be."""
    optimizing = ours(optimization)
    by_place = {
        "network": ours(networks) | {f"torchvision.models.{made.__name__}": made for made in MODELS},
        "optimizer": {name: made for name, made in optimizing.items() if issubclass(made, torch.optim.Optimizer)}
        | those(torch.optim, OPTIMIZERS),
        "scheduler": {name: made for name, made in optimizing.items() if not issubclass(made, torch.optim.Optimizer)}
        | those(lr_scheduler, SCHEDULERS)
        | those(cli, ["ReduceLROnPlateau"]),
        "regularization": ours(regularization),
        "initialization": ours(initialization),
        "normalization": ours(normalization),
        "augmentation": ours(augmentation) | those(v2, TRANSFORMS),
        "callback": those(callbacks, ["EarlyStopping"]),
        "layer": those(nn, LAYERS),
    }
    return {place: {name: arguments(made) for name, made in found.items()} for place, found in by_place.items()}


def versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "pytorch-lightning"))


def text() -> str:
    """The list as JSON, a class a line."""
    lines = ["{", f'"made with": {json.dumps(versions())},', '"places": {']
    for place, found in allowed().items():
        lines += [f'"{place}": {{', ",\n".join(f'"{name}": {json.dumps(words)}' for name, words in found.items()), "},"]
    lines[-1] = "}"
    return "\n".join([*lines, "}", "}"]) + "\n"


if __name__ == "__main__":
    print(text(), end="")
