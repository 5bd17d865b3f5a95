"""Data: sources of images, and ImageData, which makes batches of them."""

from project.data.archive import ImageArchive
from project.data.glyphs import Glyphs
from project.data.module import ImageData
from project.data.sources import CIFAR10, FashionMNIST, TensorFolder

__all__ = ["CIFAR10", "FashionMNIST", "Glyphs", "ImageArchive", "ImageData", "TensorFolder"]
