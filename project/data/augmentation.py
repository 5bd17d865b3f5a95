"""Unit 2's third kind, the augmented dataset: every image of a batch gets a random draw of its own.

An augmentation is a batch of uint8 images in, a new one out; it runs where the images are.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

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
        drawn_N23 = (torch.rand(n, 2, 3, generator=generator, device=device) * 2 - 1) * self.strength
        identity_23 = torch.eye(2, 3, device=device)
        theta_N23 = identity_23 + drawn_N23 * torch.tensor([1, 1, 0.5], device=device)
        images_NCHW = images_NHWC.permute(0, 3, 1, 2).float()
        grid_NHW2 = F.affine_grid(theta_N23, list(images_NCHW.shape), align_corners=False)
        seen_NCHW = F.grid_sample(images_NCHW, grid_NHW2, padding_mode="reflection", align_corners=False)
        return seen_NCHW.round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def mirrored(position: Tensor, length: int) -> Tensor:
    """Positions outside of 0 ... length - 1 reflected back into it, the edge itself not repeated."""
    return (length - 1) - ((length - 1) - position.abs()).abs()
