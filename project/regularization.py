"""Unit 2: regularization. One strategy, one class; several at once accumulate.

What to see: the gap between training and validation accuracy, and what narrows it. The lecture's third kind,
the augmented dataset, is in `project/data/augmentation.py`.
"""

from abc import ABC

from torch import Tensor, nn


class Regularizer(ABC):
    """A strategy changes the architecture, the loss, or the update of a parameter; each hook does nothing by default."""

    def prepare(self, network: nn.Module) -> None:
        """Change the freshly built network in place, before its weights are drawn."""

    def penalty(self, network: nn.Module) -> Tensor | float:
        """A term to add to the training loss of a batch."""
        return 0.0

    def weight_decay(self, parameter: nn.Parameter) -> float | None:
        """The optimizer's weight decay for this parameter; None leaves it to the optimizer's own setting."""
        return None


class WeightDecay(Regularizer):
    """L2: every update also shrinks the weights. Loss + (weight_decay / 2) |w|^2, through the optimizer.

    For SGD this is the penalty of the lecture's augmented error; Adam rescales it, AdamW decouples it
    (Loshchilov and Hutter 2019, arXiv:1711.05101).

    Args:
        weight_decay: The factor, >= 0.
        biases_too: Also shrink biases and the scale and shift of normalization layers.
    """

    def __init__(self, weight_decay: float = 5e-4, biases_too: bool = False):
        self.factor, self.biases_too = weight_decay, biases_too

    def weight_decay(self, parameter: nn.Parameter) -> float:
        return self.factor if self.biases_too or parameter.ndim > 1 else 0.0


class Dropout(Regularizer):
    """Zeroes each input of every fully connected layer with probability p in training, and scales up the rest.

    Srivastava et al. 2014 (JMLR 15), section 4, in the inverted form that needs no change at evaluation.

    Args:
        p: Probability of zeroing, in [0, 1).
    """

    def __init__(self, p: float = 0.1):
        self.p = p

    def prepare(self, network: nn.Module) -> None:
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(parent, name, nn.Sequential(nn.Dropout(self.p), child))
