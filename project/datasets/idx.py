"""IDXImages: the files in which MNIST and its kin are published (LeCun, Cortes and Burges 1998)."""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from project.datasets.source import Source, Split, stratified_split
from project.support.errors import UserError, in_range
from project.support.wording import counted

NAME = re.compile(r"(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(\.gz)?", re.IGNORECASE)
DIMENSIONS = {"images": 3, "labels": 1}  # N, H, W; N


class IDXImages(Source):
    """Grey images from IDX files: `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, and `t10k-...` to test.

    Each may be packed as .gz, and written with a dot (`train-images.idx3-ubyte`).

    Args:
        path: The folder of the files.
        classes: Names of the classes, in the order of their labels. By default the labels themselves.
        val_share: Share of the training images that are drawn to validate, from each class alike, in (0, 1).
        split_seed: Of that draw, >= 0.

    Raises:
        UserError: A file is missing, damaged, or of another format.
    """

    def __init__(self, path: str, classes: list[str] | None = None, val_share: float = 0.2, split_seed: int = 16):
        self.val_share = in_range("data.source.val_share:", val_share, "(0, 1)")
        self.split_seed = in_range("data.source.split_seed:", split_seed, f"[0, {2**63})")
        self.folder = Path(path).expanduser()
        if not self.folder.is_dir():
            raise UserError(f"data.source.path: {path}: no such folder")
        self.files = idx_files(self.folder)
        if missing := [
            f"train-{kind}-idx{n}-ubyte" for kind, n in DIMENSIONS.items() if ("train", kind) not in self.files
        ]:
            raise UserError(f"data.source.path: {path} has no {missing[0]}")
        self.train_labels_N = read_idx(self.files["train", "labels"], "labels")
        self.values, counts = self.train_labels_N.unique(return_counts=True)
        if (counts < 2).any():
            said = f"{int(self.values[counts < 2][0])} is the label of one image, so there is none to validate with"
            raise UserError(
                f"{self.files['train', 'labels']}: {said}; training needs two images of each class at least"
            )
        self.classes = classes or [str(value) for value in self.values.tolist()]
        if len(self.classes) != len(self.values):
            said = f"{counted(len(self.classes), 'name')} for {counted(len(self.values), 'class', 'classes')}; give one for each"
            raise UserError(f"data.source.classes: {said}")

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train", "val", "test") if ("test", "images") in self.files else ("train", "val")

    def load(self, split: str) -> Split:
        part = "test" if split == "test" else "train"
        images_NHWC = read_idx(self.files[part, "images"], "images")[..., None]
        if (part, "labels") not in self.files:
            return Split(images_NHWC, torch.full((len(images_NHWC),), -1))
        path = self.files[part, "labels"]
        labels_N = read_idx(path, "labels")
        if len(labels_N) != len(images_NHWC):
            counts = f"{len(labels_N):,} labels for {len(images_NHWC):,} images"
            raise UserError(f"{path}: {counts}; take both files from the same place")
        if len(unknown := labels_N[~torch.isin(labels_N, self.values)]):
            number = int((labels_N == unknown[0]).nonzero()[0]) + 1
            raise UserError(f"{path}: image {number}: the label {int(unknown[0])} is that of no training image")
        whole = Split(images_NHWC, torch.searchsorted(self.values, labels_N))
        if part == "test":
            return whole
        size = min(max(1, round(self.val_share * len(labels_N))), len(labels_N) - 1)
        chosen = stratified_split(whole.labels_N, size, self.split_seed)[split == "val"]
        return Split(*(tensor[chosen] for tensor in whole))


def idx_files(folder: Path) -> dict[tuple[str, str], Path]:
    """The IDX files of a folder: by (train, images), (train, labels), (test, images), (test, labels)."""
    found = {}
    for entry in sorted(folder.iterdir(), reverse=True):  # of a file and its .gz, the file
        if match := NAME.fullmatch(entry.name):
            part, kind = match[1].lower(), match[2].lower()
            found["train" if part == "train" else "test", kind] = entry
    return found


def read_idx(path: Path, kind: str) -> Tensor:
    """Images (N, H, W), uint8, or labels (N,), int64. Raises UserError where the file is no such IDX file, or not whole."""
    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read: {said}; fetch it again") from None
    dimensions = DIMENSIONS[kind]
    # Two zeros, 8 for bytes, the number of dimensions; then each dimension, four bytes, highest first; then the values.
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(f"{path}: no IDX file of {kind}: it begins with {content[:4].hex() or 'nothing'}")
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions)]
    values = np.frombuffer(content, np.uint8, offset=min(len(content), 4 + 4 * dimensions))
    if len(values) != math.prod(shape) or not len(values):
        wanted = "x".join(map(str, shape))
        raise UserError(
            f"{path}: {len(values):,} values, where its head says {wanted}; it is not whole: fetch it again"
        )
    tensor = torch.from_numpy(values.reshape(shape).copy())
    return tensor if kind == "images" else tensor.long()
