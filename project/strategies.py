"""The census: which strategies of the four families are in effect in a run, and what shows it.

It believes no name and no setting, only what it sees: steps that the optimizer takes, rates that move, images that come out
changed, logits that would be others without a layer, weights that were drawn otherwise than PyTorch draws them. It is
taken before training, since training changes the drawn weights.

What is set but has no effect does not count, and is told in a remark.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from types import MethodType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import get_total_norm
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from torchvision.ops import StochasticDepth

from project.assignment import too_large
from project.batches.base import Batches
from project.classifier import Classifier, monitored, steps_each_batch
from project.data import ImageData
from project.datasets.source import shape_words
from project.regularization import Regularizer, changes_batches
from project.support.comparison import logits_differ
from project.support.cures import gpu_cure, words
from project.support.errors import UserError
from project.support.fresh_weights import Drawn, drawn, fresh_weights
from project.support.logits import check_logits
from project.support.observation import Observation, observed
from project.support.optimizer_trials import (
    LEAST_SHARE,
    changed_gradient,
    rates_within,
    reads_weight_decay,
    steps_like_plain_sgd,
    weights_in,
)
from project.support.wording import counted, listed, numbers

IMAGES = 32  # that augmentations are tried on
MOST_OF_A_BATCH = 128  # images that a network is looked at with: those of one of its batches
DRAWS = 16  # of a random change: one draw may change nothing

# What is smaller counts for nothing.
LEAST_MOVE = 0.01  # of the learning rate, relative
LEAST_DECAY = 1e-6  # of the weights, relative, by weight decay or a penalty's gradient
LEAST_SMOOTHING = 1e-3  # of the targets
LEAST_CHANGE = 1e-2  # of an image, relative to its norm

ABOUT_SHAPES = "(?i)shape|size|channels|dimension|expected|elements"  # in an error of a layer made for other images
OWN_NOISE = "own dropout or noise"
DROPPED = ("dropout", "spatial dropout", "stochastic depth", OWN_NOISE)  # what strategies that drop are called
OF_WEIGHTS = {
    "_WeightNorm": "weight normalization",
    "_SpectralNorm": "spectral normalization",
    "StandardizedWeight": "weight standardization",
    "weight_g": "weight normalization",  # before parametrizations
    "weight_orig": "spectral normalization",
}
WITHIN = ("regularization", "normalization")  # families whose strategies the logits show


class Strategy(NamedTuple):
    """A strategy in effect, and the evidence for it in one line."""

    name: str
    evidence: str


class Census(NamedTuple):
    """What a run uses.

    Attributes:
        strategies: By family; [] for none.
        remarks: One line each: what is set but has no effect, and what is likely to be a mistake.
    """

    strategies: dict[str, list[Strategy]]
    remarks: list[str]


def census(classifier: Classifier, data: ImageData, epochs: int, steps: int) -> Census:
    """The strategies of each family that a freshly built classifier will use in a run.

    Args:
        classifier: With its weights as they were drawn.
        data: What it will train on, set up for `fit`.
        epochs: Number of epochs of the run.
        steps: Number of the optimizer's steps in the whole run, which may take several batches each.

    Raises:
        UserError: The network cannot take the images, or does not give a logit for each class.
    """
    remarks: list[str] = []
    fresh = fresh_weights(classifier.network) if classifier.fresh is None else classifier.fresh
    images_NCHW = sample(classifier, data)
    try:
        with observed(classifier.network, images_NCHW, *classifier.regularization) as network:
            remarks += about_network(network, classifier)
            strategies = {
                "optimization": list(optimization(classifier, epochs, steps, remarks)),
                "regularization": [
                    *weight_decay(classifier),
                    *dropout(network),
                    *regularizers(classifier, network, epochs, remarks),
                    *augmentations(data, remarks),
                ],
                "initialization": list(initialization(classifier, drawn(fresh, network.can_be_drawn), remarks)),
                "normalization": list(normalization(network)),
            }
            remarks += without_effect(network, strategies)
    except UserError:
        raise
    except Exception as error:
        say_of_images(error, classifier, images_NCHW)
        raise
    remarks += without_place(classifier, strategies, list(remarks))
    return Census(strategies, remarks)


def gone(before: Census, classifier: Classifier, data: ImageData, epochs: int, steps: int) -> list[str]:
    """Names of the strategies that had an effect when the census was taken, and show none any more.

    How the weights were drawn cannot be seen again. The arguments are those of `census`.
    """
    now: set[str] = set()

    def look(found: Iterator[Strategy]) -> None:
        with suppress(Exception):  # what fails by now shows nothing
            now.update(strategy.name for strategy in found)

    look(optimization(classifier, epochs, steps, []))
    look(weight_decay(classifier))
    look(augmentations(data, [], data.training_batches))
    with (
        suppress(Exception),
        observed(classifier.network, sample(classifier, data), *classifier.regularization) as seen,
    ):
        look(dropout(seen))
        look(regularizers(classifier, seen, epochs, []))
        look(normalization(seen))
        # A network that diverged says the same of all images, and shows nothing any more.
        if not logits_differ(seen.logits_NK, seen.logits_NK.roll(1, 0)):
            now.update(strategy.name for family in WITHIN for strategy in before.strategies[family])
    families = (found for family, found in before.strategies.items() if family != "initialization")
    return [strategy.name for found in families for strategy in found if strategy.name not in now]


def sample(classifier: Classifier, data: ImageData) -> Tensor:
    """Training images (N, C, H, W) as the network will get them, but not augmented."""
    like = next(filter(torch.is_floating_point, classifier.network.parameters()), torch.zeros(()))
    return data.sample(min(data.batch_size, MOST_OF_A_BATCH)).to(like.device, like.dtype)


def about_network(network: Observation, classifier: Classifier) -> Iterator[str]:
    """Remarks on a network's logits and layers. Raises UserError where it does not give a logit for each class."""
    name, logits_NK = type(network.network).__name__, network.logits_NK
    check_logits(network.network, logits_NK, (len(network.images_NCHW), classifier.num_classes))
    sums_N = logits_NK.float().exp().sum(1)
    if logits_NK.min() >= 0 and torch.allclose(logits_NK.float().sum(1), torch.ones_like(sums_N), atol=1e-2):
        cure = "leave the softmax out: the loss applies it itself, and twice costs about a percentage point"
        yield f"{name} gives probabilities where logits belong; {cure}"
    elif torch.allclose(sums_N, torch.ones_like(sums_N), atol=1e-2):
        yield f"{name} gives logarithms of probabilities: the log-softmax does no harm, and is superfluous"
    if network.varies_in_evaluation():
        cure = "where it is F.dropout, write training=self.training"
        yield f"{name} draws at random in evaluation, too, which costs accuracy; {cure}"
    elif network.mixes_images_in_evaluation():
        cure = "it may use no statistics of a batch then"
        yield f"in evaluation, what {name} says of an image depends on the others of its batch: grading refuses it; {cure}"
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.network.modules()):
        yield f"{name} has scripted layers: what normalizes or drops within them is not seen, and counts for nothing"
    if not network.repeatable:
        yield f"{name} changes from call to call by what cannot be set back, which may hide what else is in effect"
    tensors = [tensor for tensor in network.network.state_dict().values() if isinstance(tensor, Tensor)]
    bytes_held, parameters = sum(t.numel() * t.element_size() for t in tensors), network.network.parameters()
    if why := too_large(bytes_held, sum(p.numel() for p in parameters)):
        yield f"{name}: {why}; grading refuses it"
    if network.idle:
        yield f"{name} never runs {listed(network.idle)}: what is built and not called counts for nothing"
    if network.unlearned:
        yield f"{name}: {listed(network.unlearned)} will not learn: no gradient to speak of reaches the weights"


