"""Networks. Each takes a normalization and an activation, so that units 3 and 4 can be tried on all of them.

The Classifier passes `num_classes`, `in_channels`, `image_size` and `normalization` to whatever network the
configuration names, as far as its `__init__` accepts them. A network of your own needs nothing else:
`class_path: submission.my_network.MyNetwork`.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from project.normalization import Layer, Normalization
from project.support.errors import UserError, in_range

ActivationCallable = Callable[[], nn.Module]


def normalized(
    layer: Layer,
    normalization: Normalization | None,
    activation: ActivationCallable,
    before_normalization: nn.Module | None = None,
    before_activation: nn.Module | None = None,
) -> nn.Sequential:
    """A convolution or fully connected layer, then its normalization (if any), then the activation."""
    after = normalization.after(layer) if normalization else None
    function = activation()
    if isinstance(function, nn.ReLU):
        function.inplace = True  # nothing else needs its input, and memory need not be read and written twice
    return nn.Sequential(*filter(None, (layer, before_normalization, after, before_activation, function)))


class GlobalAverage(nn.Module):
    """Averages each channel over the whole image, (N, C, H, W) -> (N, C).

    AdaptiveAvgPool2d(1) does so, too, but its gradient lies in memory in another order, with which the backward pass of
    the layer before takes five times as long.
    """

    def forward(self, x_NCHW: Tensor) -> Tensor:
        return F.avg_pool2d(x_NCHW, x_NCHW.shape[2:]).flatten(1)


def check_counts(least: int = 1, **counts: int) -> None:
    """Raises UserError where one of a network's counts is less."""
    for name, count in counts.items():
        in_range(f"model.network: {name}", count, f"[{least}, inf)")


