"""The data: a source of images as a LightningDataModule."""

from typing import Any

import psutil
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torchvision.transforms import v2

from project.augmentation import Augmentation
from project.batches.base import Batches
from project.batches.in_memory import ResidentBatches
from project.batches.worker_processes import StreamedBatches
from project.datasets.source import Source, Split, check_classes
from project.support.errors import UserError, in_range
from project.support.seeds import seed_kept
from project.support.wording import counted

LEAST_BATCH = 250  # without gradients there is room for larger batches


class ImageData(LightningDataModule):
    """Batches of normalised images and labels, for training, validation and testing.

    Args:
        source: Where the images come from, such as Glyphs, ImageArchive or CIFAR10.
        batch_size: Images in a batch, > 0.
        augmentation: Random changes of training images, in order; every image gets its own draw. Those of
            project.augmentation change a batch at once; those of torchvision.transforms.v2 work, too, image by image in
            worker processes. Of a class that is given twice, the later one counts.
        mean: Of each channel, in [0, 1]. By default the training images' own.
        std: Of each channel, > 0. By default the training images' own.
        in_memory: Keep the images on the training device, which is fast, or have worker processes read them. By default
            they are kept there, unless an augmentation works image by image or they would fill half of the free memory.
        num_workers: Number of worker processes, if they are used, >= 0. By default as many as torch uses threads, up to 8.

    Raises:
        UserError: A value is out of range, or the source cannot be read.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int = 128,
        augmentation: list[Augmentation | v2.Transform] | None = None,
        mean: list[float] | None = None,
        std: list[float] | None = None,
        in_memory: bool | None = None,
        num_workers: int | None = None,
    ):
        super().__init__()
        self.source, self.batch_size = source, in_range("data.batch_size:", batch_size, "[1, inf)")
        self.augmentation = list({type(chosen): chosen for chosen in augmentation or []}.values())
        if any(isinstance(augment, v2.Normalize) for augment in self.augmentation):
            raise UserError("data.augmentation: Normalize is done by data.mean and data.std; take it out")
        if in_memory and self.by_image:
            raise UserError(f"data.in_memory: {self.by_image[0]} works image by image; leave in_memory at null")
        self.in_memory = in_memory
        chosen_workers = min(8, torch.get_num_threads()) if num_workers is None else num_workers
        self.num_workers = in_range("data.num_workers:", chosen_workers, "[0, inf)")
        self.mean = mean and [in_range("data.mean:", value, "[0, 1]") for value in mean]
        self.std = std and [in_range("data.std:", value, "(0, inf)") for value in std]
        self.loaded: dict[str, Split] = {}
        self.training_batches: Batches | None = None
        self.resumed: dict[str, int] = {}  # where the training batches go on

    @property
    def classes(self) -> list[str]:
        """Names of the K classes, in the order of their labels."""
        return self.source.classes

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        _, h, w, c = self.split(self.source.splits[0]).images_NHWC.shape
        return c, h, w

    def samples_per_epoch(self, limit: int | float = 1.0) -> int:
        """Training images seen in an epoch: a last batch that is not full is left out.

        Args:
            limit: Number of the batches that are taken, or their share, as `trainer.limit_train_batches`.
        """
        samples = len(self.split("train").labels_N)
        return taken(limit, samples // self.batch_size * self.batch_size or samples, self.batch_size)

    def samples(self, name: str, limit: int | float = 1.0) -> int:
        """Images of a split that is not trained on, of which a number of batches or a share of them is taken."""
        return taken(limit, len(self.split(name).labels_N), max(self.batch_size, LEAST_BATCH))

    def split(self, name: str) -> Split:
        """A split, loaded once. Raises UserError where the source has none of that name."""
        if name not in self.source.splits:
            raise UserError(f"data.source: there is no {name} split; there is {', '.join(self.source.splits)}")
        if name not in self.loaded:
            with seed_kept():
                self.loaded[name] = self.source.load(name)
        return self.loaded[name]

    def setup(self, stage: str) -> None:
        """Load what a stage needs: `fit`, `validate`, `test` or `predict`."""
        for name in {"fit": ("train", "val"), "validate": ("val",)}.get(stage, ("test",)):
            unlabelled = bool((self.split(name).labels_N < 0).any())
            if unlabelled and stage != "predict":
                raise UserError(f"data.source: the {name} images have no labels; `predict` writes down their classes")
        if stage == "fit":
            check_classes("data.source", self.split("train"), self.classes)
        if self.mean is None or self.std is None:
            mean, std = channel_statistics(self.split("train").images_NHWC)
            self.mean, self.std = self.mean or mean, self.std or std
        if not (channels := self.image_shape[0]) == len(self.mean) == len(self.std):
            cure = "give as many values, or have them measured: --data.mean null --data.std null"
            raise UserError(f"data.mean, data.std: the images have {counted(channels, 'channel')}; {cure}")

    @property
    def by_image(self) -> list[str]:
        """Names of the augmentations that work image by image."""
        return [type(chosen).__name__ for chosen in self.augmentation if not isinstance(chosen, Augmentation)]

    def why_streamed(self, name: str, device: torch.device) -> str | None:
        """Why worker processes make a split's batches; None where its images are kept on the device."""
        if self.by_image and name == "train":
            return f"{self.by_image[0]} works image by image"
        if self.in_memory is not None:
            return None if self.in_memory else "data.in_memory is false"
        needed = 2 * self.split(name).images_NHWC.numel()  # bytes, mirror images included
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
        return f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB of memory free" if needed > free / 2 else None

    def described(self, device: torch.device) -> str:
        """How training batches are made, in a few words."""
        why = self.why_streamed("train", device)
        return f"by {counted(self.num_workers, 'worker process', 'worker processes')} ({why})" if why else "from memory"

    def sample(self, count: int) -> Tensor:
        """Training images (at most `count`, always the same), normalised, not augmented: (N, C, H, W), float32."""
        images_NHWC, labels_N = self.split("train")
        chosen = torch.randperm(len(labels_N), generator=torch.Generator().manual_seed(0))[:count]
        split = Split(images_NHWC[chosen], labels_N[chosen])
        return next(iter(ResidentBatches(split, count, self.mean, self.std)))[0]

    def trial_batches(self, augmentation: list[Augmentation | v2.Transform]) -> Batches:
        """Training batches with an augmentation to look at, on the CPU, made by a worker process where a training has any."""
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        workers = min(1, self.num_workers) if self.why_streamed("train", device) else 0  # each takes time to start
        assert self.mean and self.std, "set up"
        split, size = self.split("train"), self.batch_size
        return StreamedBatches(
            split, size, self.mean, self.std, training=True, augmentation=augmentation, num_workers=workers
        )

    def train_dataloader(self) -> Batches:
        self.training_batches = self.batches("train", training=True)
        if self.resumed:
            self.training_batches.load_state_dict(self.resumed)
            self.resumed = {}
        return self.training_batches

    # Where a run stops within an epoch, its checkpoint says after which batch. Lightning would restore the loader itself,
    # but too early where a schedule needs the number of steps.
    def state_dict(self) -> dict[str, int]:
        # The trainer knows where an epoch ends: it may take only a part of the batches.
        if not self.training_batches or not self.trainer or self.trainer.is_last_batch:
            return {}
        return self.training_batches.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.resumed = state

    def val_dataloader(self) -> Batches:
        return self.batches("val")

    def test_dataloader(self) -> Batches:
        return self.batches("test")

    predict_dataloader = test_dataloader

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch  # it is there already

    def batches(self, name: str, training: bool = False) -> Batches:
        """A split's batches, on the trainer's device."""
        trainer = self.trainer
        assert trainer is not None, "Lightning asks for batches"
        device = trainer.strategy.root_device
        size = self.batch_size if training else max(self.batch_size, LEAST_BATCH)
        seed = torch.initial_seed() % 2**32

        def epoch() -> int:  # a run that overfits a few batches needs the same ones in every epoch
            return 0 if trainer.overfit_batches else trainer.current_epoch  # type: ignore[attr-defined]  # Lightning sets it

        mixed = name == "val"  # of which a run may take a part; predictions are in the split's own order
        arguments = (self.split(name), size, self.mean, self.std, device, training, seed, epoch, mixed)
        if self.why_streamed(name, device):
            return StreamedBatches(*arguments, augmentation=self.augmentation, num_workers=self.num_workers)
        return ResidentBatches(*arguments, augmentation=self.augmentation)


def taken(limit: int | float, samples: int, batch_size: int) -> int:
    """Images in a number of batches of all these images, or in a share of the batches."""
    batches = limit if isinstance(limit, int) else int(limit * -(-samples // batch_size))
    return min(samples, batches * batch_size)


def channel_statistics(images_NHWC: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel of uint8 images, in [0, 1]; a constant channel has std 1."""
    sums = torch.zeros(2, images_NHWC.shape[-1], dtype=torch.float64)
    for chunk in images_NHWC.split(1000):
        values = chunk.flatten(0, 2).double() / 255
        sums += torch.stack([values.sum(0), values.square().sum(0)])
    mean_C, square_C = sums / images_NHWC[..., 0].numel()
    std_C = (square_C - mean_C.square()).clamp(min=0).sqrt()
    return mean_C.tolist(), torch.where(std_C < 1e-6, 1.0, std_C).tolist()
