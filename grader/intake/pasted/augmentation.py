"""How a notebook changes its training images with torchvision's transforms, found without running anything."""

import ast
from collections.abc import Iterator

from grader.intake.pasted.finder import Finder, Settings, listed
from grader.intake.pasted.plain_code import NotPlain, Scope, number
from grader.safe_text import printable

POSITIONS: dict[
    str, dict[str, str | None]
] = {  # of the arguments of those that are kept; None for what makes no difference here
    "RandomHorizontalFlip": {"p": "p"},
    "RandomRotation": {"degrees": "degrees", "interpolation": None, "resample": None, "fill": None},
    "RandomCrop": {"size": None, "padding": "padding", "fill": None, "padding_mode": None},
}
DEFAULTS: dict[str, Settings] = {"RandomHorizontalFlip": {"p": 0.5}}
LARGEST = {"p": 1, "degrees": 180, "padding": 100}
OVERLAYS = {  # of configs/regularization
    "RandomHorizontalFlip": "flip",
    "RandomRotation": "rotation",
    "RandomCrop": "crop",
    "RandomResizedCrop": "crop",
    "RandomAffine": "affine",
    "ColorJitter": "color_jitter",
    "RandomErasing": "cutout",
}
OTHERS = ("TrivialAugmentWide", "AutoAugment", "RandAugment", "AugMix", "GaussianBlur", "ElasticTransform")
NOW_AND_THEN = ("RandomApply", "RandomChoice", "RandomOrder")  # do so with the transforms that they are given


class Augmentations(Finder):
    """What a notebook's code says of its augmentation."""

    def find_augmentation(self) -> list[Settings]:
        """`data.augmentation`: the transforms that are the same here, each once, in the order of the source."""
        transforms = list(self.transforms())
        not_always = {id(node) for call, _, name in transforms if name in NOW_AND_THEN for node in ast.walk(call)}
        found: dict[str, Settings] = {}
        for call, scope, name in transforms:
            try:
                if name not in POSITIONS or id(call) in not_always:
                    raise NotPlain("is not read")
                given = self.plain_arguments(call, scope, name)
            except NotPlain as why:
                overlay = OVERLAYS.get(name, "trivial_augment")  # which shows how any transform is named
                self.say(f"augmentation: {printable(name)} {why}: left out; see configs/regularization/{overlay}.yaml")
                continue
            if found.get(name, given) != given:
                self.say(f"augmentation: {name} is made several times: the last one is taken")
            found[name] = given
        for name, given in found.items():
            edges = "" if name == "RandomHorizontalFlip" else "; what comes in at the edges mirrors the image"
            self.say(f"augmentation: {name}{listed(given)}{edges}")
        return [{"class_path": f"project.augmentation.{name}", "init_args": given} for name, given in found.items()]

    def transforms(self) -> Iterator[tuple[ast.Call, Scope, str]]:
        """The calls that make a random transform of torchvision, with its name."""
        for node, scope in self.code.walk(self.network):
            if isinstance(node, ast.Call):
                module, _, name = self.code.dotted(node.func).rpartition(".")
                known = name in (*POSITIONS, *OVERLAYS, *OTHERS, *NOW_AND_THEN)
                if "transforms" in module.split(".") and (known or name.startswith("Random")) or known and not module:
                    yield node, scope, name

    def plain_arguments(self, call: ast.Call, scope: Scope, name: str) -> Settings:
        """A kept transform's arguments, as they are called here. Raises NotPlain."""
        taken = POSITIONS[name]
        given = {**dict(zip(taken, call.args)), **{word.arg or "": word.value for word in call.keywords}}
        if len(call.args) > len(taken) or not given.keys() <= taken.keys():
            raise NotPlain("has arguments that it does not have here")
        found: Settings = dict(DEFAULTS.get(name, {}))
        for key, here in taken.items():
            if here and key in given:
                found[here] = self.amount(here, given[key], scope)
        if not found:
            raise NotPlain("cuts without padding" if name == "RandomCrop" else "has no arguments")
        return found

    def amount(self, key: str, node: ast.expr, scope: Scope) -> float:
        """A probability, an angle either way, or pixels on each side. Raises NotPlain."""
        try:
            value = self.code.constant(node, scope)
            if (
                isinstance(value, list)
                and len(value) == 2
                and key == "degrees"
                and number(value[0]) == -number(value[1])
            ):
                value = value[1]
            value = number(value)
        except NotPlain as why:
            raise NotPlain(f"has a {key} that {why}") from None
        if not 0 <= value <= LARGEST[key] or key == "padding" and not isinstance(value, int):
            raise NotPlain(f"has a {key} that is not in [0, {LARGEST[key]}]")
        return float(value) if key != "padding" else value
