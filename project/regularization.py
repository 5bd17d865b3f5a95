"""Unit 2: regularization. One strategy, one class; several can be combined.

What to see: the gap between training and validation accuracy, and what narrows it. A strategy acts on the loss, the
batch, the architecture or the training; the lecture's augmented dataset is in `project/augmentation.py`.
"""

from abc import ABC
from collections.abc import Iterable

from pytorch_lightning import Callback
from pytorch_lightning import callbacks as lightning_callbacks
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim.swa_utils import get_ema_avg_fn
from torchvision.ops import StochasticDepth as DropBranch
from torchvision.transforms import v2

from project.support.errors import in_range, note
from project.support.weight_averaging import EpochAveraging


class Regularizer(ABC):
    """A strategy overrides one of these hooks; each does nothing by default."""

    def prepare(self, network: nn.Module) -> None:
        """Change the freshly built network in place, before its weights are drawn."""

    def change_batch(self, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
        """Change a training batch: images, and for each of them the probability of each class."""
        return images_NCHW, targets_NK

    def penalty(self, network: nn.Module) -> Tensor | float:
        """A term to add to the training loss of a batch."""
        return 0.0

    def weight_decay(self, parameter: nn.Parameter) -> float | None:
        """The optimizer's weight decay for this parameter; None keeps the optimizer's own setting."""
        return None

    def change_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Change the gradients in place, before the optimizer's step."""

    def callbacks(self) -> list[Callback]:
        """Lightning callbacks that carry the strategy out."""
        return []

    def acts_within(self, epochs: int, validations: int) -> bool:
        """Whether a run of so many epochs and validations is long enough for the callbacks to have any effect."""
        return True


def changes_batches(regularizer: Regularizer) -> bool:
    return type(regularizer).change_batch is not Regularizer.change_batch


# On the loss: the lecture's augmented error E_aug(w) = E(w) + (lambda / N) Omega(w). `factor` is lambda / N, so it means
# the same for any number of images N. Biases, normalization layers and weight normalization's lengths are not penalized.


class Penalty(Regularizer):
    """Base of the penalties on weights.

    Args:
        factor: lambda / N, >= 0.
    """

    def __init__(self, factor: float = 1e-4):
        self.factor = in_range("model.regularization: factor", factor, "[0, inf)")

    def omega(self, weights: Tensor) -> Tensor:
        """The penalty on one weight tensor."""
        raise NotImplementedError

    def penalty(self, network: nn.Module) -> Tensor | float:
        spared = scales(network)
        return self.factor * sum(self.omega(p) for p in network.parameters() if p.ndim > 1 and p not in spared)


def scales(network: nn.Module) -> set[nn.Parameter]:
    """The parameters of a network that only scale and shift, and have several axes: (C, H, W) or, of weights, (O, 1, ...)."""
    found: set[nn.Parameter] = set()
    for module in network.modules():
        if isinstance(module, nn.LayerNorm | nn.RMSNorm):
            found.update(module.parameters(recurse=False))
        elif isinstance(module, parametrize.ParametrizationList) and hasattr(module, "original0"):
            length = module.get_parameter("original0")  # of weight normalization; its directions are original1
            found.update([length] if length.numel() == max(length.shape, default=1) else [])
    return found


class L1(Penalty):
    """Loss + factor * sum |w|: pulls every weight towards zero by the same step, so that many end next to zero."""

    def omega(self, weights: Tensor) -> Tensor:
        return weights.abs().sum()


class L2(Penalty):
    """Loss + factor * sum w^2: pulls large weights more. With SGD it is the same as weight decay with twice the factor."""

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
        self.l1_ratio = in_range("model.regularization: l1_ratio", l1_ratio, "[0, 1]")

    def omega(self, weights: Tensor) -> Tensor:
        return self.l1_ratio * weights.abs().sum() + (1 - self.l1_ratio) * weights.square().sum()


class LabelSmoothing(Regularizer):
    """The true class gets 1 - smoothing + smoothing / K, every other one smoothing / K.

    It does not pay to be ever surer of memorised images: where the logits lie too far apart, the loss rises again.
    Szegedy et al. 2016 (arXiv:1512.00567), section 7.

    Args:
        smoothing: In [0, 1).
    """

    def __init__(self, smoothing: float = 0.1):
        self.smoothing = in_range("model.regularization: smoothing", smoothing, "[0, 1)")

    def change_batch(self, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
        return images_NCHW, targets_NK * (1 - self.smoothing) + self.smoothing / targets_NK.shape[1]


# On the batch.


class Mixup(Regularizer):
    """Each image becomes a weighted mean of itself and another image of the batch; the targets are mixed alike.

    The weight is drawn from Beta(alpha, alpha), once for a batch. Zhang et al. 2018 (arXiv:1710.09412).

    Args:
        alpha: > 0; below 1, most mixtures are close to one of the two images.
    """

    def __init__(self, alpha: float = 0.2):
        self.mix = v2.MixUp(alpha=in_range("model.regularization: alpha", alpha, "(0, inf)"))

    def change_batch(self, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
        return self.mix(images_NCHW, targets_NK)


class CutMix(Mixup):
    """A rectangle of each image is filled from another image of the batch; the targets are mixed by area.

    The area's share is drawn from Beta(alpha, alpha), once for a batch. Yun et al. 2019 (arXiv:1905.04899), equation 1.

    Args:
        alpha: > 0; at 1, every share of the area is equally likely.
    """

    def __init__(self, alpha: float = 1.0):
        self.mix = v2.CutMix(alpha=in_range("model.regularization: alpha", alpha, "(0, inf)"))


# In the architecture.


class Dropout(Regularizer):
    """Zeroes each input of every fully connected layer with probability p in training, and scales up the rest.

    Srivastava et al. 2014 (JMLR 15), section 4, in the inverted form that needs no change at evaluation.

    Args:
        p: Probability of zeroing, in [0, 1].
    """

    kind: type[nn.Module] = nn.Dropout
    before: type[nn.Module] = nn.Linear
    spared = 0  # first layers that are left alone

    def __init__(self, p: float = 0.1):
        self.p = in_range("model.regularization: p", p, "[0, 1]")

    def prepare(self, network: nn.Module) -> None:
        layers = [module for module in network.modules() if isinstance(module, self.before)][self.spared :]
        if not layers:
            note(f"{type(self).__name__} found no place in {type(network).__name__}")
        for layer in layers:  # a hook, since what reads a layer's weights (attention) still needs to find them there
            layer.dropout = self.kind(self.p)
            layer.register_forward_pre_hook(drop_inputs)


def drop_inputs(layer: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return layer.get_submodule("dropout")(*inputs)


class SpatialDropout(Dropout):
    """Zeroes whole input channels of every convolution but the first, since neighbouring pixels tell nearly the same.

    Tompson et al. 2015 (arXiv:1411.4280).

    Args:
        p: Probability of zeroing a channel, in [0, 1].
    """

    kind, before, spared = nn.Dropout2d, nn.Conv2d, 1

    def __init__(self, p: float = 0.05):
        super().__init__(p)


class StochasticDepth(Regularizer):
    """Leaves out whole residual branches at random, deeper ones more often. Residual networks only.

    Branch l of L is left out with probability p l / L for each image. Huang et al. 2016 (arXiv:1603.09382), equation 4.

    Args:
        p: Probability for the last branch, in [0, 1].
    """

    def __init__(self, p: float = 0.1):
        self.p = in_range("model.regularization: p", p, "[0, 1]")

    def prepare(self, network: nn.Module) -> None:
        branches = list(filter(None, map(end_of_branch, network.modules())))
        if not branches:
            note(f"StochasticDepth found no residual branches in {type(network).__name__}; try project.networks.ResNet")
        for number, (block, last) in enumerate(branches, 1):
            drop = DropBranch(self.p * number / len(branches), "row")
            setattr(block, last, nn.Sequential(getattr(block, last), drop))


def end_of_branch(block: nn.Module) -> tuple[nn.Module, str] | None:
    """The last module of a residual branch, as its block and its name there; None where the module is no residual block."""
    for name in ("branch", "bn3", "bn2"):  # in project.networks.ResNet, and in torchvision's
        if hasattr(block, name) and (hasattr(block, "shortcut") or hasattr(block, "downsample")):
            return block, name
    return None


# In the training.


class WeightDecay(Regularizer):
    """L2: every update also shrinks the weights. Loss + (weight_decay / 2) |w|^2, through the optimizer.

    With SGD this is the penalty of the lecture's augmented error. Adam rescales it; AdamW applies it apart from the
    gradient (Loshchilov and Hutter 2019, arXiv:1711.05101).

    Args:
        weight_decay: The factor, >= 0.
        biases_too: Also shrink parameters of one axis: biases, and the scale and shift of normalization layers. Those of
            more axes, such as the lengths of weight normalization, are shrunk in any case.
    """

    def __init__(self, weight_decay: float = 5e-4, biases_too: bool = False):
        self.factor = in_range("model.regularization: weight_decay", weight_decay, "[0, inf)")
        self.biases_too = biases_too

    def weight_decay(self, parameter: nn.Parameter) -> float:
        return self.factor if self.biases_too or parameter.ndim > 1 else 0.0


class GradientClipping(Regularizer):
    """Scales the gradient of all parameters together down to the norm `max_norm` where its norm is larger.

    Pascanu et al. 2013 (arXiv:1211.5063), algorithm 1.

    Args:
        max_norm: > 0.
    """

    def __init__(self, max_norm: float = 1.0):
        self.max_norm = in_range("model.regularization: max_norm", max_norm, "(0, inf)")

    def change_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        nn.utils.clip_grad_norm_(parameters, self.max_norm)


class EarlyStopping(Regularizer):
    """Ends the training where a metric has not improved for `patience` epochs.

    Args:
        patience: So many epochs in a row without an improvement end it, >= 1.
        monitor: The metric, such as val/loss or val/accuracy.
    """

    def __init__(self, patience: int = 3, monitor: str = "val/loss"):
        self.patience = in_range("model.regularization: patience", patience, "[1, inf)")
        self.monitor = monitor

    def callbacks(self) -> list[Callback]:
        mode = "max" if self.monitor.endswith("accuracy") else "min"
        return [lightning_callbacks.EarlyStopping(self.monitor, patience=self.patience, mode=mode)]

    def acts_within(self, epochs: int, validations: int) -> bool:
        return self.patience + 1 < validations


class EMA(Regularizer):
    """Evaluates an exponential moving average of the weights: average = decay average + (1 - decay) w, each step.

    The weights move to and fro in a valley of the loss; the average lies nearer to its middle. Polyak and Juditsky 1992
    (SIAM J. Control Optim. 30) for the mean; Izmailov et al. 2018 for networks. Buffers, such as the running averages of
    batch normalization, are averaged too.

    Args:
        decay: In [0, 1). About the last 1 / (1 - decay) steps are averaged; those of two epochs are a good start.
    """

    def __init__(self, decay: float = 0.99):
        self.decay = in_range("model.regularization: decay", decay, "[0, 1)")

    def callbacks(self) -> list[Callback]:
        return [lightning_callbacks.WeightAveraging(avg_fn=get_ema_avg_fn(self.decay))]

    def acts_within(self, epochs: int, validations: int) -> bool:
        return self.decay >= 0.1  # less leaves the weights next to as they are


class SWA(Regularizer):
    """Evaluates the plain mean of the weights at the ends of the last epochs. It needs a learning rate that stays high.

    Izmailov et al. 2018 (arXiv:1803.05407), algorithm 1, with one change: the running averages of batch normalization are
    averaged like the weights. The paper measures them anew in an extra epoch, which the assignment would count.

    Args:
        first_epoch: The first epoch whose end counts, from 1.
    """

    def __init__(self, first_epoch: int = 11):
        self.first_epoch = in_range("model.regularization: first_epoch", first_epoch, "[1, inf)")

    def callbacks(self) -> list[Callback]:
        return [EpochAveraging(self.first_epoch - 1)]

    def acts_within(self, epochs: int, validations: int) -> bool:
        return self.first_epoch < epochs
