"""Batches from images that are kept as uint8 on the training device, and augmented there, a whole batch at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from project.augmentation import Augmentation, Placement, draw_placements
from project.batches.base import Batches
from project.datasets.source import Split
from project.support.padded_images import PaddedImages


class ResidentBatches(Batches):
    """Batches of a split that lies on the device, with the margins and mirror images that crops and flips need.

    Args:
        split: Images and labels; copied to the device.
        augmentation: In order, crops and flips first; used in training only.
        arguments: See Batches.
    """

    def __init__(self, split: Split, *arguments: Any, augmentation: Sequence[Augmentation] = (), **more: Any):
        super().__init__(split, *arguments, **more)
        chosen = augmentation if self.training else ()
        self.placements = [augment for augment in chosen if isinstance(augment, Placement)]
        self.others = [augment for augment in chosen if not isinstance(augment, Placement)]
        margin = sum(placement.margin for placement in self.placements)
        mirrors = any(placement.mirrors for placement in self.placements)
        self.padded = PaddedImages(split.images_NHWC.to(self.device), margin, mirrors)
        self.labels_N = split.labels_N.to(self.device)

    def made(self, batches: list[tuple[Tensor, int]], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator(self.device)
        # Copied to the device once an epoch, so that nothing within it waits for the host.
        numbers = torch.cat([numbers_N for numbers_N, _ in batches]).to(self.device).split([len(n) for n, _ in batches])
        for numbers_N, (_, seed) in zip(numbers, batches):
            generator.manual_seed(seed)
            images_NHWC = self.padded.gather(numbers_N, *draw_placements(self.placements, numbers_N, epoch, generator))
            for augment in self.others:
                images_NHWC = augment(images_NHWC, generator)
            yield images_NHWC, self.labels_N[numbers_N]
