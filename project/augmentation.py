"""Unit 2, the augmented dataset: every image of a batch is changed by a random draw of its own.

An augmentation takes a batch of uint8 images and returns a new one; it computes where the images are.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from project.support.errors import in_range
from project.support.padded_images import PaddedImages


class Augmentation(ABC):
    """Changes training images, never those that validate or test."""

    @abstractmethod
    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 (N, H, W, C) -> the same shape; all randomness comes from `generator`."""


class Placement(Augmentation):
    """Base of those that only move whole pixels: while a batch is gathered, all of them at once, before any other.

    Attributes:
        margin: Pixels by which it shifts an image at most, each way. What comes in at the edges mirrors the image.
        mirrors: Whether it mirrors images left to right.
    """

    margin: int = 0
    mirrors: bool = False

    def shift(self, samples_N: Tensor, generator: torch.Generator) -> Tensor:
        """(2, N): rows and columns, in [-margin, margin], by which each image's window moves. Called if margin > 0."""
        raise NotImplementedError

    def mirror(self, samples_N: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        """(N,): 1 where an image is mirrored, else 0. Called if it mirrors."""
        raise NotImplementedError

    def __call__(
        self, images_NHWC: Tensor, generator: torch.Generator, samples_N: Tensor | None = None, epoch: int = 0
    ) -> Tensor:
        """As above; `samples_N` are the images' numbers in their split, by default those in the batch."""
        numbers_N = torch.arange(len(images_NHWC), device=images_NHWC.device)
        shift_2N, mirrored_N = draw_placements([self], numbers_N if samples_N is None else samples_N, epoch, generator)
        return PaddedImages(images_NHWC, self.margin, self.mirrors).gather(numbers_N, shift_2N, mirrored_N)


def draw_placements(
    placements: Sequence[Placement], samples_N: Tensor, epoch: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Shifts (2, N) and flips (N,) of all placements together, for the samples of these numbers in their split."""
    shift_2N, mirrored_N = samples_N.new_zeros(2, len(samples_N)), torch.zeros_like(samples_N)
    for placement in placements:
        if placement.margin:
            shift_2N = shift_2N + placement.shift(samples_N, generator)
        if placement.mirrors:
            mirrored_N = mirrored_N ^ placement.mirror(samples_N, epoch, generator)
    return shift_2N, mirrored_N


class RandomCrop(Placement):
    """Shifts each image by up to `padding` pixels each way; what comes in at the edges mirrors the image.

    Args:
        padding: Largest shift in pixels, >= 0 and smaller than the image.
    """

    def __init__(self, padding: int = 4):
        self.margin = in_range("data.augmentation: RandomCrop's padding", padding, "[0, inf)")

    def shift(self, samples_N: Tensor, generator: torch.Generator) -> Tensor:
        shape = (2, len(samples_N))
        return torch.randint(-self.margin, self.margin + 1, shape, generator=generator, device=samples_N.device)


class RandomHorizontalFlip(Placement):
    """Mirrors each image left to right with probability p.

    Args:
        p: Probability, in [0, 1].
    """

    mirrors = True

    def __init__(self, p: float = 0.5):
        self.p = in_range("data.augmentation: RandomHorizontalFlip's p", p, "[0, 1]")

    def mirror(self, samples_N: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        return (uniform(len(samples_N), generator, samples_N.device) < self.p).long()


class AlternatingFlip(Placement):
    """Mirrors half of the images left to right in one epoch and the other half in the next.

    With random flips, every other image looks the same in two epochs running; here none does. Jordan 2024
    (arXiv:2404.00498).
    """

    mirrors = True

    def mirror(self, samples_N: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        scattered_N = (samples_N * 2_654_435_761 + 97) >> 16  # neighbours in a split may be of one class
        return (scattered_N + epoch) & 1


class RandomAffine(Augmentation):
    """Scales, shears, turns and shifts each image a little; what comes in at the edges mirrors the image.

    The new image's pixel at x, in [-1, 1] from edge to edge, is the old one's at (I + E) x + t, interpolated bilinearly.
    Each entry of E is drawn from U(-strength, strength), each of t from U(-strength / 2, strength / 2).

    Args:
        strength: In [0, 1). At 0.1, lengths change by up to 10 % and angles by up to 6 degrees.
    """

    def __init__(self, strength: float = 0.12):
        self.strength = in_range("data.augmentation: RandomAffine's strength", strength, "[0, 1)")

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        n, device = len(images_NHWC), images_NHWC.device
        change_N23 = (uniform((n, 2, 3), generator, device) * 2 - 1) * self.strength
        change_N23[:, :, 2] *= 0.5
        return transformed(images_NHWC, torch.eye(2, 3, device=device) + change_N23)


class RandomRotation(Augmentation):
    """Turns each image about its centre by an angle from U(-degrees, degrees); what comes in at the edges mirrors it.

    Args:
        degrees: In [0, 180].
    """

    def __init__(self, degrees: float = 10.0):
        self.degrees = in_range("data.augmentation: RandomRotation's degrees", degrees, "[0, 180]")

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        angle_N = (uniform(len(images_NHWC), generator, images_NHWC.device) * 2 - 1) * math.radians(self.degrees)
        cos_N, sin_N, zero_N = angle_N.cos(), angle_N.sin(), torch.zeros_like(angle_N)
        tall = images_NHWC.shape[1] / images_NHWC.shape[2]  # x runs over the width from -1 to 1, y over the height
        entries_N6 = torch.stack([cos_N, -sin_N * tall, zero_N, sin_N / tall, cos_N, zero_N], 1)
        return transformed(images_NHWC, entries_N6.view(-1, 2, 3))


class ColorJitter(Augmentation):
    """Changes brightness, contrast and saturation of each image by factors from U(1 - strength, 1 + strength).

    Args:
        strength: In [0, 1].
    """

    def __init__(self, strength: float = 0.3):
        self.strength = in_range("data.augmentation: ColorJitter's strength", strength, "[0, 1]")

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        n, device = len(images_NHWC), images_NHWC.device
        factors_3N = 1 + (uniform((3, n), generator, device) * 2 - 1) * self.strength
        brightness, contrast, saturation = factors_3N.view(3, n, 1, 1, 1)
        x_NHWC = images_NHWC.float() * brightness
        grey_NHW1 = x_NHWC.mean(3, keepdim=True)
        x_NHWC = grey_NHW1 + (x_NHWC - grey_NHW1) * saturation
        mean_N111 = grey_NHW1.mean((1, 2), keepdim=True)
        x_NHWC = mean_N111 + (x_NHWC - mean_N111) * contrast
        return x_NHWC.round_().clamp_(0, 255).to(torch.uint8)


class Cutout(Augmentation):
    """Fills a square of each image with the image's mean color, so that no single part of it can be relied on.

    The square's centre lies anywhere, so it may reach over the edge. DeVries and Taylor 2017 (arXiv:1708.04552).

    Args:
        size: Side in pixels, >= 0.
    """

    def __init__(self, size: int = 8):
        self.size = in_range("data.augmentation: Cutout's size", size, "[0, inf)")

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        n, h, w, _ = images_NHWC.shape
        device = images_NHWC.device
        top_N1, left_N1 = (
            torch.randint(-(self.size // 2), side - self.size // 2, (n, 1), generator=generator, device=device)
            for side in (h, w)
        )
        rows, columns = torch.arange(h, device=device), torch.arange(w, device=device)
        inside_NH = (rows >= top_N1) & (rows < top_N1 + self.size)
        inside_NW = (columns >= left_N1) & (columns < left_N1 + self.size)
        inside_NHW1 = (inside_NH[:, :, None] & inside_NW[:, None, :])[..., None]
        mean_N11C = images_NHWC.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
        return torch.where(inside_NHW1, mean_N11C, images_NHWC)


def uniform(shape: int | tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """Numbers from U(0, 1)."""
    return torch.rand(shape, generator=generator, device=device)


def transformed(images_NHWC: Tensor, theta_N23: Tensor) -> Tensor:
    """Images whose pixels at x are the old ones' at theta (x, 1), both in [-1, 1]; interpolated bilinearly."""
    images_NCHW = images_NHWC.permute(0, 3, 1, 2).float()
    grid_NHW2 = F.affine_grid(theta_N23, list(images_NCHW.shape), align_corners=False)
    new_NCHW = F.grid_sample(images_NCHW, grid_NHW2, padding_mode="reflection", align_corners=False)
    return new_NCHW.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
