"""What a configuration says of each family, without running anything: chosen, missing for certain, or seen in a training only.

The census of a training decides. Here is said what is known before: what library classes alone cannot bring, they lack.
"""

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from grader.intake.checks import Finding
from grader.intake.grammar import DOTTED, texts_in
from grader.safe_text import printable
from project.assignment import FAMILIES, Family
from project.training.class_aliases import full_name

OWN = re.compile(r"submission\.")
PLAIN = re.compile(r"project\.networks\.")  # nothing of any family is in them by itself
WITHOUT_DROPOUT = re.compile(r"torchvision\.models\.(resnet|resnext|wide_resnet|shufflenet)\w+")
DECAYING = ("torch.optim.AdamW",)  # by default
STRENGTHS = (
    "p",
    "factor",
    "smoothing",
    "weight_decay",
    "padding",
    "size",
    "strength",
    "degrees",
)  # of project's classes
SHOWN = (*STRENGTHS, "lr", "max_lr", "momentum", "gamma", "step_size", "T_max", "max_norm", "alpha", "patience")
MEND = "train with --config configs/{}/default.yaml, for one"
DOES = {"regularization": "regularizes", "initialization": "draws its weights anew", "normalization": "normalizes"}


class Foreseen(NamedTuple):
    """What can be said of a family before any training.

    Attributes:
        family: Which.
        state: `chosen`; `missing`, whatever a training may show; or `open`, for a training to show.
        said: What is chosen, or why it cannot be told.
    """

    family: Family
    state: Literal["chosen", "missing", "open"]
    said: str

    def __str__(self) -> str:
        return f"{self.family}: {self.said}"


def foreseen(config: Any) -> list[Foreseen]:
    """What a configuration says of each family. It may be of any shape: what cannot be read is open."""
    model, data = (config.get(name) if isinstance(config, dict) else None for name in ("model", "data"))
    model, data = (section if isinstance(section, dict) else {} for section in (model, data))
    network, _ = named(model.get("network"))
    found = []
    for family in FAMILIES:
        if chosen := chosen_of(family, model, data):
            found.append(Foreseen(family, "chosen", ", ".join(map(shown, chosen))))
        elif own_code(family, model, data) or not readable(family, model, data):
            whose = printable(network) if OWN.match(network) else "code of your own"
            does = DOES.get(family, "moves the weights otherwise than plain SGD")
            found.append(Foreseen(family, "open", f"nothing chosen; whether {whose} {does} is seen in a training"))
        elif family != "optimization" and brings(network, family):
            found.append(
                Foreseen(family, "open", f"nothing chosen; what {printable(network)} brings is seen in a training")
            )
        else:
            found.append(Foreseen(family, "missing", "nothing chosen that can have an effect"))
    return found


def lacking(config: Any, families: Iterable[Family]) -> list[Finding]:
    """A finding for each family that the rules ask for and that this configuration can never show."""
    where = "config.yaml: {}"
    what = "no strategy is chosen, and none of its classes brings one"
    return [
        Finding(where.format(each.family), what, MEND.format(each.family), family=each.family)
        for each in foreseen(config)
        if each.state == "missing" and each.family in families
    ]


def chosen_of(family: Family, model: dict[Any, Any], data: dict[Any, Any]) -> list[Any]:
    """The settings by which a family's strategies are chosen, those without any effect left out."""
    optimizer, arguments = named(model.get("optimizer"))
    if family == "optimization":
        plain = optimizer == "torch.optim.SGD" and not arguments.get("momentum")
        chosen = [] if plain or not optimizer or OWN.match(optimizer) else [model["optimizer"]]
        return [*chosen, *([model["scheduler"]] if library_class(model.get("scheduler")) else [])]
    if family == "regularization":
        listed = [*as_list(model.get("regularization")), *as_list(data.get("augmentation"))]
        chosen = [each for each in listed if library_class(each) and not without_effect(each)]
        decay = arguments.get("weight_decay", 0.01 if optimizer in DECAYING else 0)
        return [*chosen, *([f"weight decay {decay:g}"] if type(decay) in (int, float) and decay > 0 else [])]
    return [model[family]] if library_class(model.get(family)) else []


def settings_of(family: Family, model: dict[Any, Any], data: dict[Any, Any]) -> list[Any]:
    """The settings that can bring a family's strategies."""
    if family == "optimization":
        return [model.get("optimizer"), model.get("scheduler")]
    return [*model.values(), data.get("augmentation")]


def own_code(family: Family, model: dict[Any, Any], data: dict[Any, Any]) -> bool:
    """Whether code of the student's own runs that can bring a family's strategies."""
    return any(OWN.match(text) for text in texts_in(settings_of(family, model, data)))


def readable(family: Family, model: dict[Any, Any], data: dict[Any, Any]) -> bool:
    """Whether the classes among a family's settings are named in full, or are in the table of short names."""
    listed = [model.get("network"), model.get("optimizer"), model.get("scheduler"), model.get(family)]
    listed += as_list(model.get("regularization")) + as_list(data.get("augmentation"))
    return bool(named(model.get("network"))[0]) and all(
        DOTTED.fullmatch(named(each)[0]) for each in listed if each is not None and not isinstance(each, list)
    )


def brings(network: str, family: Family) -> bool:
    """Whether a library's network may bring a family's strategy by itself."""
    return not (PLAIN.match(network) or family == "regularization" and WITHOUT_DROPOUT.fullmatch(network))


def library_class(value: Any) -> bool:
    path = named(value)[0]
    return bool(path) and not OWN.match(path)


def without_effect(value: Any) -> bool:
    """Whether a strategy of ours is given with a strength of zero."""
    path, arguments = named(value)
    return path.startswith("project.") and any(arguments.get(name, 1) == 0 for name in STRENGTHS)


def named(value: Any) -> tuple[str, dict[Any, Any]]:
    """The full name of a class and its arguments; empty where a value names none."""
    if isinstance(value, str):
        return full_name(value), {}
    if isinstance(value, dict) and isinstance(path := value.get("class_path"), str):
        arguments = value.get("init_args")
        return full_name(path), arguments if isinstance(arguments, dict) else {}
    return "", {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def shown(value: Any) -> str:
    """A strategy as one line shows it: `SGD (lr 0.1, momentum 0.9)`."""
    path, arguments = named(value)
    numbers = {key: each for key, each in arguments.items() if key in SHOWN and type(each) in (int, float) and each}
    given = ", ".join(f"{key} {each:g}" for key, each in numbers.items())
    name = printable(path.rpartition(".")[2] if DOTTED.fullmatch(path) else path)
    return f"{name} ({printable(given, 60)})" if given else name
