"""Unit 4: normalization. One strategy, one class; it is put after the layers of any network, or on their weights.

What to see: without it, the distribution of a layer's inputs drifts while the layers before it learn, and weights that
are badly scaled at the start stay so. With it, deeper networks train, and with larger learning rates.

Activations of a convolution are (N, C, H, W), of a fully connected layer (N, C). Each class says over which of these
axes it takes its mean and variance.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from project.support.errors import UserError, in_range, note

Layer = nn.Conv2d | nn.Linear  # what can be normalized
NORMALIZATION_LAYERS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    nn.GroupNorm,
    nn.LayerNorm,
)


def channels_of(layer: Layer) -> int:
    """Number of output channels of a convolution, or of units of a fully connected layer."""
    return layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features


class Normalization(ABC):
    """A normalization for convolutions and fully connected layers."""

    @abstractmethod
    def after(self, layer: Layer) -> nn.Module | None:
        """The module to put between `layer` and its activation; None where there is none to put there."""


class NormalizedActivations(Normalization):
    """Base of those that normalize a layer's outputs.

    Args:
        scale_and_shift: Learn a scale gamma and a shift beta for each channel, applied after the normalization. Without
            them, the next layer gets mean 0 and variance 1 whether it needs them or not.
        eps: Added to the variance, > 0.
    """

    def __init__(self, scale_and_shift: bool = True, eps: float = 1e-5):
        self.scale_and_shift, self.eps = scale_and_shift, in_range("model.normalization: eps", eps, "(0, inf)")


class BatchNormalization(NormalizedActivations):
    """Each channel to mean 0 and variance 1 over the batch (N, H, W), then a learned scale and shift.

    y = gamma (x - mean) / sqrt(var + eps) + beta; running averages of mean and variance replace the batch's
    at evaluation. Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1.

    Args:
        scale_and_shift: Learn gamma and beta.
        eps: Added to the variance, > 0.
        momentum: Weight of the newest batch in the running averages, in (0, 1].
    """

    def __init__(self, scale_and_shift: bool = True, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__(scale_and_shift, eps)
        self.momentum = in_range("model.normalization: momentum", momentum, "(0, 1]")

    def after(self, layer: Layer) -> nn.Module:
        norm = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
        return norm(channels_of(layer), self.eps, self.momentum, affine=self.scale_and_shift)


class LayerNormalization(NormalizedActivations):
    """Each image to mean 0 and variance 1 over all its activations (C, H, W); the same in training and evaluation.

    Ba et al. 2016 (arXiv:1607.06450), equation 4. Scale and shift are learned for each channel.
    """

    def after(self, layer: Layer) -> nn.Module:
        if isinstance(layer, nn.Conv2d):
            return LayerNorm2d(1, channels_of(layer), self.eps, affine=self.scale_and_shift)
        return nn.LayerNorm(channels_of(layer), self.eps, elementwise_affine=self.scale_and_shift)


class LayerNorm2d(nn.GroupNorm):
    """Layer normalization of (N, C, H, W): one group of all channels."""


class InstanceNormalization(NormalizedActivations):
    """Each channel of each image to mean 0 and variance 1 over its pixels (H, W). Convolutions only.

    Ulyanov et al. 2016 (arXiv:1607.08022). It removes an image's contrast, which helps to transfer styles; what the
    contrast told about the class is lost.
    """

    def after(self, layer: Layer) -> nn.Module | None:
        if isinstance(layer, nn.Conv2d):
            return nn.InstanceNorm2d(channels_of(layer), self.eps, affine=self.scale_and_shift)
        return None


class GroupNormalization(NormalizedActivations):
    """Each image to mean 0 and variance 1 over groups of its channels (C / groups, H, W).

    Between layer normalization (1 group) and instance normalization (C groups), and, unlike batch normalization, the
    same for any size of batch. Wu and He 2018 (arXiv:1803.08494), equation 7.

    Args:
        groups: Number of groups, >= 1; where it does not divide the channels, the largest smaller number that does.
        scale_and_shift: Learn gamma and beta.
        eps: Added to the variance, > 0.
    """

    def __init__(self, groups: int = 8, scale_and_shift: bool = True, eps: float = 1e-5):
        super().__init__(scale_and_shift, eps)
        self.groups = in_range("model.normalization: groups", groups, "[1, inf)")

    def after(self, layer: Layer) -> nn.Module:
        channels = channels_of(layer)
        groups = next(groups for groups in range(min(self.groups, channels), 0, -1) if channels % groups == 0)
        return nn.GroupNorm(groups, channels, self.eps, affine=self.scale_and_shift)


class RMSNormalization(NormalizedActivations):
    """Each image divided by the root mean square of its activations (C, H, W): layer normalization without the mean.

    y = gamma x / sqrt(mean(x^2) + eps); there is no shift. Zhang and Sennrich 2019 (arXiv:1910.07467), equation 4.
    """

    def after(self, layer: Layer) -> nn.Module:
        return RMSNorm(channels_of(layer), self.eps, self.scale_and_shift)


class RMSNorm(nn.Module):
    """Root-mean-square normalization of (N, C) or (N, C, H, W), with a scale for each channel."""

    def __init__(self, channels: int, eps: float, scale: bool):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None

    def forward(self, x_NC: Tensor) -> Tensor:
        """The same shape."""
        normalized_NC = F.rms_norm(x_NC, x_NC.shape[1:], eps=self.eps)
        if self.weight is None:
            return normalized_NC
        return normalized_NC * self.weight.view(-1, *[1] * (x_NC.ndim - 2))


class WeightNormalization(Normalization):
    """Each output channel's weights as a direction and a length: w = g v / |v|.

    The gradient of v is always at a right angle to v, so the direction is learned apart from the length. Activations are
    not looked at. Salimans and Kingma 2016 (arXiv:1602.07868), equation 2.
    """

    def after(self, layer: Layer) -> None:
        nn.utils.parametrizations.weight_norm(layer)


class WeightStandardization(Normalization):
    """Each output channel's weights to mean 0 and variance 1 / fan-in, times a learned gain.

    w = gain (v - mean(v)) / sqrt(fan_in var(v) + eps). Qiao et al. 2019 (arXiv:1903.10520), there together with group
    normalization; Brock et al. 2021 (arXiv:2101.08692), without, and with this scale and gain.

    Args:
        scale: Learn a gain for each output channel; without it the gain is sqrt(2), which suits rectifiers.
    """

    def __init__(self, scale: bool = True):
        self.scale = scale

    def after(self, layer: Layer) -> None:
        standardized = like(layer, StandardizedWeight(channels_of(layer), self.scale))
        parametrize.register_parametrization(layer, "weight", standardized)


class StandardizedWeight(nn.Module):
    """Computes from a weight tensor one of the same shape whose output channels have mean 0."""

    def __init__(self, channels: int, scale: bool):
        super().__init__()
        gain = torch.full((channels,), 2**0.5)
        if scale:
            self.gain = nn.Parameter(gain)
        else:
            self.register_buffer("gain", gain)

    def forward(self, weight: Tensor) -> Tensor:
        """(O, ...) -> (O, ...)."""
        flat_OI = weight.flatten(1)
        variance_O, mean_O = torch.var_mean(flat_OI, 1, correction=0, keepdim=True)
        standard_OI = (flat_OI - mean_O) * (variance_O * flat_OI.shape[1] + 1e-8).rsqrt()
        return (standard_OI * self.gain[:, None]).view_as(weight)

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


# The modules that show that a network is normalized. The last is the one that PyTorch's weight normalization adds.
NORMALIZERS = (
    *(*NORMALIZATION_LAYERS, nn.RMSNorm, RMSNorm, StandardizedWeight),
    type(nn.utils.parametrizations.weight_norm(nn.Linear(1, 1, device="meta")).parametrizations.weight[0]),
)


def normalizers(network: nn.Module) -> list[nn.Module]:
    """The modules of a network that normalize its activations or weights."""
    return [module for module in network.modules() if isinstance(module, NORMALIZERS)]


def normalize(network: nn.Module, normalization: Normalization) -> None:
    """Normalize a network that takes no `normalization` argument, in place, by going through its modules.

    Where the network has normalization layers of its own, the chosen one takes their place; where it has none, one
    follows every convolution and fully connected layer but the last.
    """
    modules = [(path, module) for path, module in network.named_modules() if not within_attention(path, network)]
    own = [(path, module) for path, module in modules if isinstance(module, NORMALIZATION_LAYERS)]
    replaceable = [(path, module) for path, module in own if not isinstance(module, nn.LayerNorm)]
    if own and not replaceable:
        chosen = type(normalization).__name__
        note(f"{chosen} is left out: {type(network).__name__} has layer normalization of its own, on tokens")
    elif own and isinstance(normalization, NormalizedActivations):
        for path, norm in replaceable:
            network.set_submodule(path, like(norm, normalization.after(normalized_by(norm)) or nn.Identity()))
    else:
        for path, _ in replaceable:
            network.set_submodule(path, nn.Identity())
        for path, layer in [(path, module) for path, module in modules if isinstance(module, Layer)][:-1]:
            if (after := normalization.after(layer)) is None:
                continue
            if not isinstance(after, nn.Module):
                cure = "return a module, such as nn.BatchNorm2d(channels_of(layer)), or None"
                raise UserError(f"model.normalization: {type(normalization).__name__}.after returns {after}; {cure}")
            network.set_submodule(path, nn.Sequential(layer, like(layer, after)))


def within_attention(path: str, network: nn.Module) -> bool:
    """Whether a module is a part of PyTorch's attention, which reads its parts' weights instead of calling them."""
    names = path.split(".")[:-1]
    return any(
        isinstance(network.get_submodule(".".join(names[:end])), nn.MultiheadAttention) for end in range(len(names) + 1)
    )


def like(layer: nn.Module, new: nn.Module) -> nn.Module:
    """A new module, with its numbers of the kind and on the device of a layer's: a network may have called `.double()`."""
    own = [tensor for tensor in (*layer.parameters(), *layer.buffers()) if tensor.is_floating_point()]
    return new.to(own[0]) if own else new


def normalized_by(norm: nn.Module) -> Layer:
    """A layer like the one that this normalization layer follows."""
    channels = norm.num_channels if isinstance(norm, nn.GroupNorm) else norm.num_features
    assert isinstance(channels, int)
    flat = isinstance(norm, (nn.BatchNorm1d, nn.InstanceNorm1d))
    return nn.Linear(1, channels) if flat else nn.Conv2d(1, channels, 1)
