"""Unit 2: regularization. One strategy, one class; several at once accumulate.

What to see: the gap between training and validation accuracy, and what narrows it. Strategies act on the loss, in the
architecture, on the batch, or in the training; the lecture's augmented dataset is in `project/augmentation.py`.
"""

from abc import ABC
from collections.abc import Callable, Iterable, Sequence

from pytorch_lightning import Callback
from pytorch_lightning import callbacks as lightning_callbacks
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_avg_fn
from torchvision.ops import StochasticDepth as DropBranch
from torchvision.transforms import v2

from project.support.averaging import EpochAveraging
from project.support.errors import UserError, note


class Regularizer(ABC):
    """A strategy acts through one of these hooks; each does nothing by default."""

    def prepare(self, network: nn.Module) -> None:
        """Change the freshly built network in place, before its weights are drawn."""

    def change_batch(self, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
        """Change a training batch: images, and the probability of each class for each of them."""
        return images_NCHW, targets_NK

    def penalty(self, network: nn.Module) -> Tensor | float:
        """A term to add to the training loss of a batch."""
        return 0.0

    def weight_decay(self, parameter: nn.Parameter) -> float | None:
        """The optimizer's weight decay for this parameter; None leaves it to the optimizer's own setting."""
        return None

    def change_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Change the gradients in place, before the optimizer's step."""

    def callbacks(self) -> list[Callback]:
        """Lightning callbacks that carry the strategy out."""
        return []

    def acts_within(self, epochs: int) -> bool:
        """Whether a run of so many epochs is long enough to show any effect."""
        return True


def changes_batches(regularizer: Regularizer) -> bool:
    return type(regularizer).change_batch is not Regularizer.change_batch


def has_penalty(regularizer: Regularizer) -> bool:
    return type(regularizer).penalty is not Regularizer.penalty


def checked(name: str, value: float, low: float, high: float = float("inf")) -> float:
    """`value`, if it lies in [low, high]; else UserError."""
    if not low <= value <= high:
        raise UserError(f"model.regularization: {name} {value:g} is not in {low:g} to {high:g}")
    return value


# On the loss: the lecture's augmented error E_aug(w) = E(w) + (lambda / N) Omega(w). `factor` is lambda / N, so that it
# means the same for any number of images N. Biases and normalization layers are left out.


class Penalty(Regularizer):
    """Base of the penalties on weights.

    Args:
        factor: lambda / N, >= 0.
    """

    def __init__(self, factor: float = 1e-4):
        self.factor = checked("factor", factor, 0)

    def omega(self, weights: Tensor) -> Tensor:
        """The penalty on one weight tensor."""
        raise NotImplementedError

    def penalty(self, network: nn.Module) -> Tensor | float:
        return self.factor * sum(self.omega(p) for p in network.parameters() if p.ndim > 1)


class L1(Penalty):
    """Loss + factor * sum |w|: pulls every weight towards zero by the same step, and so makes many exactly useless."""

    def omega(self, weights: Tensor) -> Tensor:
        return weights.abs().sum()


class L2(Penalty):
    """Loss + factor * sum w^2: pulls large weights more. For SGD it is weight decay with twice the factor."""

    def omega(self, weights: Tensor) -> Tensor:
        return weights.square().sum()


class ElasticNet(Penalty):
    """Loss + factor * (l1_ratio sum |w| + (1 - l1_ratio) sum w^2). Zou and Hastie 2005 (JRSS B 67).

    Args:
        factor: lambda / N, >= 0.
        l1_ratio: Share of L1, in [0, 1].
    """

    def __init__(self, factor: float = 1e-4, l1_ratio: float = 0.5):
        super().__init__(factor)
        self.l1_ratio = checked("l1_ratio", l1_ratio, 0, 1)

    def omega(self, weights: Tensor) -> Tensor:
        return self.l1_ratio * weights.abs().sum() + (1 - self.l1_ratio) * weights.square().sum()


class LabelSmoothing(Regularizer):
    """The true class gets 1 - smoothing + smoothing / K, every other one smoothing / K.

    Memorised images stop paying: beyond a finite distance between the logits the loss rises again. Szegedy et al. 2016
    (arXiv:1512.00567), section 7.

    Args:
        smoothing: In [0, 1).
    """

    def __init__(self, smoothing: float = 0.1):
        self.smoothing = checked("smoothing", smoothing, 0, 1)

    def change_batch(self, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
        return images_NCHW, targets_NK * (1 - self.smoothing) + self.smoothing / targets_NK.shape[1]


# On the batch.


class Mixup(Regularizer):
    """Each image becomes a weighted mean of itself and another one of the batch, and so does its target.

    The weight is drawn from Beta(alpha, alpha), once for a batch. Zhang et al. 2018 (arXiv:1710.09412).

    Args:
        alpha: > 0; below 1 most mixtures are close to one of the two images.
    """

    def __init__(self, alpha: float = 0.2):
        self.mix = v2.MixUp(alpha=checked("alpha", alpha, 1e-6))

    def change_batch(self, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
        return self.mix(images_NCHW, targets_NK)


class CutMix(Mixup):
    """A rectangle of each image is cut out and filled from another one; the targets mix by area.

    The area's share is drawn from Beta(alpha, alpha), once for a batch. Yun et al. 2019 (arXiv:1905.04899), equation 1.

    Args:
        alpha: > 0; 1 makes every share of the area equally likely.
    """

    def __init__(self, alpha: float = 1.0):
        self.mix = v2.CutMix(alpha=checked("alpha", alpha, 1e-6))


# In the architecture.


class Dropout(Regularizer):
    """Zeroes each input of every fully connected layer with probability p in training, and scales up the rest.

    Srivastava et al. 2014 (JMLR 15), section 4, in the inverted form that needs no change at evaluation.

    Args:
        p: Probability of zeroing, in [0, 1].
    """

    def __init__(self, p: float = 0.1):
        self.p = checked("p", p, 0, 1)

    def prepare(self, network: nn.Module) -> None:
        layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
        if not layers:
            note(f"Dropout found no fully connected layer in {type(network).__name__}")
        put_before(network, layers, lambda: nn.Dropout(self.p))


class SpatialDropout(Regularizer):
    """Zeroes whole input channels of every convolution but the first, since neighbouring pixels say nearly the same.

    Tompson et al. 2015 (arXiv:1411.4280).

    Args:
        p: Probability of zeroing a channel, in [0, 1].
    """

    def __init__(self, p: float = 0.05):
        self.p = checked("p", p, 0, 1)

    def prepare(self, network: nn.Module) -> None:
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)][1:]
        if not convolutions:
            note(f"SpatialDropout found no second convolution in {type(network).__name__}")
        put_before(network, convolutions, lambda: nn.Dropout2d(self.p))


class StochasticDepth(Regularizer):
    """Leaves out whole residual branches at random, deeper ones more often. Residual networks only.

    Branch l of L is left out with probability p l / L for each image. Huang et al. 2016 (arXiv:1603.09382), equation 4.

    Args:
        p: Probability for the last branch, in [0, 1].
    """

    def __init__(self, p: float = 0.1):
        self.p = checked("p", p, 0, 1)

    def prepare(self, network: nn.Module) -> None:
        branches = list(filter(None, map(end_of_branch, network.modules())))
        if not branches:
            note(f"StochasticDepth found no residual branches in {type(network).__name__}; try project.networks.ResNet")
        for number, (block, last) in enumerate(branches, 1):
            drop = DropBranch(self.p * number / len(branches), "row")
            setattr(block, last, nn.Sequential(getattr(block, last), drop))


def end_of_branch(block: nn.Module) -> tuple[nn.Module, str] | None:
    """The last module of a residual block's branch, as the block and an attribute: ours, or torchvision's ResNets'."""
    for name in ("branch", "bn3", "bn2"):
        if hasattr(block, name) and (hasattr(block, "shortcut") or hasattr(block, "downsample")):
            return block, name
    return None


def put_before(network: nn.Module, layers: Sequence[nn.Module], make: Callable[[], nn.Module]) -> None:
    """Put a module of its own before each of these layers."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if any(child is layer for layer in layers):
                setattr(parent, name, nn.Sequential(make(), child))


# In the training.


class WeightDecay(Regularizer):
    """L2: every update also shrinks the weights. Loss + (weight_decay / 2) |w|^2, through the optimizer.

    For SGD this is the penalty of the lecture's augmented error; Adam rescales it, AdamW decouples it
    (Loshchilov and Hutter 2019, arXiv:1711.05101).

    Args:
        weight_decay: The factor, >= 0.
        biases_too: Also shrink biases and the scale and shift of normalization layers.
    """

    def __init__(self, weight_decay: float = 5e-4, biases_too: bool = False):
        self.factor, self.biases_too = checked("weight_decay", weight_decay, 0), biases_too

    def weight_decay(self, parameter: nn.Parameter) -> float:
        return self.factor if self.biases_too or parameter.ndim > 1 else 0.0


class GradientClipping(Regularizer):
    """Scales the gradient of all parameters together down to the norm `max_norm` where it is longer.

    Pascanu et al. 2013 (arXiv:1211.5063), algorithm 1.

    Args:
        max_norm: > 0.
    """

    def __init__(self, max_norm: float = 1.0):
        self.max_norm = checked("max_norm", max_norm, 1e-12)

    def change_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        nn.utils.clip_grad_norm_(parameters, self.max_norm)


class EarlyStopping(Regularizer):
    """Ends the training where a metric has not improved for `patience` epochs.

    Args:
        patience: Epochs without an improvement that are let pass, >= 0.
        monitor: The metric, such as val/loss or val/accuracy.
    """

    def __init__(self, patience: int = 3, monitor: str = "val/loss"):
        self.patience, self.monitor = int(checked("patience", patience, 0)), monitor

    def callbacks(self) -> list[Callback]:
        mode = "max" if self.monitor.endswith("accuracy") else "min"
        return [lightning_callbacks.EarlyStopping(self.monitor, patience=self.patience, mode=mode)]

    def acts_within(self, epochs: int) -> bool:
        return self.patience + 1 < epochs


class EMA(Regularizer):
    """Evaluates an exponential moving average of the weights: average = decay average + (1 - decay) w, each step.

    The average lies nearer to the middle of the valley that the weights bounce about in. Polyak and Juditsky 1992
    (SIAM J. Control Optim. 30) for the mean; Izmailov et al. 2018 for networks. Buffers (running averages of batch
    normalization) are averaged too.

    Args:
        decay: In [0, 1); 1 / (1 - decay) steps are averaged, some two epochs being a good start.
    """

    def __init__(self, decay: float = 0.99):
        self.decay = checked("decay", decay, 0, 1)

    def callbacks(self) -> list[Callback]:
        return [lightning_callbacks.WeightAveraging(avg_fn=get_ema_avg_fn(self.decay))]

    def acts_within(self, epochs: int) -> bool:
        return self.decay > 0


class SWA(Regularizer):
    """Evaluates the plain mean of the weights at the ends of the last epochs. It wants a rate that stays high.

    Izmailov et al. 2018 (arXiv:1803.05407), algorithm 1, but that the running averages of batch normalization are averaged
    like the weights, and not measured anew in an extra epoch, which the assignment would count.

    Args:
        first_epoch: The first epoch whose end counts, from 1.
    """

    def __init__(self, first_epoch: int = 11):
        self.first_epoch = int(checked("first_epoch", first_epoch, 1))

    def callbacks(self) -> list[Callback]:
        return [EpochAveraging(self.first_epoch - 1)]

    def acts_within(self, epochs: int) -> bool:
        return self.first_epoch < epochs
