"""The common way: a Lightning template as most are written, to compare with.

A dataset of images such as torchvision's CIFAR10, transforms of torchvision.transforms.v2 for each sample, a
DataLoader with workers that stay, `self.log` of loss and accuracy, float32. Written as well as its manner allows:
persistent workers, pinned memory on a GPU, no progress bar, no checkpoints.
"""

import sys
from collections.abc import Callable

import torch
from PIL import Image
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import v2

from project.data import ImageData
from project.datasets.image_archive import ImageArchive
from project.datasets.source import Split


def six_convolutions(num_classes: int = 10) -> nn.Module:
    """Three stages of two convolutions with 16, 32 and 64 channels, as most write them."""

    def conv(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]

    return nn.Sequential(
        *(*conv(3, 16), *conv(16, 16), nn.MaxPool2d(2)),
        *(*conv(16, 32), *conv(32, 32), nn.MaxPool2d(2)),
        *(*conv(32, 64), *conv(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(64, num_classes),
    )


class Images(Dataset):
    """As torchvision's CIFAR10: an array of images, each made a PIL image and transformed when it is asked for."""

    def __init__(self, split: Split, transform: Callable):
        self.data, self.targets, self.transform = split.images_NHWC.numpy(), split.labels_N.tolist(), transform

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


def training_transform(mean: list[float], std: list[float]) -> v2.Compose:
    return v2.Compose(
        [
            v2.RandomCrop(32, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(mean, std),
        ]
    )


def loader(split: Split, mean: list[float], std: list[float], batch_size: int, workers: int) -> DataLoader:
    return DataLoader(
        Images(split, training_transform(mean, std)),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


class Template(LightningModule):
    """Logs loss and accuracy as most do."""

    def __init__(self, network: nn.Module, lr: float, num_classes: int = 10):
        super().__init__()
        self.network, self.lr = network, lr
        self.accuracy = MulticlassAccuracy(num_classes, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images_NCHW, labels_N = batch
        logits_NK = self.network(images_NCHW)
        loss = F.cross_entropy(logits_NK, labels_N)
        self.accuracy(logits_NK, labels_N)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        self.log("train/accuracy", self.accuracy, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> dict:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
        schedule = OneCycleLR(optimizer, self.lr, total_steps=self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def trainer(epochs: int, callbacks: list) -> Trainer:
    return Trainer(
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
    )


def main(images: str, epochs: int, seed: int) -> None:
    """A whole training on photographs, as a process of its own; prints the validation accuracy in percent."""
    data = ImageData(ImageArchive(images))
    data.setup("fit")
    torch.manual_seed(seed)
    module = Template(six_convolutions(data.num_classes), lr=0.1, num_classes=data.num_classes)
    trainer(epochs, []).fit(module, loader(data.split("train"), data.mean, data.std, 128, torch.get_num_threads()))
    plain = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(data.mean, data.std)])
    with torch.no_grad():
        batches = DataLoader(Images(data.split("val"), plain), batch_size=500)
        right = sum((module.network.eval()(x).argmax(1) == labels_N).sum().item() for x, labels_N in batches)
    print(100 * right / len(data.split("val").labels_N))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
