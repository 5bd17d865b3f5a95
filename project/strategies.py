"""The census: which strategies of the four families a classifier really uses, and what shows it.

It looks at what was built (the optimizer's groups, the network's modules, the drawn weights), not at what the
configuration says. It is taken before training, since training changes the drawn weights.
"""

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchvision.ops import StochasticDepth

from project.classifier import Classifier, monitored, steps_each_batch
from project.data import ImageData
from project.normalization import normalizers
from project.regularization import Regularizer

DROPPING_LAYERS = {
    "dropout": (nn.Dropout, nn.AlphaDropout),
    "spatial dropout": (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout),
    "stochastic depth": (StochasticDepth,),
}


class Strategy(NamedTuple):
    """A strategy that a classifier uses, and the evidence for it in one line."""

    name: str
    evidence: str


Census = dict[str, list[Strategy]]  # by family


def census(classifier: Classifier, data: ImageData, epochs: int, steps: int) -> Census:
    """The strategies of each family that a freshly built classifier will use in a run; [] for none.

    Args:
        classifier: With its weights as they were drawn.
        data: What it will train on.
        epochs: Number of epochs of the run.
        steps: Number of the optimizer's steps in the whole run, which may take several batches each.
    """
    return {
        "optimization": _optimization(classifier, epochs, steps),
        "regularization": _regularization(classifier, data, epochs),
        "initialization": _initialization(classifier),
        "normalization": _normalization(classifier),
    }


def _optimization(classifier: Classifier, epochs: int, steps: int) -> list[Strategy]:
    optimizer = classifier.build_optimizer()
    group = optimizer.param_groups[0]
    found = []
    if type(optimizer) is not SGD:
        found.append(Strategy(type(optimizer).__name__, f"{type(optimizer).__name__}, lr {group['lr']:g}"))
    elif group["momentum"] > 0:
        name = "Nesterov momentum" if group["nesterov"] else "momentum"
        found.append(Strategy(f"SGD with {name}", f"momentum {group['momentum']:g}, lr {group['lr']:g}"))

    scheduler = classifier.build_scheduler(optimizer, steps)
    name = f"{type(scheduler).__name__} schedule"
    if isinstance(scheduler, ReduceLROnPlateau):
        found.append(Strategy(name, f"lowers the rate where {monitored(scheduler)} stops improving"))
    elif scheduler is not None:
        rates = _rates(optimizer, scheduler, steps if steps_each_batch(scheduler) else epochs)
        if len(set(rates)) > 1:
            found.append(Strategy(name, f"lr {rates[0]:.2g} first, {max(rates):.2g} highest, {rates[-1]:.2g} last"))
    return found


def _rates(optimizer: Optimizer, scheduler: Any, steps: int) -> list[float]:
    """The first parameter group's rate at each step. No parameter has a gradient, so none moves.

    Where the schedule fails, the rates until then: the run will say what is wrong with it.
    """
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step(lambda: 0.0)
        try:
            scheduler.step()
        except Exception:
            break
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def _regularization(classifier: Classifier, data: ImageData, epochs: int) -> list[Strategy]:
    found = []
    decayed = [group for group in classifier.build_optimizer().param_groups if group.get("weight_decay", 0) > 0]
    if decayed:
        factors = ", ".join(sorted({f"{group['weight_decay']:g}" for group in decayed}))
        weights = sum(p.numel() for group in decayed for p in group["params"])
        found.append(Strategy("weight decay", f"{factors} on {weights:,} weights"))
    for name, kinds in DROPPING_LAYERS.items():
        layers = [m for m in classifier.network.modules() if isinstance(m, kinds) and m.p > 0]
        if layers:
            found.append(Strategy(name, f"{len(layers)} layers, p {', '.join(sorted({f'{m.p:g}' for m in layers}))}"))
    for regularizer in classifier.regularization:
        if evidence := _effect(regularizer, classifier, epochs):
            found.append(Strategy(type(regularizer).__name__, evidence))
    for augmentation in data.augmentation:
        found.append(Strategy(type(augmentation).__name__, "augments every training batch, a draw for each image"))
    return found


def _effect(regularizer: Regularizer, classifier: Classifier, epochs: int) -> str | None:
    """What a regularizer does to a loss, a batch, a gradient or the training; None if nothing."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        if penalty := float(regularizer.penalty(classifier.network)):
            return f"adds {penalty:.3g} to the loss of the fresh network"
        images_NCHW, targets_NK = torch.rand(8, *classifier.image_shape), torch.eye(8)
        changed = regularizer.change_batch(images_NCHW, targets_NK)
        for _ in range(9):  # one random draw may change nothing
            if not torch.equal(changed[1], targets_NK):
                return f"targets of a batch become {changed[1].min():.3g} to {changed[1].max():.3g}"
            changed = regularizer.change_batch(images_NCHW, targets_NK)
        parameter = nn.Parameter(torch.zeros(1))
        parameter.grad = torch.full((1,), 1e6)
        regularizer.change_gradients([parameter])
        if parameter.grad.item() != 1e6:
            return f"a gradient of norm 1e6 becomes {parameter.grad.item():.3g}"
    callbacks = [type(callback).__name__ for callback in regularizer.callbacks()]
    return f"in the training: {', '.join(callbacks)}" if callbacks and regularizer.acts_within(epochs) else None


def _initialization(classifier: Classifier) -> list[Strategy]:
    if classifier.initialization is None:
        return []
    return [Strategy(type(classifier.initialization).__name__, classifier.initialization.evidence(classifier.network))]


def _normalization(classifier: Classifier) -> list[Strategy]:
    layers = [type(module).__name__.lstrip("_") for module in normalizers(classifier.network)]
    return [Strategy(name, f"{layers.count(name)} layers") for name in sorted(set(layers))]
