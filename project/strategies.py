"""The census: which strategies of the four families a classifier really uses, and what shows it.

It looks at what was built (the optimizer's groups, the network's modules, the drawn weights), not at what the
configuration says. Take it before training: an initialization shows only in weights that have not moved.
"""

import warnings
from typing import NamedTuple

from torch import nn
from torch.optim import SGD

from project.classifier import Classifier
from project.data.module import ImageData

FAMILIES = ("optimization", "regularization", "initialization", "normalization")
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


def census(classifier: Classifier, data: ImageData) -> dict[str, list[Strategy]]:
    """The strategies of each family, for a freshly built classifier; an empty list for a family that is not used."""
    return {
        "optimization": _optimization(classifier),
        "regularization": _regularization(classifier, data),
        "initialization": _initialization(classifier),
        "normalization": _normalization(classifier),
    }


def _optimization(classifier: Classifier) -> list[Strategy]:
    optimizer = classifier.build_optimizer()
    group = optimizer.param_groups[0]
    found = []
    if not isinstance(optimizer, SGD):
        found.append(Strategy(type(optimizer).__name__, f"{type(optimizer).__name__}, lr {group['lr']:g}"))
    elif group["momentum"] > 0:
        name = "Nesterov momentum" if group["nesterov"] else "momentum"
        found.append(Strategy(f"SGD with {name}", f"momentum {group['momentum']:g}, lr {group['lr']:g}"))

    rates = _learning_rates(classifier)
    if len(set(rates)) > 1:
        name = getattr(classifier.scheduler, "keywords", None) is not None and type(
            classifier.build_scheduler(optimizer, len(rates))
        ).__name__
        found.append(Strategy(f"{name} schedule", f"lr {rates[0]:.2g} first, {max(rates):.2g} highest, {rates[-1]:.2g} last"))
    return found


def _learning_rates(classifier: Classifier, steps: int = 100) -> list[float]:
    """The rate of the first parameter group at each step of a pretended run; no parameter has a gradient, so none moves."""
    optimizer = classifier.build_optimizer()
    scheduler = classifier.build_scheduler(optimizer, steps)
    rates = [optimizer.param_groups[0]["lr"]]
    if scheduler is None or hasattr(scheduler, "monitor"):
        return rates
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
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
        found.append(Strategy("dropout", f"{len(dropped)} layers, p {', '.join(sorted({f'{m.p:g}' for m in dropped}))}"))
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
