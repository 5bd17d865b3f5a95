"""The dataset as the grader hands it out: what training sees, what is predicted, and the labels that stay here."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentError, ArgumentParser
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from torch import Tensor

from grader.rules import Rules
from grader.secret import Secret
from project.data import channel_statistics
from project.datasets.downloaded import TorchvisionSource
from project.datasets.glyphs import Glyphs
from project.datasets.source import Source, Split, check_classes, stratified_split
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError
from project.support.files import write_atomically

PRACTISED = 0.5  # share of the images that score, in a practice round; of what is drawn anew each round has all
DATA, WITHHELD = "data", "withheld"  # folders of the results: students' programs see a part of the first alone


class Withheld(BaseModel):
    """What is written down of them where no program sees it: see GradingData."""

    model_config = ConfigDict(strict=True, extra="forbid")

    labels: list[int]
    classes: list[str]
    mean: list[float]
    std: list[float]
    monitored: int
    handed_out: bool = False  # as folders of earlier versions do not say


@dataclass(frozen=True)
class GradingData:
    """Prepared once for a results folder.

    Attributes:
        training: TensorFolder with the training split, and the monitor split under the name val.
        scoring: TensorFolder with the images that score, shuffled, without labels, under the name test.
        labels_N: Their labels, int64 (N,), in the same order.
        classes: Names of the classes.
        mean, std: Of each channel of the training split.
        monitored: Number of images in the monitor split.
        handed_out: Whether students have the images that score: they were validation images, or can be downloaded.
    """

    training: Path
    scoring: Path
    labels_N: Tensor
    classes: list[str]
    mean: list[float]
    std: list[float]
    monitored: int
    handed_out: bool = False

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        with safe_open(self.scoring / "test.safetensors", "pt") as file:
            _, h, w, c = file.get_slice("images").get_shape()
        return c, h, w

    @property
    def training_images(self) -> int:
        """How many images train."""
        return count_images(self.training, "train")

    def scoring_images(self) -> Tensor:
        """The images that score, uint8 (N, H, W, C)."""
        return TensorFolder(str(self.scoring)).load("test").images_NHWC


def make_source(description: dict[str, Any]) -> Source:
    """A data source from its `class_path` and `init_args`. Raises UserError where they are wrong."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--dataset", type=Source, required=True)
    try:
        source: Source = parser.instantiate(parser.parse_object({"dataset": description})).dataset
        return source
    except ArgumentError as error:
        raise UserError(f"dataset: {' '.join(str(error).split())[:300]}") from None
    except UserError as error:  # the rules have another name for it than a run's configuration
        raise UserError(str(error).replace("data.source.", "dataset.init_args.")) from None


def images_key(rules: Rules, secret: Secret) -> str:
    """What a measurement depends on besides the submission and its seed: the dataset and how it is split."""
    return secret.digest("images", rules.dataset, rules.monitor_fraction)[:8].hex()


def prepare(rules: Rules, secret: Secret, results: Path) -> GradingData:
    """Write the splits below `results`, or find them there. Raises UserError where they are damaged.

    The test split scores, if there is one with labels; Glyphs draws a fresh one. Otherwise the validation split without
    the monitor split does. The secret decides the monitor split and the order.
    """
    key = images_key(rules, secret)
    folder, withheld_file = results / DATA / key, results / WITHHELD / f"{key}.json"
    if not withheld_file.exists():  # written last: without it, the images may not be complete
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        withheld_file.parent.mkdir(exist_ok=True)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # several would wait for each other while the machine does other things
        try:
            withheld = write(make_source(rules.dataset), rules, secret, folder)
        except SafetensorError as error:  # which its library raises for a full disk, too
            raise UserError(f"{folder}: cannot be written ({error}); mend that, and the same command goes on") from None
        finally:
            torch.set_num_threads(threads)
        write_atomically(withheld_file, json.dumps(withheld), mode=0o600)
    try:
        return found(withheld_file, folder)
    except (OSError, ValueError, SafetensorError) as error:
        said = " ".join(str(error).split())[:100]
        mend = f"remove {withheld_file}, and the next run draws the same from the same images"
        raise UserError(f"{folder}, or what is withheld of it, is damaged ({said}); {mend}") from None


