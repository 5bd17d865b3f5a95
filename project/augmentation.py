"""Unit 2's third kind, the augmented dataset: every image of a batch gets a random draw of its own.

An augmentation is a batch of uint8 images in, a new one out; it runs where the images are.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from project.support.errors import UserError
from project.support.padded_images import PaddedImages


class Augmentation(ABC):
    """Changes training images, never those that validate or test."""

    @abstractmethod
    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 (N, H, W, C) -> the same shape; all randomness comes from `generator`."""


class Placement(Augmentation):
    """Base of those that only move whole pixels. All of a list's are carried out first, at once, while a batch is gathered.

    Attributes:
        margin: Pixels by which it shifts an image at most, each way. What comes in at the edges mirrors the image.
        mirrors: Whether it mirrors images left to right.
    """

    margin: int = 0
    mirrors: bool = False

    def shift(self, samples_N: Tensor, generator: torch.Generator) -> Tensor:
        """(2, N): rows and columns, in [-margin, margin], by which each image's window moves. Asked where margin > 0."""
        raise NotImplementedError

    def mirror(self, samples_N: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        """(N,): 1 where an image is mirrored, else 0; `samples_N` are the numbers in their split. Asked if it mirrors."""
        raise NotImplementedError

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        padded = PaddedImages(images_NHWC, self.margin, self.mirrors)
        samples_N = torch.arange(len(images_NHWC), device=images_NHWC.device)
        return placed(padded, samples_N, [self], samples_N, 0, generator)


def placed(
    padded: PaddedImages,
    numbers_N: Tensor,
    placements: Sequence[Placement],
    samples_N: Tensor,
    epoch: int,
    generator: torch.Generator,
) -> Tensor:
    """Gather images with all placements' shifts and flips: numbers in `padded`, and in their split, of each."""
    shift_2N = mirrored_N = None
    for placement in placements:
        if placement.margin:
            own_2N = placement.shift(samples_N, generator)
            shift_2N = own_2N if shift_2N is None else shift_2N + own_2N
        if placement.mirrors:
            own_N = placement.mirror(samples_N, epoch, generator)
            mirrored_N = own_N if mirrored_N is None else mirrored_N ^ own_N
    return padded.gather(numbers_N, shift_2N, mirrored_N)


class RandomCrop(Placement):
    """Shifts each image by up to `padding` pixels each way; what comes in at the edges mirrors the image.

    Args:
        padding: Largest shift in pixels, >= 0 and smaller than the image.
    """

    def __init__(self, padding: int = 4):
        if padding < 0:
            raise UserError(f"data.augmentation: RandomCrop cannot shift by {padding} pixels; take 0 or more")
        self.margin = padding

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
        if not 0 <= p <= 1:
            raise UserError(f"data.augmentation: RandomHorizontalFlip's p {p} is not between 0 and 1")
        self.p = p

    def mirror(self, samples_N: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        return (uniform(len(samples_N), generator, samples_N.device) < self.p).long()


class AlternatingFlip(Placement):
    """Mirrors half of the images left to right in one epoch and the other half in the next.

    A random flip shows every other image the same way in two epochs running; this shows none so. Jordan 2024
    (arXiv:2404.00498).
    """

    mirrors = True

    def mirror(self, samples_N: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        scattered_N = (samples_N * 2_654_435_761 + 97) >> 16  # neighbours may be of one class
        return (scattered_N + epoch) & 1


class RandomAffine(Augmentation):
    """Scales, shears and turns each image a little; what comes in at the edges mirrors the image.

    A pixel at x is taken from (I + E) x + t, every entry of E drawn from U(-strength, strength), those of t from
    U(-strength, strength) / 2 of half the image's side; bilinear.

    Args:
        strength: At 0.1, lengths change by up to 10 % and angles by up to 6 degrees, in [0, 1).
    """

    def __init__(self, strength: float = 0.12):
        if not 0 <= strength < 1:
            raise UserError(f"data.augmentation: RandomAffine's strength {strength} is not between 0 and 1")
        self.strength = strength

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        n, device = len(images_NHWC), images_NHWC.device
        drawn_N23 = (uniform((n, 2, 3), generator, device) * 2 - 1) * self.strength
        drawn_N23[:, :, 2] *= 0.5
        return seen_through(torch.eye(2, 3, device=device) + drawn_N23, images_NHWC)


class RandomRotation(Augmentation):
    """Turns each image about its centre by an angle from U(-degrees, degrees); what comes in at the corners mirrors it.

    Args:
        degrees: In [0, 180].
    """

    def __init__(self, degrees: float = 10.0):
        if not 0 <= degrees <= 180:
            raise UserError(f"data.augmentation: RandomRotation's degrees {degrees} are not between 0 and 180")
        self.degrees = degrees

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        angle_N = (uniform(len(images_NHWC), generator, images_NHWC.device) * 2 - 1) * math.radians(self.degrees)
        cos_N, sin_N, zero_N = angle_N.cos(), angle_N.sin(), torch.zeros_like(angle_N)
        return seen_through(torch.stack([cos_N, -sin_N, zero_N, sin_N, cos_N, zero_N], 1).view(-1, 2, 3), images_NHWC)


class ColorJitter(Augmentation):
    """Changes brightness, contrast and saturation of each image by factors from U(1 - strength, 1 + strength).

    Args:
        strength: In [0, 1].
    """

    def __init__(self, strength: float = 0.3):
        if not 0 <= strength <= 1:
            raise UserError(f"data.augmentation: ColorJitter's strength {strength} is not between 0 and 1")
        self.strength = strength

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
    """Fills a square of each image with its mean color, so that no single part can be relied on.

    The square's centre lies anywhere, so it may reach over the edge. DeVries and Taylor 2017 (arXiv:1708.04552).

    Args:
        size: Side in pixels, >= 0.
    """

    def __init__(self, size: int = 8):
        if size < 0:
            raise UserError(f"data.augmentation: Cutout's size {size} is not 0 or more")
        self.size = size

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
    """U(0, 1)."""
    return torch.rand(shape, generator=generator, device=device)


def seen_through(theta_N23: Tensor, images_NHWC: Tensor) -> Tensor:
    """Each image through its affine map (from places in the new image to places in the old, both -1 to 1), bilinear."""
    images_NCHW = images_NHWC.permute(0, 3, 1, 2).float()
    grid_NHW2 = F.affine_grid(theta_N23, list(images_NCHW.shape), align_corners=False)
    seen_NCHW = F.grid_sample(images_NCHW, grid_NHW2, padding_mode="reflection", align_corners=False)
    return seen_NCHW.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