def say_of_images(error: Exception, classifier: Classifier, images_NCHW: Tensor) -> None:
    """Add to what a network that fails on images says: what the images are, where it is about shapes; or how to do
    without a GPU. Raises UserError where it would take flat rows of pixels."""
    check_flat(classifier, images_NCHW)
    if cure := gpu_cure(error):
        error.args = (f"{error}{cure}",)
    elif isinstance(error, RuntimeError | ValueError) and re.search(ABOUT_SHAPES, words(error)):
        c, h, w = images_NCHW.shape[1:]
        error.args = (f"{error} (the images here are {shape_words((h, w, c))}: (N, {c}, {h}, {w}))",)


def check_flat(classifier: Classifier, images_NCHW: Tensor) -> None:
    """Raises UserError where a network that fails on images would take them as flat rows of pixels."""
    try:
        with observed(classifier.network, images_NCHW.flatten(1)):
            pass
    except Exception:
        return
    name, shape = type(classifier.network).__name__, images_NCHW.shape[1:]
    takes, gets = f"(N, {shape.numel()})", f"(N, {', '.join(map(str, shape))})"
    raise UserError(f"model.network: {name} takes {takes} and gets {gets}; begin its forward with `x = x.flatten(1)`")


def optimization(classifier: Classifier, epochs: int, steps: int, remarks: list[str]) -> Iterator[Strategy]:
    optimizer = classifier.build_optimizer()
    group, name = optimizer.param_groups[0], type(optimizer).__name__
    momentum = f", momentum {group['momentum']:g}" if group.get("momentum") else ""
    if type(optimizer) is SGD and momentum:
        name = f"SGD with {'Nesterov ' if group['nesterov'] else ''}momentum"
    if not steps_like_plain_sgd(classifier.make_optimizer, classifier.network):
        yield Strategy(name, f"{type(optimizer).__name__}, lr {group['lr']:g}{momentum}")
    elif name != "SGD":
        remarks.append(
            f"{name} moves the weights of a small problem as plain SGD does, or fails: it counts for nothing"
        )

    # A schedule wants steps between its own; these are none that need a gradient.
    optimizer.step = MethodType(lambda optimizer, closure=None: None, optimizer)  # type: ignore[method-assign]
    scheduler = classifier.build_scheduler(optimizer, steps)
    if scheduler is None:
        return
    name, count = f"{type(scheduler).__name__} schedule", steps if steps_each_batch(scheduler) else epochs
    lowers = isinstance(scheduler, ReduceLROnPlateau)
    changes = classifier.validations(count) if lowers else count
    rates = rates_within(optimizer, scheduler, changes, classifier.network)
    if max(rates) - min(rates) > LEAST_MOVE * max(rates):
        shown = f"lr {rates[0]:.2g} first, {max(rates):.2g} highest, {rates[-1]:.2g} last"
        if lowers:
            shown = f"lowers the rate where {monitored(scheduler)} stops improving"
        yield Strategy(name, shown)
    else:
        remarks.append(f"{name}: the rate stays at {rates[0]:.3g} through all {epochs} epochs: it counts for nothing")
        return
    given = getattr(classifier.scheduler, "keywords", {}).get("total_steps")  # a schedule need not keep it
    made_for = getattr(scheduler, "total_steps", None) or given or count
    length = getattr(scheduler, "T_max", None) or made_for
    # A T_max may be one of several cycles; a one-cycle that is too short is refused by the training.
    if length > count or made_for < count and not isinstance(scheduler, OneCycleLR):
        unit = "steps" if steps_each_batch(scheduler) else "epochs"
        ends = "it breaks off" if length > count else "it ends before the run"
        remarks.append(f"{name}: made for {length} {unit}, but the run has {count}: {ends}")