def found(withheld_file: Path, folder: Path) -> GradingData:
    """What `write` wrote. Raises OSError, ValueError or SafetensorError where it is not whole."""
    known = Withheld.model_validate_json(withheld_file.read_bytes())
    labels_N = torch.tensor(known.labels)
    places = {"train": folder / "training", "val": folder / "training", "test": folder / "scoring"}
    counts = {split: count_images(place, split) for split, place in places.items()}  # raises for a file that is cut off
    if (counts["val"], counts["test"]) != (known.monitored, len(labels_N)):
        raise ValueError("images and labels are not equally many")
    if any(json.loads((place / "classes.json").read_bytes()) != known.classes for place in places.values()):
        raise ValueError("classes.json has other classes")
    return GradingData(places["train"], places["test"], labels_N, **known.model_dump(exclude={"labels"}))


def count_images(folder: Path, split: str) -> int:
    """How many images a split of a TensorFolder has; of the file, only the head is read."""
    with safe_open(folder / f"{split}.safetensors", "pt") as file:
        count: int = file.get_slice("images").get_shape()[0]
    return count


def of_round(labels_N: Tensor, secret: Secret) -> Tensor:
    """Indices of the images that may score: all, those of practice, or those that practice never shows."""
    if secret.part == "all":
        return torch.arange(len(labels_N))
    practised = round(PRACTISED * len(labels_N))
    final, practice = stratified_split(labels_N, practised, secret.practice.number("practice images"))
    return practice if secret.part == "practice" else final


def write(source: Source, rules: Rules, secret: Secret, folder: Path) -> dict[str, Any]:
    """Write the images into an empty folder, and return what GradingData has besides."""
    train, val = source.load("train"), source.load("val")
    check_classes("dataset", train, source.classes)
    monitored = max(len(source.classes), round(rules.monitor_fraction * len(val.labels_N)))
    if monitored >= len(val.labels_N):
        raise UserError(f"dataset: {len(val.labels_N)} validation images are too few for a monitor split")
    rest, monitor = stratified_split(val.labels_N, monitored, secret.number("monitor split"))
    if isinstance(source, Glyphs):
        source.seed = secret.number("test images")
    scoring = source.load("test") if "test" in source.splits else None
    handed_out = isinstance(source, TorchvisionSource)
    if scoring is None or (scoring.labels_N < 0).any():  # a table to predict has no labels
        rest = rest[torch.isin(rest, of_round(val.labels_N, secret))]
        scoring, handed_out = Split(val.images_NHWC[rest], val.labels_N[rest]), True
    elif not isinstance(source, Glyphs):
        part = of_round(scoring.labels_N, secret)
        scoring = Split(scoring.images_NHWC[part], scoring.labels_N[part])
    # numpy, since torch seeds an order with 32 bits, which can all be tried.
    random = np.random.default_rng(int.from_bytes(secret.digest("order"), "big"))
    order_N = torch.from_numpy(random.permutation(len(scoring.labels_N)))

    (folder / "training").mkdir()
    monitor_split = (val.images_NHWC[monitor], val.labels_N[monitor])
    TensorFolder.write(folder / "training", source.classes, {"train": train, "val": monitor_split})
    (folder / "scoring").mkdir()
    TensorFolder.write(folder / "scoring", source.classes, {"test": (scoring.images_NHWC[order_N], None)})
    mean, std = channel_statistics(train.images_NHWC)
    return {
        "labels": scoring.labels_N[order_N].tolist(),
        "classes": source.classes,
        "mean": mean,
        "std": std,
        "monitored": len(monitor),
        "handed_out": handed_out,
    }
