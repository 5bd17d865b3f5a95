"""What can be measured of a network beside its losses: functions of a network and its data. A study's `measure` names them.

Each is taken from the network as it starts, as it ends, or over the epochs in between, and leaves it as it was.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F

from project.data import ImageData
from project.initialization import ACTIVATIONS, weight_layers
from project.normalization import normalizers
from project.studies.metric_names import MetricName
from project.support.errors import UserError
from project.support.remembered import undisturbed

IMAGES = 500
MASKS = 30  # that are averaged
SMALL = 1e-3  # a weight of less is next to zero
WEIGHT_EDGE, WEIGHT_BINS = 0.41, 41  # of histograms: 0.02 to a bin, and the one in the middle is around zero
SATURATED = 0.05  # of a function's steepest slope; a unit on less hardly learns
LEAST = 1e-250  # of float64, in place of zero under a logarithm
RADIUS = 0.1  # of the ball of weights in which the loss is looked for


class Measurement(NamedTuple):
    """A function of a network, in evaluation mode, and its data.

    Attributes:
        at: When it is taken; of `epochs`, at the start and after each, and what counts is the change from one to the next.
        of: Gives a number; of `epochs`, mean and standard deviation (2, U) of each of U units.
    """

    at: Literal["start", "end", "epochs"]
    of: Callable[[nn.Module, ImageData], Tensor]


def some(network: nn.Module, data: ImageData, split: str = "train", count: int = IMAGES) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) as a network gets them, not augmented, and labels (N,); always the same."""
    images_NHWC, labels_N = data.split(split)
    chosen_N = torch.randperm(len(labels_N), generator=torch.Generator().manual_seed(0))[:count]
    like = next(filter(torch.is_floating_point, network.parameters()))
    mean_C, std_C = torch.tensor(data.mean), torch.tensor(data.std)
    images_NCHW = ((images_NHWC[chosen_N].float() / 255 - mean_C) / std_C).permute(0, 3, 1, 2)
    return images_NCHW.to(like.device, like.dtype), labels_N[chosen_N].to(like.device)