def weight_decay(classifier: Classifier) -> Iterator[Strategy]:
    groups = classifier.build_optimizer().param_groups
    decayed = [group for group in groups if group.get("weight_decay", 0) >= LEAST_DECAY]
    enough = LEAST_SHARE * weights_in(groups, classifier.network)
    if (weights := weights_in(decayed, classifier.network)) >= enough and reads_weight_decay(
        classifier.make_optimizer, classifier.network
    ):
        factors = ", ".join(sorted({f"{group['weight_decay']:g}" for group in decayed}))
        yield Strategy("weight decay", f"{factors} on {weights:,} weights")


def dropout(network: Observation) -> Iterator[Strategy]:
    for name, probabilities in network.droppings().items():
        yield Strategy(name, f"in {counted(len(probabilities), 'place')}, p {numbers(probabilities)}")
    if network.varies():
        paths = [m.p for m in network.run if isinstance(m, StochasticDepth) and m.p > 0]
        within = [m for m in network.run if isinstance(m, (nn.RNNBase, nn.MultiheadAttention)) and m.dropout > 0]
        if paths:
            yield Strategy("stochastic depth", f"in {counted(len(paths), 'place')}, p {numbers(paths)}")
        elif within:
            yield Strategy("dropout", f"within {type(within[0]).__name__}, p {numbers(m.dropout for m in within)}")
        else:
            yield Strategy(OWN_NOISE, "in training, the logits of the same images vary from draw to draw")


