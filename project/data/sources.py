"""Sources: what can be named in the YAML as `data.source`. Each gives uint8 images and labels, a split at a time."""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from project.errors import UserError


class Split(NamedTuple):
    """Images (N, H, W, C), uint8, and their labels (N,), int64."""

    images_NHWC: Tensor
    labels_N: Tensor


class Source(ABC):
    """A dataset. `classes` names its classes; `splits` are some of train, val and test."""

    classes: list[str]

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits that there are."""

    @abstractmethod
    def load(self, split: str) -> Split:
        """A split, in an order that does not change."""


def stratified_split(labels_N: Tensor, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the rest and of a random part of `size` samples in which every class has the share it has in all.

    Shares that do not come out even are rounded so that the sum is exact, largest remainder first.
    """
    generator = torch.Generator().manual_seed(seed)
    order_N = torch.randperm(len(labels_N), generator=generator)
    counts_K = torch.bincount(labels_N)
    exact_K = counts_K.double() * size / len(labels_N)
    taken_K = exact_K.floor().long()
    taken_K[(exact_K - taken_K).argsort(descending=True, stable=True)[: size - int(taken_K.sum())]] += 1
    part = torch.cat([order_N[labels_N[order_N] == k][:taken] for k, taken in enumerate(taken_K.tolist())])
    in_part_N = torch.zeros(len(labels_N), dtype=torch.bool).index_fill_(0, part, True)
    return (~in_part_N).nonzero().flatten(), in_part_N.nonzero().flatten()


class TensorFolder(Source):
    """Splits that lie ready as tensors: how the grader hands a dataset to a sandbox.

    Args:
        path: A folder with classes.json and <split>.safetensors.
    """

    def __init__(self, path: str):
        self.folder = Path(path)
        try:
            self.classes = json.loads((self.folder / "classes.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"data.source.path: {path} is no folder of tensors: {error.strerror}") from None

    @staticmethod
    def write(folder: Path, classes: list[str], splits: dict[str, tuple[Tensor, Tensor | None]]) -> None:
        """Write splits into an existing folder; labels that are None are given as -1."""
        (folder / "classes.json").write_text(json.dumps(classes), encoding="utf-8")
        for name, (images_NHWC, labels_N) in splits.items():
            tensors = {"images": images_NHWC.contiguous()}
            if labels_N is not None:
                tensors["labels"] = labels_N.contiguous()
            save_file(tensors, folder / f"{name}.safetensors")

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(name for name in ("train", "val", "test") if (self.folder / f"{name}.safetensors").exists())

    def load(self, split: str) -> Split:
        tensors = load_file(self.folder / f"{split}.safetensors")
        images_NHWC = tensors["images"]
        return Split(images_NHWC, tensors.get("labels", torch.full((len(images_NHWC),), -1)))


class TorchvisionSource(Source):
    """A dataset of torchvision, downloaded on first use. Its test images are halved, by class, into val and test.

    Args:
        root: Folder for the files.
        seed: Of the halving.
    """

    splits = ("train", "val", "test")
    url: str

    def __init__(self, root: str = "data", seed: int = 0):
        self.root, self.seed = root, seed

    def load(self, split: str) -> Split:
        dataset = self.open(train=split == "train")
        images_NHWC, labels_N = torch.as_tensor(dataset.data), torch.as_tensor(dataset.targets)
        if images_NHWC.ndim == 3:
            images_NHWC = images_NHWC[..., None]
        if split == "train":
            return Split(images_NHWC, labels_N)
        chosen = stratified_split(labels_N, len(labels_N) // 2, self.seed)[split == "test"]
        return Split(images_NHWC[chosen], labels_N[chosen])

    def open(self, train: bool):
        """The dataset of torchvision. Raises UserError where it is neither there nor can be fetched."""
        import torchvision.datasets

        name = type(self).__name__
        try:
            return getattr(torchvision.datasets, name)(self.root, train=train, download=True)
        except (OSError, RuntimeError) as error:
            said = " ".join(str(error).split())[:120]
            raise UserError(
                f"data.source: {name} could not be downloaded ({said}); put {self.files} into {self.root}/, "
                "or take --data.source Glyphs, which needs no download"
            ) from None


class CIFAR10(TorchvisionSource):
    """60,000 photographs of ten classes, 32x32, colour: 50,000 to train, 5,000 each to validate and to test.

    Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.
    """

    files = "cifar-10-python.tar.gz"
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class FashionMNIST(TorchvisionSource):
    """70,000 pictures of ten kinds of clothes, 28x28, grey: 60,000 to train, 5,000 each to validate and to test.

    Xiao et al. 2017 (arXiv:1708.07747).
    """

    files = "FashionMNIST/raw/*-ubyte.gz"
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
