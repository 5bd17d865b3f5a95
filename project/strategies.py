"""The census: which strategies of the four families a classifier really uses, and what shows it.

It looks at what was built (the optimizer's groups, the network's modules, the drawn weights), not at what the
configuration says. Take it before training: an initialization shows only in weights that have not moved.
"""

from typing import Any, NamedTuple

from torch import nn
from torch.optim import SGD, Optimizer

from project.classifier import Classifier, steps_each_batch
from project.data.module import ImageData

NORMALIZATION_LAYERS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
)
DROPOUT_LAYERS = (nn.modules.dropout._DropoutNd,)


class Strategy(NamedTuple):
    """A strategy that a classifier uses, and the evidence for it in one line."""

    name: str
    evidence: str


def census(classifier: Classifier, data: ImageData, epochs: int) -> dict[str, list[Strategy]]:
    """The strategies of each family that a freshly built classifier will use in a run of `epochs`; [] where none."""
    return {
        "optimization": _optimization(classifier, data, epochs),
        "regularization": _regularization(classifier, data),
        "initialization": _initialization(classifier),
        "normalization": _normalization(classifier),
    }


def _optimization(classifier: Classifier, data: ImageData, epochs: int) -> list[Strategy]:
    optimizer = classifier.build_optimizer()
    group = optimizer.param_groups[0]
    found = []
    if not isinstance(optimizer, SGD):
        found.append(Strategy(type(optimizer).__name__, f"{type(optimizer).__name__}, lr {group['lr']:g}"))
    elif group["momentum"] > 0:
        name = "Nesterov momentum" if group["nesterov"] else "momentum"
        found.append(Strategy(f"SGD with {name}", f"momentum {group['momentum']:g}, lr {group['lr']:g}"))

    batches = max(1, data.samples_per_epoch // data.batch_size)
    scheduler = classifier.build_scheduler(optimizer, epochs * batches)
    name = f"{type(scheduler).__name__} schedule"
    if hasattr(scheduler, "monitor"):
        found.append(Strategy(name, f"lowers the rate where {scheduler.monitor} stops improving"))
    elif scheduler is not None:
        rates = _rates(optimizer, scheduler, epochs * batches if steps_each_batch(scheduler) else epochs)
        if len(set(rates)) > 1:
            found.append(Strategy(name, f"lr {rates[0]:.2g} first, {max(rates):.2g} highest, {rates[-1]:.2g} last"))
    return found


def _rates(optimizer: Optimizer, scheduler: Any, steps: int) -> list[float]:
    """The rate of the first parameter group at each step; no parameter has a gradient, so none moves."""
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def _regularization(classifier: Classifier, data: ImageData) -> list[Strategy]:
    found = []
    decayed = [group for group in classifier.build_optimizer().param_groups if group.get("weight_decay", 0) > 0]
    if decayed:
        factors = ", ".join(f"{group['weight_decay']:g}" for group in decayed)
        weights = sum(p.numel() for group in decayed for p in group["params"])
        found.append(Strategy("weight decay", f"{factors} on {weights:,} weights"))
    dropped = [m for m in classifier.network.modules() if isinstance(m, DROPOUT_LAYERS) and m.p > 0]
    if dropped:
        found.append(
            Strategy("dropout", f"{len(dropped)} layers, p {', '.join(sorted({f'{m.p:g}' for m in dropped}))}")
        )
    for augmentation in data.augmentation:
        found.append(Strategy(type(augmentation).__name__, "augments every training batch, a draw for each image"))
    return found


def _initialization(classifier: Classifier) -> list[Strategy]:
    if classifier.initialization is None:
        return []
    return [Strategy(type(classifier.initialization).__name__, classifier.initialization.evidence(classifier.network))]


def _normalization(classifier: Classifier) -> list[Strategy]:
    layers = [type(m).__name__ for m in classifier.network.modules() if isinstance(m, NORMALIZATION_LAYERS)]
    return [Strategy(name, f"{layers.count(name)} layers") for name in sorted(set(layers))]