def regularizers(classifier: Classifier, network: Observation, epochs: int, remarks: list[str]) -> Iterator[Strategy]:
    for regularizer in classifier.regularization:
        name = type(regularizer).__name__
        try:
            effects = (
                on_loss(regularizer, network),
                on_batch(regularizer, network.images_NCHW, classifier.num_classes),
                changed_gradient(regularizer.change_gradients),
                on_training(regularizer, epochs, classifier.validations(epochs), remarks),
            )
        except UserError:
            raise
        except Exception as error:  # a training may call it otherwise
            remarks.append(
                f"{name}: it cannot be seen what it does ({type(error).__name__}: {error}); it does not count"
            )
            continue
        if shown := next(filter(None, effects), None):
            yield Strategy(name, shown)


def on_loss(regularizer: Regularizer, network: Observation) -> str | None:
    parameters = [p for p in network.network.parameters() if p.requires_grad]
    # A penalty on the way from the start has no gradient there, and one may look at what the layers put out.
    network.forward(scaled=parameters, factor=1.01, keep_graph=True)
    with torch.enable_grad():
        penalty = regularizer.penalty(network.network)
        if not isinstance(penalty, Tensor) or not penalty.requires_grad:
            return None  # a number that no weight changes
        found = torch.autograd.grad(penalty, parameters, allow_unused=True)
    pulled = {p: gradient for p, gradient in zip(parameters, found) if gradient is not None}
    felt = get_total_norm(pulled.values()) > LEAST_DECAY * get_total_norm(pulled)
    return f"adds {penalty.item():.3g} to the loss of the fresh network" if felt else None


def on_batch(regularizer: Regularizer, images_NCHW: Tensor, classes: int) -> str | None:
    if not changes_batches(regularizer):
        return None
    labels_N = torch.arange(len(images_NCHW), device=images_NCHW.device) % classes
    targets_NK = F.one_hot(labels_N, classes).float()
    flat_ND = images_NCHW.float().flatten(1)
    changed_N, least, most = torch.zeros_like(labels_N, dtype=torch.bool), 1.0, 0.0
    for draw in range(DRAWS):
        torch.manual_seed(draw)
        with torch.enable_grad():  # it may ask the network for a gradient
            changed = regularizer.change_batch(images_NCHW.clone(), targets_NK.clone())
        new_NCHW, new_NK = (tensor.detach() for tensor in changed)
        # Exchanging images together with their targets changes nothing.
        distances_N, origin_N = torch.cdist(new_NCHW.float().flatten(1), flat_ND).min(1)
        targets_move_N = (new_NK - targets_NK[origin_N]).abs().amax(1) > LEAST_SMOOTHING
        changed_N |= targets_move_N | (distances_N > LEAST_CHANGE * flat_ND.norm(dim=1).mean())
        least, most = min(least, new_NK.min().item()), max(most, new_NK.max().item())
    if changed_N.float().mean() < 0.5:
        return None
    return (
        f"changes {int(changed_N.sum())} of {len(changed_N)} images or targets, which become {least:.3g} to {most:.3g}"
    )


def on_training(regularizer: Regularizer, epochs: int, validations: int, remarks: list[str]) -> str | None:
    callbacks = regularizer.callbacks()
    names = ", ".join(type(callback).__name__ for callback in callbacks)
    if not callbacks:
        return None
    if type(regularizer).__module__ != Regularizer.__module__:  # one of a student's own, whatever its callbacks are
        remarks.append(
            f"{type(regularizer).__name__}: nobody can see before the training what {names} will do: it does not count"
        )
        return None
    if not regularizer.acts_within(epochs, validations):
        remarks.append(f"{type(regularizer).__name__}: does nothing within {epochs} epochs: it counts for nothing")
        return None
    return f"in the training: {names}"


def augmentations(data: ImageData, remarks: list[str], trained: Batches | None = None) -> Iterator[Strategy]:
    """`trained` are the batches of a training that is over: of those who make them, each may have stopped to change images."""
    images_NHWC, chosen = data.split("train").images_NHWC, data.augmentation
    numbers_N = torch.randperm(len(images_NHWC), generator=torch.Generator().manual_seed(0))[:IMAGES]
    of_all = [data.trial_batches(chosen), *([trained] if trained else [])] if chosen else []
    together = min((changed_by(batches, numbers_N) for batches in of_all), default=0)
    for augmentation in chosen:
        changed = min(changed_by(data.trial_batches([augmentation]), numbers_N), together)
        name, shown = type(augmentation).__name__, f"{changed} of {len(numbers_N)} images from draw to draw"
        if 2 * changed >= len(numbers_N):
            yield Strategy(name, f"changes {shown}, of {DRAWS}")
        else:
            remarks.append(f"{name}: changes {shown}, of {DRAWS}: it counts for nothing")


