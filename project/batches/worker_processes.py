"""Batches from worker processes: for transforms that take one image at a time, and for data that memory cannot hold."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from project.augmentation import Augmentation, Placement
from project.batches.base import Batches
from project.datasets.source import Split
from project.support.errors import UserError
from project.support.seeds import IMAGE_BY_IMAGE, spread

MOST = (
    2.0  # of an image from 0 to 1: noise may carry it beyond 1, where it is cut off; what goes on to 255 is a mistake
)


class StreamedBatches(Batches):
    """Batches that a DataLoader's workers make ahead of time, from a split that need not fit in memory.

    Args:
        split: Images and labels, in memory or mapped from a file.
        augmentation: In order. Those of project.augmentation change a batch at once; anything else, such as a transform
            of torchvision.transforms.v2, is called with one image after another, uint8 (C, H, W).
        num_workers: Number of worker processes, >= 0. It changes nothing in the batches.
        arguments: See Batches.
    """

    def __init__(
        self,
        split: Split,
        *arguments: Any,
        augmentation: Sequence[Augmentation | Callable[[Tensor], Tensor]] = (),
        num_workers: int = 2,
        **more: Any,
    ):
        super().__init__(split, *arguments, **more)
        self.batches: list[tuple[Tensor, int, int]] = []  # of the epoch under way: samples' numbers, seed, epoch
        dataset = AugmentedBatches(split, augmentation if self.training else ())
        dataset[torch.arange(min(2, len(split.labels_N))), 0, 0]  # a mistake shows here, not in a worker
        self.loader = DataLoader(
            dataset,
            batch_size=None,  # the sampler gives whole batches
            sampler=self.batches,
            num_workers=min(num_workers, len(self)),
            persistent_workers=num_workers > 0,
            pin_memory=self.device.type == "cuda",
        )

    def made(self, batches: list[tuple[Tensor, int]], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        self.batches[:] = [(numbers_N, seed, epoch) for numbers_N, seed in batches]
        for images_NHWC, labels_N in self.loader:
            yield images_NHWC.to(self.device, non_blocking=True), labels_N.to(self.device, non_blocking=True)


class AugmentedBatches(Dataset[tuple[Tensor, Tensor]]):
    """Makes a batch, uint8 (N, H, W, C), and its labels from samples' numbers, a seed and the epoch, in a worker."""

    def __init__(self, split: Split, augmentation: Sequence[Augmentation | Callable[[Tensor], Tensor]]):
        self.split, self.augmentation = split, augmentation

    def __getitem__(self, batch: tuple[Tensor, int, int]) -> tuple[Tensor, Tensor]:
        numbers_N, seed, epoch = batch
        images_NHWC = self.split.images_NHWC[numbers_N]
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            # torchvision draws from the global generator; one after the other, no two transforms draw the same.
            torch.manual_seed(spread(seed, 0, IMAGE_BY_IMAGE))
            for augment in self.augmentation:
                if isinstance(augment, Placement):
                    images_NHWC = augment(images_NHWC, generator, numbers_N, epoch)
                elif isinstance(augment, Augmentation):
                    images_NHWC = augment(images_NHWC, generator)
                else:
                    images_NHWC = each_image(augment, images_NHWC)
        return images_NHWC, self.split.labels_N[numbers_N]


def each_image(transform: Callable[[Tensor], Tensor], images_NHWC: Tensor) -> Tensor:
    """Call a transform with each image, (C, H, W); it may return floating-point numbers from 0 to 1 instead of uint8.

    Raises UserError where it returns images of another shape, or floating-point numbers that are far beyond 1.
    """
    images_NCHW = images_NHWC.permute(0, 3, 1, 2)
    changed, name = [transform(image_CHW) for image_CHW in images_NCHW], type(transform).__name__
    for image_CHW in changed:
        if image_CHW.shape != images_NCHW.shape[1:]:
            c, h, w = images_NCHW.shape[1:]
            given = "x".join(map(str, image_CHW.shape))
            raise UserError(f"data.augmentation: {name} makes images of {given}; they must stay {c}x{h}x{w}")
    changed_NCHW = torch.stack(changed)
    if changed_NCHW.is_floating_point():
        if changed_NCHW.numel() and (most := changed_NCHW.max().item()) > MOST:
            said = f"returns floating-point numbers up to {most:.4g}, which are from 0 to 1 here"
            raise UserError(f"data.augmentation: {name} {said}; divide by 255, or return uint8")
        changed_NCHW = (changed_NCHW * 255).round_().clamp_(0, 255).to(torch.uint8)
    return changed_NCHW.permute(0, 2, 3, 1).contiguous()
