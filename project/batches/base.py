"""What both ways of making batches share: order, seeds, normalisation, and where a stopped epoch goes on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from project.datasets.source import Split
from project.support.seeds import ORDER, spread


class Batches(ABC):
    """Iterates over batches of normalised images (N, C, H, W), float32, channels_last, and labels (N,), on a device.

    Args:
        split: Images and labels.
        batch_size: Images in a batch. In training a last, smaller batch is left out, unless it is the only one.
        mean, std: Of each channel, in [0, 1].
        device: Where the batches lie.
        training: Shuffle and augment, anew in every epoch.
        mixed: Give the images in an order that is drawn, but always the same: a part of a split that is sorted by class
            would show one class alone.
        seed: For the order and the augmentation.
        epoch: Returns the number of the epoch that begins. A batch's draws depend on the seed, this number and its own, so
            a resumed training gets the batches that it would have had.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device | str = "cpu",
        training: bool = False,
        seed: int = 0,
        epoch: Callable[[], int] = lambda: 0,
        mixed: bool = False,
    ):
        self.split, self.batch_size, self.device = split, batch_size, torch.device(device)
        self.training, self.seed, self.epoch, self.mixed = training, seed, epoch, mixed
        scale_C = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        self.scale_C = scale_C.float().to(self.device)
        self.offset_C = (-torch.tensor(mean, dtype=torch.float64) * 255 * scale_C).float().to(self.device)
        self.first = self.done = 0  # batches of this epoch: where to go on, and how many were given

    def __len__(self) -> int:
        if self.training:
            return max(1, len(self.split.labels_N) // self.batch_size)
        return -(-len(self.split.labels_N) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        first, self.first = self.first, 0
        epoch = self.epoch()
        numbers_N = torch.arange(len(self.split.labels_N))
        if self.training or self.mixed:
            # Drawn on the CPU: the same order on every device.
            order = torch.Generator().manual_seed(spread(self.seed, epoch, ORDER) if self.training else 0)
            numbers_N = torch.randperm(len(numbers_N), generator=order)
        batches = [
            (numbers_N[batch * self.batch_size : (batch + 1) * self.batch_size], spread(self.seed, epoch, batch + 1))
            for batch in range(first, len(self))
        ]
        for done, (images_NHWC, labels_N) in enumerate(self.made(batches, epoch), first + 1):
            self.done = done
            # Repeated for a whole row of pixels: with three numbers at a time it would take five times as long.
            width = images_NHWC.shape[2]
            images_NHWC = images_NHWC.float().mul_(self.scale_C.repeat(width, 1)).add_(self.offset_C.repeat(width, 1))
            yield images_NHWC.permute(0, 3, 1, 2), labels_N  # channels_last as it lies

    @abstractmethod
    def made(self, batches: list[tuple[Tensor, int]], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches on the device, images (N, H, W, C) from 0 to 255; of each, its samples' numbers and seed are given."""

    def drawn(self, numbers_N: Tensor, seed: int, epoch: int) -> Tensor:
        """Images (N, H, W, C), from 0 to 255, of the samples of these numbers: as one batch, beside those of any epoch."""
        ((images_NHWC, _),) = self.made([(numbers_N, seed)], epoch)
        return images_NHWC

    def state_dict(self) -> dict[str, int]:
        """For checkpoints: how many batches of the epoch were given."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.first = state["done"] % len(self)
