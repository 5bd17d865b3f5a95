"""Datasets that torchvision downloads on first use."""

from typing import Any

import torch

from project.datasets.source import Source, Split, stratified_split
from project.support.errors import UserError


class TorchvisionSource(Source):
    """A dataset of torchvision, downloaded on first use. Its test images are halved, by class, into val and test.

    Args:
        root: Folder for the files.
        seed: Of the halving.
    """

    splits = ("train", "val", "test")
    files: str

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

    def open(self, train: bool) -> Any:
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
