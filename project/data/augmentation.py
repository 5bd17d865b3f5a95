"""Unit 2's third kind, the augmented dataset: every image of a batch gets a random draw of its own.

An augmentation is a batch of uint8 images in, a new one out; it runs where the images are.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from project.errors import UserError


class Augmentation(ABC):
    """Changes training images, never those that validate or test."""

    @abstractmethod
    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        """uint8 (N, H, W, C) -> the same shape; all randomness comes from `generator`."""


class RandomCrop(Augmentation):
    """Shifts each image by up to `padding` pixels each way; what comes in at the edges mirrors the image.

    Args:
        padding: Largest shift in pixels, >= 0 and smaller than the image.
    """

    def __init__(self, padding: int = 4):
        if padding < 0:
            raise UserError(f"data.augmentation: RandomCrop cannot shift by {padding} pixels; take 0 or more")
        self.padding = padding

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        n, h, w, _ = images_NHWC.shape
        if self.padding >= min(h, w):
            raise UserError(
                f"data.augmentation: RandomCrop's padding {self.padding} is not smaller than images of {h}x{w}"
            )
        device = images_NHWC.device
        shift_2N1 = torch.randint(-self.padding, self.padding + 1, (2, n, 1), generator=generator, device=device)
        rows_NH = mirrored(torch.arange(h, device=device) + shift_2N1[0], h)
        columns_NW = mirrored(torch.arange(w, device=device) + shift_2N1[1], w)
        pixels_NHW = (torch.arange(n, device=device)[:, None] * h + rows_NH)[:, :, None] * w + columns_NW[:, None, :]
        return images_NHWC.flatten(0, 2).index_select(0, pixels_NHW.flatten()).view_as(images_NHWC)


class RandomHorizontalFlip(Augmentation):
    """Mirrors each image left to right with probability p.

    Args:
        p: Probability, in [0, 1].
    """

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise UserError(f"data.augmentation: RandomHorizontalFlip's p {p} is not between 0 and 1")
        self.p = p

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        flipped_N = torch.rand(len(images_NHWC), generator=generator, device=images_NHWC.device) < self.p
        return torch.where(flipped_N[:, None, None, None], images_NHWC.flip(2), images_NHWC)


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
        identity_23 = torch.eye(2, 3, device=device)
        return seen_through(identity_23 + drawn_N23 * torch.tensor([1, 1, 0.5], device=device), images_NHWC)


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


class TrivialAugment(Augmentation):
    """One operation of torchvision's fourteen for each image (shear, turn, color, sharpness, ...), at a random strength.

    Nothing to tune. Slow: image by image. Mueller and Hutter 2021 (arXiv:2103.10158), algorithm 1.

    Args:
        num_magnitude_bins: Number of strengths, >= 2.
    """

    def __init__(self, num_magnitude_bins: int = 31):
        self.transform = v2.TrivialAugmentWide(num_magnitude_bins=num_magnitude_bins)

    def __call__(self, images_NHWC: Tensor, generator: torch.Generator) -> Tensor:
        # torchvision draws from the global generator.
        seed = int(torch.randint(2**31, (1,), generator=generator, device=images_NHWC.device))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            changed = [self.transform(image_CHW) for image_CHW in images_NHWC.permute(0, 3, 1, 2)]
        return torch.stack(changed).permute(0, 2, 3, 1).contiguous()


def uniform(shape: int | tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """U(0, 1)."""
    return torch.rand(shape, generator=generator, device=device)


def seen_through(theta_N23: Tensor, images_NHWC: Tensor) -> Tensor:
    """Each image through its affine map (from places in the new image to places in the old, both -1 to 1), bilinear."""
    images_NCHW = images_NHWC.permute(0, 3, 1, 2).float()
    grid_NHW2 = F.affine_grid(theta_N23, list(images_NCHW.shape), align_corners=False)
    seen_NCHW = F.grid_sample(images_NCHW, grid_NHW2, padding_mode="reflection", align_corners=False)
    return seen_NCHW.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def mirrored(position: Tensor, length: int) -> Tensor:
    """Positions outside of 0 ... length - 1 reflected back into it, the edge itself not repeated."""
    return (length - 1) - ((length - 1) - position.abs()).abs()
