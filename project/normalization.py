"""Unit 4: normalization. One strategy, one class; `after(layer)` gives the module that follows a layer.

What to see: without it the distribution of a layer's inputs drifts while the layers before it learn, and a
badly scaled start stays badly scaled. With it, deeper networks and larger learning rates train.
"""

from abc import ABC, abstractmethod

from torch import nn


class Normalization(ABC):
    """A normalization that can follow any convolution or fully connected layer."""

    @abstractmethod
    def after(self, layer: nn.Module) -> nn.Module:
        """The module to put between `layer` (nn.Conv2d or nn.Linear) and its activation."""


class BatchNormalization(Normalization):
    """Each channel to mean 0 and variance 1 over the batch, then a learned scale and shift.

    y = gamma (x - mean_B) / sqrt(var_B + eps) + beta; running averages of mean and variance replace the batch's
    at evaluation. Ioffe and Szegedy 2015 (arXiv:1502.03167), algorithm 1.

    Args:
        eps: Added to the variance, > 0.
        momentum: Share of the newest batch in the running averages, in (0, 1].
    """

    def __init__(self, eps: float = 1e-5, momentum: float = 0.1):
        self.eps, self.momentum = eps, momentum

    def after(self, layer: nn.Module) -> nn.Module:
        if isinstance(layer, nn.Conv2d):
            return nn.BatchNorm2d(layer.out_channels, self.eps, self.momentum)
        return nn.BatchNorm1d(layer.out_features, self.eps, self.momentum)
