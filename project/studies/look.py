"""A look at the data and the network, before any training: `python main.py look --config ...`."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError, ArgumentParser
from pydantic import BaseModel
from torch import Tensor

from project.batches.worker_processes import AugmentedBatches
from project.classifier import Classifier
from project.data import ImageData, channel_statistics
from project.datasets.source import Split, shape_words
from project.strategies import say_of_images
from project.studies.layers import as_text as layers_as_text
from project.support.arguments import ArgumentParser as OneLineParser
from project.support.errors import UserError
from project.support.files import output, write_atomically
from project.support.wording import counted
from project.training.configuration import Settings, class_paths, merged, read_arguments
from project.training.figures import blanks, save
from project.training.parser_errors import explain, refused

COLUMNS = 6  # images of each class, and as many augmented
CLASSES = 20  # that are drawn
GAP = 2  # white pixels between two images


class SplitNumbers(BaseModel):
    """What is in a split.

    Attributes:
        images: How many there are.
        by_class: How many of each class; empty where they have no labels.
        mean, std: Of each channel, in [0, 1].
        repeated: Images that are pixel for pixel the same as an earlier one.
        repeated_otherwise: Those of them that have another label than the earlier one.
    """

    images: int
    by_class: dict[str, int]
    mean: list[float]
    std: list[float]
    repeated: int
    repeated_otherwise: int


class DataNumbers(BaseModel):
    """What is in a dataset.

    Attributes:
        shape: (H, W, C) of an image.
        splits: By name.
        shared: Images of the second split that are in the first one, too, by "train, val".
    """

    shape: tuple[int, int, int]
    splits: dict[str, SplitNumbers]
    shared: dict[str, int]


def main(args: Sequence[str]) -> int:
    """Print the numbers of a configuration's data and its network's layers, and draw the first images of each class."""
    parser = OneLineParser(
        prog="main.py look", description="Shows a configuration's images and network, before any training."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("look"), help="folder for images.png and numbers.json (%(default)s)"
    )
    parser.epilog = "Besides, what `fit` takes: --config FILE ... --data.source ImageTable --data.source.path PATH"
    options, rest = parser.parse_known_args(args)
    settings = merged(read_arguments(rest).overlays)
    data = image_data(settings.get("data"))
    numbers = numbers_of(data)
    print(as_text(numbers, data.classes))
    with output("--out", options.out):
        options.out.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out / "numbers.json", numbers.model_dump_json(indent=2) + "\n")
        draw(data, options.out / "images.png")
    print(
        f"\n{options.out / 'images.png'} shows the first images of each class; numbers.json beside it has these numbers"
    )
    if (model := settings.get("model", {})).get("network"):
        classifier, images_NCHW = classifier_of(model, data), torch.zeros(2, *data.image_shape)
        try:
            print(f"\nWhat the network makes of an image\n{layers_as_text(classifier.network, images_NCHW)}")
        except Exception as error:
            say_of_images(error, classifier, images_NCHW)
            raise
    return 0


def image_data(settings: Any) -> ImageData:
    """The data of a configuration, without its network. Raises UserError where a setting is wrong."""
    parser = ArgumentParser(prog="main.py look", exit_on_error=False)
    parser.add_class_arguments(ImageData, "data")
    try:
        data: ImageData = parser.instantiate(parser.parse_object({"data": settings})).data
    except ArgumentError as error:
        raise UserError(explain(str(error), parser.get_defaults().keys())) from None
    return data


def classifier_of(settings: Settings, data: ImageData) -> Classifier:
    """The classifier of a configuration's `model`, for these images. Raises UserError where a setting of its network is wrong."""
    parser = ArgumentParser(prog="main.py look", exit_on_error=False)
    parser.add_class_arguments(Classifier, "model")
    of_training = {"optimizer": "torch.optim.SGD", "scheduler": None}  # no part of the network
    given = {**settings, **of_training, "num_classes": data.num_classes, "image_shape": data.image_shape}
    try:
        classifier: Classifier = parser.instantiate(parser.parse_object({"model": given})).model
    except ArgumentError as error:
        raise UserError(explain(str(error), parser.get_defaults().keys())) from None
    except UserError:
        raise
    except Exception as error:
        raise refused(error, list(class_paths({"model": settings}))) from error
    return classifier