def changed_by(batches: Batches, numbers_N: Tensor) -> int:
    """How many images come out of at least one of DRAWS draws otherwise than of the first: one that does the same to an
    image each time gives the network no image more."""
    norms_N = batches.split.images_NHWC[numbers_N].flatten(1).float().norm(dim=1)
    changed_N = torch.zeros(len(numbers_N), dtype=torch.bool)
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed for its workers
        first_ND, *others = (batches.drawn(numbers_N, draw, draw).cpu().flatten(1).float() for draw in range(DRAWS))
    for after_ND in others:
        changed_N |= (after_ND - first_ND).norm(dim=1) > LEAST_CHANGE * norms_N
    return int(changed_N.sum())


def initialization(classifier: Classifier, found: list[Drawn], remarks: list[str]) -> Iterator[Strategy]:
    chosen = classifier.initialization
    own = type(classifier.network).__module__.partition(".")[0] not in ("project", "torch", "torchvision")
    if own and not chosen and not found:
        kind = type(classifier.network).__name__
        plain = "such as PyTorch draws them, or plain (zeros, ones, torch.rand, torch.randn)"
        remarks.append(f"{kind}: all weights that learn are {plain}; no nn.init that changes them met a layer")
    if chosen and not found:
        remarks.append(f"{type(chosen).__name__}: draws no weights otherwise than PyTorch does: it counts for nothing")
    if chosen and found and type(chosen).__module__ == "project.initialization":
        yield Strategy(type(chosen).__name__, ", ".join(f"{one.name}: {one.evidence}" for one in found))
    else:
        yield from (Strategy(*one) for one in found)


def normalization(network: Observation) -> Iterator[Strategy]:
    in_places = network.normalizations()
    for name, count in in_places.items():
        yield Strategy(name, f"in {counted(count, 'place')}")
    of_weights: dict[str, int] = {}
    for layer in network.scale_invariant(parametrized=True):
        parts = dict(layer.named_modules()).get("parametrizations.weight", nn.Module()).children()
        computed = [type(part).__name__ for part in parts] or [n for n, _ in layer.named_parameters(recurse=False)]
        name = next((OF_WEIGHTS[part] for part in computed if part in OF_WEIGHTS), "own normalization")
        of_weights[name] = of_weights.get(name, 0) + 1
    for name, count in of_weights.items():
        yield Strategy(name, f"of the weights of {count} layers")
    if in_places or of_weights:
        return
    if modules := network.normalizing_modules():
        kinds = ", ".join(sorted({type(module).__name__ for module in modules}))
        yield Strategy("own normalization", f"doubling what goes into {kinds} changes nothing that comes out")
    elif layers := network.scale_invariant():
        yield Strategy("own normalization", f"doubling the weights of {len(layers)} layers changes no logit")


def without_effect(network: Observation, strategies: dict[str, list[Strategy]]) -> Iterator[str]:
    """Remarks on functions that are called and change nothing."""
    found = {strategy.name for used in strategies.values() for strategy in used}
    for name in dict.fromkeys(call.name for call in network.calls if call.name not in found):
        without = "are the same without it" if network.repeatable else "change from call to call by themselves"
        yield f"{name} is called, and the logits {without}: it counts for nothing"


def without_place(classifier: Classifier, strategies: dict[str, list[Strategy]], remarks: list[str]) -> Iterator[str]:
    """Remarks on regularizers of which nothing is to be seen, and nothing has been said."""
    names = {strategy.name for strategy in strategies["regularization"]}
    for regularizer in classifier.regularization:
        kind = type(regularizer)
        drops, decays = kind.prepare is not Regularizer.prepare, kind.weight_decay is not Regularizer.weight_decay
        works = {kind.__name__, *(DROPPED if drops else ()), *(("weight decay",) if decays else ())}
        if not names & works and not any(remark.startswith(f"{kind.__name__}:") for remark in remarks):
            yield f"{kind.__name__}: changes next to nothing: it counts for nothing"
