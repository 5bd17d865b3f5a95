"""TensorFolder: splits that lie ready as tensors, in a folder of safetensors files."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from project.datasets.source import Source, Split
from project.support.errors import UserError


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
    def write(folder: Path, classes: list[str], splits: Mapping[str, tuple[Tensor, Tensor | None]]) -> None:
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
        path = self.folder / f"{split}.safetensors"
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            said = "no such file" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
            raise UserError(f"{path}: cannot be read: {said}") from None
        images_NHWC = tensors["images"]
        return Split(images_NHWC, tensors.get("labels", torch.full((len(images_NHWC),), -1)))