def numbers_of(data: ImageData) -> DataNumbers:
    """Sizes, classes, brightness and duplicates of all splits."""
    splits, digests = {}, {}
    for name in data.source.splits:
        images_NHWC, labels_N = split = data.split(name)
        mean, std = channel_statistics(images_NHWC)
        digests[name] = image_digests(images_NHWC)
        repeated, otherwise = repetitions(digests[name], labels_N.tolist())
        counts = Counter(label for label in labels_N.tolist() if label >= 0)
        by_class = {name: counts[label] for label, name in enumerate(data.classes)} if counts else {}
        splits[name] = SplitNumbers(
            images=len(split.labels_N),
            by_class=by_class,
            mean=mean,
            std=std,
            repeated=repeated,
            repeated_otherwise=otherwise,
        )
    names = list(splits)
    shared: dict[str, int] = {}
    for number, first in enumerate(names):
        known = set(digests[first])
        shared |= {f"{first}, {second}": sum(one in known for one in digests[second]) for second in names[number + 1 :]}
    c, h, w = data.image_shape
    return DataNumbers(shape=(h, w, c), splits=splits, shared=shared)


def image_digests(images_NHWC: Tensor) -> list[bytes]:
    """16 bytes for each image, the same for the same pixels."""
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images_NHWC.numpy()]


def repetitions(digests: Sequence[bytes], labels: Sequence[int]) -> tuple[int, int]:
    """How many images were there before, and how many of them with another label."""
    first: dict[bytes, int] = {}
    pairs = [(label, first.setdefault(digest, label)) for digest, label in zip(digests, labels)]
    return len(pairs) - len(first), sum(label != earlier for label, earlier in pairs)


def as_text(numbers: DataNumbers, classes: Sequence[str]) -> str:
    """The numbers as lines for a terminal: a column for each split."""
    splits = numbers.splits
    rows = [["", *splits], ["images", *(f"{split.images:,}" for split in splits.values())]]
    for name in classes:
        rows.append(
            [f"  {name}", *(f"{split.by_class[name]:,}" if split.by_class else "?" for split in splits.values())]
        )
    for statistic in ("mean", "std"):
        rows.append(
            [statistic, *(" ".join(f"{v:.3f}" for v in getattr(split, statistic)) for split in splits.values())]
        )
    rows.append(["repeated", *(f"{split.repeated:,}" for split in splits.values())])
    rows.append(["  with another label", *(f"{split.repeated_otherwise:,}" for split in splits.values())])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    ]
    lines.insert(0, f"{counted(len(classes), 'class', 'classes')}, images {shape_words(numbers.shape)}")
    for pair, count in numbers.shared.items():
        first, second = pair.split(", ")
        lines.append(f"{count:,} of the {second} images are in {first}, too")
    return "\n".join(lines)


def draw(data: ImageData, path: Path) -> None:
    """The first training images of each class, and beside them the same as augmentation changes them."""
    images_NHWC, labels_N = data.split("train")
    names = data.classes[:CLASSES]
    firsts = [(labels_N == label).nonzero().flatten()[:COLUMNS] for label in range(len(names))]
    numbers_N = torch.cat(firsts)
    chosen = Split(images_NHWC[numbers_N], labels_N[numbers_N])
    blocks = {"as they come": chosen.images_NHWC}
    if data.augmentation:
        changed_NHWC, _ = AugmentedBatches(chosen, data.augmentation)[torch.arange(len(numbers_N)), 0, 0]
        blocks["as they are augmented"] = changed_NHWC.round().clamp(0, 255).to(torch.uint8)
    h, w, _ = chosen.images_NHWC.shape[1:]
    row_inches = 0.62 * h / w
    margin = 0.4 + 0.075 * max(map(len, names))
    figure, (row,) = blanks(1, len(blocks), margin + 0.62 * COLUMNS * len(blocks) + 0.4, row_inches * len(names) + 0.9)
    for axes, (title, block_NHWC) in zip(row, blocks.items()):
        axes.imshow(mosaic(block_NHWC, [len(first) for first in firsts]), cmap="gray", vmin=0, vmax=255)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    centres = [(h + GAP) * number + h / 2 for number in range(len(names))]
    row[0].set_yticks(centres, names, fontsize=9)
    row[0].tick_params(length=0)
    more = f" (the first {CLASSES} of {data.num_classes} classes)" if data.num_classes > CLASSES else ""
    figure.suptitle(f"The first training images of each class{more}", fontsize=12, fontweight="bold")
    save(figure, path)


def mosaic(images_NHWC: Tensor, counts: Sequence[int]) -> Any:
    """One picture: a row of COLUMNS places for each class, of which so many are filled; white between them."""
    _, h, w, c = images_NHWC.shape
    picture = torch.full((len(counts) * (h + GAP) - GAP, COLUMNS * (w + GAP) - GAP, c), 255, dtype=torch.uint8)
    for row, images in enumerate(images_NHWC.split(list(counts))):
        for column, image_HWC in enumerate(images):
            top, left = row * (h + GAP), column * (w + GAP)
            picture[top : top + h, left : left + w] = image_HWC
    return picture.squeeze(-1).numpy()