@contextmanager
def recorded(modules: Sequence[nn.Module], inputs: bool = False) -> Iterator[list[Tensor]]:
    """What modules put out, or are given, in the order in which they compute. They pass on copies, since some work in place."""
    seen: list[Tensor] = []

    def before(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        seen.append(given[0])
        return (given[0].clone(), *given[1:])

    def after(module: nn.Module, given: tuple[Any, ...], output: Tensor) -> Tensor:
        seen.append(output)
        return output.clone()

    hooks = [
        each.register_forward_pre_hook(before) if inputs else each.register_forward_hook(after) for each in modules
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def activation_modules(network: nn.Module) -> list[nn.Module]:
    """In the order in which they were made. Raises UserError where there are none."""
    found = [module for module in network.modules() if isinstance(module, ACTIVATIONS)]
    if not found:
        raise UserError(
            "what is measured needs activation functions that are modules, such as nn.ReLU(), and not F.relu"
        )
    return found


@torch.no_grad()
def signal(network: nn.Module, data: ImageData) -> Tensor:
    """log10 of the standard deviation over images of what units of the last hidden layer put out, over the first layer's."""
    network = copy.deepcopy(network).double()  # a float32 cannot tell sigmoids apart that differ by less than 1e-8
    with recorded(activation_modules(network)) as outputs:
        network(some(network, data)[0].double())
    first, last = (each.flatten(1).var(0).mean().sqrt().clamp(min=LEAST) for each in (outputs[0], outputs[-1]))
    return (last / first).log10()


def saturated(network: nn.Module, data: ImageData) -> Tensor:
    """Percentage of the last hidden layer's activations that lie where the function is all but flat."""
    functions = activation_modules(network)
    with torch.no_grad(), recorded(functions, inputs=True) as inputs:
        network(some(network, data)[0])
    given = inputs[-1].detach().requires_grad_()
    (slopes,) = torch.autograd.grad(functions[-1](given.clone()).sum(), given)
    around = torch.linspace(-5, 5, 1001, device=given.device).requires_grad_()
    (every,) = torch.autograd.grad(functions[-1](around.clone()).sum(), around)
    return 100 * (slopes.abs() < SATURATED * every.abs().max()).double().mean()


def gradient(network: nn.Module, data: ImageData) -> Tensor:
    """log10 of the norm of the loss's gradient by what the first hidden layer puts out, over that by the last one's outputs.

    Not by their weights: where signals die, so do the gradients of the weights, in all layers alike.
    """
    network = copy.deepcopy(network).double().train()  # as it learns: by the batch's own mean and variance
    images_NCHW, labels_N = some(network, data)
    with recorded(activation_modules(network)) as outputs:
        loss = F.cross_entropy(network(images_NCHW.double()), labels_N)
    first, last = (each.norm().clamp(min=LEAST) for each in torch.autograd.grad(loss, [outputs[0], outputs[-1]]))
    return (first / last).log10()


@torch.no_grad()
def mean_over(network: nn.Module, data: ImageData, axes: str) -> Tensor:
    """How far from 0 means over some axes lie, of what leaves the first normalization: their root mean square.

    Where there is none, of what leaves the first layer; in units of the standard deviation of all of it.

    Args:
        axes: `batch` (N, H, W), `image` (C, H, W), `channel` (H, W), or `group` (C / 8, H, W).
    """
    network.train()
    layer, *_ = (layer for _, layer, _ in weight_layers(network))
    normalization = [module for module in normalizers(network) if not hasattr(module, "right_inverse")]
    with recorded([*normalization, layer][:1]) as outputs:
        network(some(network, data)[0])
    out_NCHW = outputs[0].double()
    if axes == "group":
        out_NCHW = out_NCHW.unflatten(1, (8, -1)).flatten(0, 1)
    dims = {"batch": (0, 2, 3), "image": (1, 2, 3), "channel": (2, 3), "group": (1, 2, 3)}[axes]
    return out_NCHW.mean(dims).square().mean().sqrt() / outputs[0].double().std()


@torch.no_grad()
def moments(network: nn.Module, data: ImageData, where: str) -> Tensor:
    """Mean and standard deviation (2, U) over images and pixels of each hidden unit or channel.

    Args:
        where: `before` a normalization: what the layers put out; or `after` it: what the activation functions get.
    """
    network.train()  # as it learns: by the batch's own mean and variance
    inputs = where == "after"
    hidden: Sequence[nn.Module] = [layer for _, layer, _ in weight_layers(network)[:-1]]
    with recorded(activation_modules(network) if inputs else hidden, inputs) as seen:
        network(some(network, data)[0])
    found = [torch.std_mean(each.transpose(0, 1).flatten(1).double(), 1)[::-1] for each in seen]
    return torch.cat([torch.stack(pair) for pair in found], 1)


def weights(network: nn.Module) -> Tensor:
    """All weights but the biases, flat."""
    return torch.cat([layer.weight.detach().flatten() for _, layer, _ in weight_layers(network)])


def near_zero(network: nn.Module, data: ImageData) -> Tensor:
    """Percentage of the weights that are next to zero."""
    return 100 * (weights(network).abs() < SMALL).double().mean()


def weight_size(network: nn.Module, data: ImageData) -> Tensor:
    """Root mean square of the weights."""
    return weights(network).double().square().mean().sqrt()


def weight_shares(network: nn.Module) -> list[float]:
    """Histogram of the weights: % in each of WEIGHT_BINS equal bins from -WEIGHT_EDGE to WEIGHT_EDGE; those beyond are in none."""
    all_W = weights(network).cpu().double()  # some devices have no float64
    counts = torch.histc(all_W, WEIGHT_BINS, -WEIGHT_EDGE, WEIGHT_EDGE)
    return [round(share, 2) for share in (100 * counts / len(all_W)).tolist()]


def alike(network: nn.Module, data: ImageData) -> Tensor:
    """Percentage of the hidden units or channels whose weights are those of another one of their layer."""
    twins = []
    for _, layer, _ in weight_layers(network)[:-1]:
        flat_OI = layer.weight.detach().flatten(1).double()
        near_OO = torch.cdist(flat_OI, flat_OI) <= 1e-4 * flat_OI.norm(dim=1).max()
        twins.append(near_OO.sum(1) > 1)  # each is near itself
    return 100 * torch.cat(twins).double().mean()


@torch.no_grad()
def masked(network: nn.Module, data: ImageData, masks: int) -> Tensor:
    """Validation accuracy in % while dropout drops, by the mean of the probabilities that so many masks give."""
    images_NCHW, labels_N = some(network, data, "val", 10**9)
    for module in network.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.train()
    torch.manual_seed(0)
    probabilities_NK = torch.stack([network(images_NCHW).softmax(-1) for _ in range(masks)]).mean(0)
    return 100 * (probabilities_NK.argmax(-1) == labels_N).double().mean()


@torch.no_grad()
def closed_form(network: nn.Module, data: ImageData) -> Tensor:
    """Correlation of the logits of validation images with the answers of the least-squares fit to the training images.

    The fit is to the classes as 0 and 1, of all pixels and a constant, by the normal equations.
    """
    (inputs_NCHW, labels_N), (images_NCHW, _) = (some(network, data, split, 10**9) for split in ("train", "val"))
    inputs_ND, images_ND = (F.pad(each.flatten(1).double(), (0, 1), value=1) for each in (inputs_NCHW, images_NCHW))
    logits_NK = network(images_NCHW).double()
    targets_NK = F.one_hot(labels_N, logits_NK.shape[1]).double()
    solution_DK = torch.linalg.solve(inputs_ND.T @ inputs_ND, inputs_ND.T @ targets_NK)
    pair = [(each - each.mean(1, keepdim=True)).flatten() for each in (logits_NK, images_ND @ solution_DK)]
    return torch.corrcoef(torch.stack(pair))[0, 1]


def sharpness(network: nn.Module, data: ImageData) -> Tensor:
    """By how much the training loss rises where the weights go RADIUS along its gradient: the worst way, to first order."""
    images_NCHW, labels_N = some(network, data)
    network.zero_grad()
    loss = F.cross_entropy(network(images_NCHW), labels_N)
    loss.backward()
    slopes = [(parameter, parameter.grad) for parameter in network.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([slope for _, slope in slopes]).clamp(min=1e-30)
    with torch.no_grad():
        for parameter, slope in slopes:
            parameter.add_(RADIUS * slope / norm)
        return F.cross_entropy(network(images_NCHW), labels_N).double() - loss.detach()


MEASUREMENTS: dict[MetricName, Measurement] = {
    "signal": Measurement("start", signal),
    "saturated": Measurement("start", saturated),
    "gradient": Measurement("start", gradient),
    "mean_over_batch": Measurement("start", partial(mean_over, axes="batch")),
    "mean_over_image": Measurement("start", partial(mean_over, axes="image")),
    "mean_over_channel": Measurement("start", partial(mean_over, axes="channel")),
    "mean_over_group": Measurement("start", partial(mean_over, axes="group")),
    "drift_before": Measurement("epochs", partial(moments, where="before")),
    "drift_after": Measurement("epochs", partial(moments, where="after")),
    "near_zero": Measurement("end", near_zero),
    "weight_size": Measurement("end", weight_size),
    "alike": Measurement("end", alike),
    "one_mask": Measurement("end", partial(masked, masks=1)),
    "many_masks": Measurement("end", partial(masked, masks=MASKS)),
    "closed_form": Measurement("end", closed_form),
    "sharpness": Measurement("end", sharpness),
}


class Measuring(Callback):
    """Takes measurements of a network while it is trained.

    Args:
        names: Of MEASUREMENTS; others are left out.
        data: That it is trained on.
    """

    def __init__(self, names: tuple[MetricName, ...], data: ImageData):
        self.chosen = {name: MEASUREMENTS[name] for name in names if name in MEASUREMENTS}
        self.data = data
        self.taken: dict[MetricName, list[Tensor]] = {name: [] for name in self.chosen}

    def take(self, model: LightningModule, at: str) -> None:
        for name, measurement in self.chosen.items():
            if measurement.at == at:
                network = model.get_submodule("network")
                with undisturbed(network):
                    network.eval()
                    # Not where it trains: some devices have no float64.
                    on_cpu = network if next(network.parameters()).is_cpu else copy.deepcopy(network).cpu()
                    found = measurement.of(on_cpu, self.data).detach()
                self.taken[name].append(found)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.take(pl_module, "start")
        self.take(pl_module, "epochs")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.take(pl_module, "epochs")

    def values(self, model: LightningModule) -> dict[MetricName, float]:
        """What was found, and what is to be found now that the training has ended."""
        self.take(model, "end")
        return {
            name: (drift(taken) if self.chosen[name].at == "epochs" else taken[-1].item())
            for name, taken in self.taken.items()
        }


def drift(moments_T2U: list[Tensor]) -> float:
    """How far the units' means move from one time to the next, in their standard deviations: the mean over units and times."""
    moves = [
        ((after[0] - before[0]).abs() / before[1].clamp(min=1e-8)).mean()
        for before, after in zip(moments_T2U, moments_T2U[1:])
    ]
    return torch.stack(moves).mean().item()
