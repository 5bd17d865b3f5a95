"""Batches from images that live in memory as uint8, on the training device."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from project.data.augmentation import Augmentation
from project.data.sources import Split


class ResidentBatches:
    """Iterates over batches of normalised images (N, C, H, W), float32, channels_last, and labels (N,).

    Args:
        split: Images and labels, on any device; batches are made there.
        batch_size: Images in a batch. In training the last, smaller batch is left out, unless it is the only one.
        mean, std: Of each channel, in [0, 1].
        training: Shuffle and augment, anew in every epoch.
        augmentation: In order; used in training only.
        seed: Of the order and of the augmentation.
        epoch: Tells the number of the epoch that begins. Each draws from the seed and its number, so that a training
            that resumes gets the batches that it would have had.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        training: bool = False,
        augmentation: Sequence[Augmentation] = (),
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
    ):
        self.images_NHWC, self.labels_N = split
        device = self.images_NHWC.device
        self.batch_size, self.training, self.augmentation = batch_size, training, augmentation
        self.seed, self.epoch = seed, epoch
        scale_C = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        self.scale_C11 = scale_C.float().view(-1, 1, 1).to(device)
        self.offset_C11 = (-torch.tensor(mean, dtype=torch.float64) * 255 * scale_C).float().view(-1, 1, 1).to(device)

    def __len__(self) -> int:
        if self.training:
            return max(1, len(self.labels_N) // self.batch_size)
        return -(-len(self.labels_N) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.images_NHWC.device
        order_N = torch.arange(len(self.labels_N), device=device)
        generator = torch.Generator(device)
        if self.training:
            # The order is drawn on the CPU, so that it is the same on every device.
            order_N = torch.randperm(len(order_N), generator=torch.Generator().manual_seed(self.draw(0))).to(device)
            generator.manual_seed(self.draw(1))
        for batch in range(len(self)):
            chosen = order_N[batch * self.batch_size : (batch + 1) * self.batch_size]
            images_NHWC = self.images_NHWC[chosen]
            if self.training:
                for augment in self.augmentation:
                    images_NHWC = augment(images_NHWC, generator)
            images_NCHW = images_NHWC.permute(0, 3, 1, 2)  # channels_last as it lies
            yield images_NCHW.float().mul_(self.scale_C11).add_(self.offset_C11), self.labels_N[chosen]

    def draw(self, purpose: int) -> int:
        """A seed for this epoch, spread over all bits."""
        mixed = (self.seed * 1_000_003 + self.epoch()) * 2 + purpose
        return (mixed * 0x9E3779B97F4A7C15) % 2**63