def check_stages(image_size: int, stem_stride: int, stages: int) -> None:
    """Raises UserError where there is no stage, or where they would halve the image to nothing."""
    check_counts(stem_stride=stem_stride, stages=stages)
    if -(-image_size // stem_stride) < 2 ** (stages - 1):
        raise UserError(f"model.network: {stages} stages halve {image_size} pixels to nothing; take fewer stages")


class MLP(nn.Module):
    """Fully connected layers. `depth` hidden layers of `width` units; depth 0 is a linear softmax classifier."""

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        normalization: Normalization | None = None,
        activation: ActivationCallable = nn.ReLU,
        depth: int = 2,
        width: int = 128,
    ):
        super().__init__()
        check_counts(width=width)
        check_counts(0, depth=depth)
        self.image_size = image_size
        widths = [in_channels * image_size**2] + [width] * depth
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            *(normalized(nn.Linear(i, o), normalization, activation) for i, o in zip(widths, widths[1:]))
        )
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K). Raises UserError where the images are not square."""
        if images_NCHW.shape[-1] != self.image_size:
            height, width = images_NCHW.shape[-2:]
            raise UserError(f"model.network: MLP takes square images, and these are {height}x{width}; take ConvNet")
        return self.head(self.hidden(self.flatten(images_NCHW)))


class ConvNet(nn.Module):
    """A plain convolutional network: a stem, then stages that halve the resolution and double the width.

    A stage's maxima are taken before its last activation, not after it: with one that never falls (ReLU, sigmoid) the
    result is the same, and the activation costs a quarter.

    Args:
        width: Channels of the stem and the first stage, >= 1.
        stages: Number of stages, >= 1.
        convs_per_stage: Convolutions in each stage, >= 1.
        stem_stride: >= 1; 2 halves the resolution at once, which makes everything behind it four times cheaper.
        pool: Side of the grid that each channel is averaged to before the head, >= 1; 1 averages over the whole image.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        normalization: Normalization | None = None,
        activation: ActivationCallable = nn.ReLU,
        width: int = 16,
        stages: int = 3,
        convs_per_stage: int = 2,
        stem_stride: int = 2,
        pool: int = 1,
    ):
        super().__init__()
        check_stages(image_size, stem_stride, stages)
        check_counts(width=width, convs_per_stage=convs_per_stage, pool=pool)

        def conv(i: int, o: int, stride: int = 1, halve: bool = False) -> nn.Sequential:
            layer = nn.Conv2d(i, o, 3, stride, padding=1)
            return normalized(layer, normalization, activation, before_activation=nn.MaxPool2d(2) if halve else None)

        self.stem = conv(in_channels, width, stem_stride)
        self.stages = nn.Sequential()
        channels = width
        for stage in range(stages):
            convs = nn.Sequential()
            for number in range(1, convs_per_stage + 1):
                halve = number == convs_per_stage and stage + 1 < stages
                convs.append(conv(channels, width * 2**stage, halve=halve))
                channels = width * 2**stage
            self.stages.append(convs)
        self.pool = GlobalAverage() if pool == 1 else nn.Sequential(nn.AdaptiveAvgPool2d(pool), nn.Flatten())
        self.head = nn.Linear(channels * pool**2, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        return self.head(self.pool(self.stages(self.stem(images_NCHW))))


class ResNet(nn.Module):
    """A residual network: a stem, then stages of blocks, each of which adds two convolutions' output to their input.

    He et al. 2016 (arXiv:1512.03385), with the layers of section 4.2.

    Args:
        width: Channels of the stem and the first stage, >= 1; each further stage halves the resolution and doubles them.
        stages: Number of stages, >= 1.
        blocks_per_stage: Residual blocks in each stage, >= 1.
        stem_stride: >= 1; 2 halves the resolution at once, which makes everything behind it four times cheaper.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        normalization: Normalization | None = None,
        activation: ActivationCallable = nn.ReLU,
        width: int = 16,
        stages: int = 3,
        blocks_per_stage: int = 1,
        stem_stride: int = 2,
    ):
        super().__init__()
        check_stages(image_size, stem_stride, stages)
        check_counts(width=width, blocks_per_stage=blocks_per_stage)
        self.stem = normalized(nn.Conv2d(in_channels, width, 3, stem_stride, padding=1), normalization, activation)
        self.stages = nn.Sequential()
        channels = width
        for stage in range(stages):
            for block in range(blocks_per_stage):
                stride = 2 if stage and not block else 1
                self.stages.append(ResidualBlock(channels, width * 2**stage, stride, normalization, activation))
                channels = width * 2**stage
        self.pool = GlobalAverage()
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        return self.head(self.pool(self.stages(self.stem(images_NCHW))))


class SpeedNet(nn.Module):
    """A plain network for short trainings: a stem of small patches, then stages that pool early and double up late.

    A stage is a convolution at the resolution of the stage before, a pooling to half of it, and a second convolution, or a
    residual block of two.
    The stem has no normalization, since it is meant to be whitened (`project.initialization.PatchWhitening`). The head
    gets the maximum of each of the last stage's channels, and its logits are scaled down. After Jordan 2024
    (arXiv:2404.00498).

    Args:
        widths: Channels of each stage.
        stem_stride: >= 1; 2 halves the resolution at once, which makes everything behind it four times cheaper.
        logit_scale: Factor of the logits, > 0. With a small one, the first steps are not too sure of anything.
        test_views: Test-time augmentation: the logits are those of the image alone (1), the mean over it and its mirror
            image (2), or also over both of these, shifted by a pixel towards two corners (6). In training it is always 1.
        residual: A residual block of two convolutions takes the place of each stage's second one, as in the paper's
            deepest network.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        image_size: int = 32,
        normalization: Normalization | None = None,
        activation: ActivationCallable = nn.GELU,
        widths: list[int] | None = None,
        stem_stride: int = 1,
        logit_scale: float = 1 / 9,
        test_views: Literal[1, 2, 6] = 1,
        residual: bool = False,
    ):
        super().__init__()
        widths = [64, 256, 256] if widths is None else widths
        check_stages(image_size // 2, stem_stride, len(widths))
        check_counts(widths=min(widths))
        in_range("model.network: logit_scale", logit_scale, "(0, inf)")
        patch = 2
        channels = 2 * in_channels * patch**2  # each direction of a patch, with both signs
        self.stem = nn.Sequential(nn.Conv2d(in_channels, channels, patch, stem_stride), activation())
        self.stages = nn.Sequential()
        for width in widths:
            first = nn.Conv2d(channels, width, 3, padding=1, bias=normalization is None)
            stage = normalized(first, normalization, activation, before_normalization=nn.MaxPool2d(2))
            if residual:
                stage.append(ResidualBlock(width, width, 1, normalization, activation))
            else:
                second = nn.Conv2d(width, width, 3, padding=1, bias=normalization is None)
                stage.extend(normalized(second, normalization, activation))
            self.stages.append(stage)
            channels = width
        self.pool = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, num_classes, bias=False)
        self.logit_scale, self.test_views = logit_scale, test_views

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        if self.training or self.test_views == 1:
            return self._logits(images_NCHW)
        return torch.stack([self._logits(view_NCHW) for view_NCHW in views(images_NCHW, self.test_views)]).mean(0)

    def _logits(self, images_NCHW: Tensor) -> Tensor:
        return self.head(self.pool(self.stages(self.stem(images_NCHW)))) * self.logit_scale


def views(images_NCHW: Tensor, count: int) -> Iterator[Tensor]:
    """The images and their mirror images; of 6 views, also both of them shifted by a pixel down right and up left."""
    h, w = images_NCHW.shape[2:]
    padded_NCHW = F.pad(images_NCHW, (1, 1, 1, 1), mode="reflect")
    for corner in (1, 0, 2)[: count // 2]:
        shifted_NCHW = padded_NCHW[:, :, corner : corner + h, corner : corner + w]
        yield shifted_NCHW
        yield shifted_NCHW.flip(3)


class ResidualBlock(nn.Module):
    """activation(shortcut(x) + branch(x)); the shortcut is x itself, or a 1x1 convolution where the shape changes."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        stride: int,
        normalization: Normalization | None,
        activation: ActivationCallable,
    ):
        super().__init__()
        self.branch = nn.Sequential(
            normalized(nn.Conv2d(channels, out_channels, 3, stride, padding=1), normalization, activation),
            normalized(nn.Conv2d(out_channels, out_channels, 3, padding=1), normalization, nn.Identity),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != out_channels:
            self.shortcut = normalized(nn.Conv2d(channels, out_channels, 1), normalization, nn.Identity)
        self.stride = stride
        self.activation = activation()

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, H / stride, W / stride)."""
        # The pixels that a 1x1 convolution with this stride would read. One with a stride makes oneDNN 3.12 write beyond
        # its memory, on processors with AVX2, for fewer than 8 channels and with one thread.
        strided_NCHW = x_NCHW[:, :, :: self.stride, :: self.stride]
        return self.activation(self.shortcut(strided_NCHW) + self.branch(x_NCHW))
