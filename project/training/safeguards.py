"""What a person at a command line is told of their own code before the first epoch, and of a loss that is lost in it.

A grading does without: it judges what the training comes to.
"""

import inspect
import math
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from project.augmentation import Augmentation
from project.classifier import Classifier
from project.data import ImageData
from project.initialization import Initialization
from project.normalization import Normalization
from project.regularization import Regularizer, changes_batches
from project.strategies import say_of_images
from project.support.errors import UserError, note
from project.support.logits import check_logits, in_words
from project.support.own_code import defined, file_of, theirs
from project.support.plain_lists import in_plain_lists
from project.support.remembered import undisturbed
from project.support.wording import listed

BASES = (Regularizer, Initialization, Normalization, Augmentation)
MOST_IMAGES = 128  # of a batch, that go through before the first epoch
LOOK_EVERY = 100  # steps between two looks at the losses: each has a GPU stop and answer
SOON = 3  # steps: what is lost so soon, after a first batch that was not, is the first updates' doing
LARGEST = 10.0  # rate, with which --find-lr ends: a tenth of one above it is hardly better
GROWN = 2.0  # times its first value: a loss that did so before it was lost grew


def check_hooks(classifier: Classifier, data: ImageData) -> None:
    """Raises UserError for a strategy whose hook is misspelt, so that nobody would call it, or gives what is no weight decay."""
    chosen = [*classifier.regularization, classifier.initialization, classifier.normalization, *data.augmentation]
    for strategy in chosen:
        kind = type(strategy)
        base = next((base for base in BASES if isinstance(strategy, base)), None)
        if base is None or kind.__module__.startswith("project."):
            continue
        for name, hook in misspelt(kind, base):
            raise UserError(f"{defined(kind, f'{name}()')}: nobody calls {kind.__name__}.{name}; did you mean {hook}?")
    for regularizer in classifier.regularization:
        for parameter in classifier.network.parameters():
            decay = regularizer.weight_decay(parameter)
            if not isinstance(decay, int | float | Tensor | None):
                kind = type(regularizer).__name__
                raise UserError(
                    f"model.regularization: {kind}.weight_decay returns {in_words(decay)}; return a number, or None"
                )


def misspelt(kind: type, base: type) -> Iterator[tuple[str, str]]:
    """Methods that are called nearly as a hook of the base class which the class leaves as it is, and that hook."""
    hooks = [name for name in dir(base) if name[0] != "_" and inspect.isfunction(getattr(base, name))]
    left = [name for name in hooks if getattr(kind, name) is getattr(base, name)]
    for name in vars(kind):
        if name not in hooks and inspect.isfunction(vars(kind)[name]):
            yield from ((name, hook) for hook in get_close_matches(name, left, n=1, cutoff=0.8))


class FirstBatch(Callback):
    """Has one batch go through all that a training calls, forward and backward, before the first epoch.

    Raises UserError where what comes out is no tensor, has another shape or type than a training needs, is not finite, or
    has no gradient. Everything is left as it was.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classifier)
        for said in in_plain_lists(pl_module.network):
            note(f"{type(pl_module.network).__name__}: {said}")
        check_rates(trainer.optimizers, trainer.lr_scheduler_configs)
        self.lengths = lengths(trainer)  # before a checkpoint brings its own
        data: ImageData = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        with (
            undisturbed(pl_module.network, *pl_module.regularization, *data.augmentation),
            torch.compiler.set_stance("force_eager"),
            torch.enable_grad(),
        ):
            check_augmentation(data)
            check_batch(pl_module, data)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        check_lengths(trainer, self.lengths)


def check_rates(optimizers: Iterable[Any], schedules: Iterable[Any]) -> None:
    """Raises UserError where every learning rate is 0, and no schedule has a rate of its own."""
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    rates = [group[name] for group in groups for name in ("lr", "initial_lr", "max_lr") if name in group]
    has_own = any(hasattr(schedule.scheduler, "max_lrs") for schedule in schedules)  # torch's CyclicLR
    if rates and not any(rates) and not has_own:
        raise UserError("model.optimizer: lr 0 trains nothing; take a rate above 0")


def lengths(trainer: Trainer) -> list[int | None]:
    """The steps that each schedule was made for; None where it has no length of its own."""
    return [getattr(schedule.scheduler, "total_steps", None) for schedule in trainer.lr_scheduler_configs]


def check_lengths(trainer: Trainer, asked: list[int | None]) -> None:
    """Raises UserError where a schedule was made for another length, or takes no more steps than its own and ends too soon.

    Args:
        asked: The schedules' lengths by the settings. Those of a checkpoint's run take their place when it is loaded.
    """
    steps = trainer.estimated_stepping_batches
    for schedule, length, here in zip(trainer.lr_scheduler_configs, lengths(trainer), asked):
        name = f"model.scheduler: {type(schedule.scheduler).__name__}"
        if length != here:
            other = f"{name} was made for {length} steps in this checkpoint, and this run asks for {here}"
            raise UserError(f"{other}; train anew, without --ckpt_path, or keep the length of the run")
        if isinstance(schedule.scheduler, OneCycleLR) and length is not None and length < steps:
            raise UserError(f"{name} ends after {length} steps, and the run has {steps}; leave its total_steps out")


def check_augmentation(data: ImageData) -> None:
    """Raises UserError where an augmentation of a whole batch makes anything but images of the same shape."""
    images_NHWC = data.split("train").images_NHWC[: min(data.batch_size, MOST_IMAGES)].clone()
    for augment in data.augmentation:
        if not isinstance(augment, Augmentation):
            continue  # of those that work image by image, the batches tell it
        before, name = tuple(images_NHWC.shape), f"data.augmentation: {type(augment).__name__}"
        changed = augment(images_NHWC, torch.Generator().manual_seed(0))
        if not isinstance(changed, Tensor) or tuple(changed.shape) != before:
            raise UserError(f"{name} returns {in_words(changed)}; return the batch, {before} as it came in")
        if changed.is_floating_point() and changed.max() <= 1 < images_NHWC.max():
            raise UserError(
                f"{name} returns numbers from 0 to 1; images are uint8 here, from 0 to 255: multiply by 255"
            )
        images_NHWC = changed


def check_batch(classifier: Classifier, data: ImageData) -> None:
    """Have a batch go through, forward and backward, and in evaluation. Raises UserError; what a student's code raises stays."""
    network = classifier.network
    like = next(filter(torch.is_floating_point, network.parameters()), torch.zeros(()))
    images_NCHW = data.sample(min(data.batch_size, MOST_IMAGES)).to(like.device, like.dtype)
    for name, parameter in network.named_parameters():
        if not parameter.isfinite().all():
            kind = type(classifier.initialization or network).__name__
            raise UserError(
                f"model.initialization: {kind} leaves numbers in {name} that are not finite; draw smaller ones"
            )

    labels_N = torch.arange(len(images_NCHW), device=like.device) % classifier.num_classes
    targets = F.one_hot(labels_N, classifier.num_classes).float()
    for regularizer in filter(changes_batches, classifier.regularization):
        images_NCHW, targets = changed_batch(regularizer, images_NCHW, targets)
    loss = F.cross_entropy(logits_of(classifier, images_NCHW).float(), targets)
    for regularizer in classifier.regularization:
        loss = loss + penalty_of(regularizer, network)
    if not finite(loss):
        raise UserError("the loss of the first batch is not finite; draw smaller weights, or take a smaller penalty")
    network.zero_grad()
    loss.backward()
    for name in unreached(network):
        note(f"{type(network).__name__}: no gradient reaches {name} on the first batch; does forward use it?")
    check_gradients(network, "the loss's gradient by")
    for regularizer in classifier.regularization:
        regularizer.change_gradients(network.parameters())
        check_gradients(network, f"after {type(regularizer).__name__}.change_gradients, the gradient by")
    with torch.no_grad():  # a last batch may be smaller
        network.eval()(images_NCHW[: max(1, len(images_NCHW) - 1)])


def logits_of(classifier: Classifier, images_NCHW: Tensor) -> Tensor:
    """The network's logits (N, K) in training. Raises UserError where they are none that can be trained with."""
    network, name = classifier.network, type(classifier.network).__name__
    lost: list[str] = []  # names of the modules that make numbers that are not finite of such as are

    def look(path: str, inputs: tuple[Any, ...], output: Any) -> None:
        if not finite(output) and all(map(finite, inputs)):
            lost.append(path)

    hooks = [
        module.register_forward_hook(lambda module, inputs, output, path=path: look(path, inputs, output))
        for path, module in network.named_modules()
        if path and not isinstance(module, torch.jit.ScriptModule)
    ]
    try:
        logits_NK = network.train()(images_NCHW)
    except Exception as error:
        say_of_images(error, classifier, images_NCHW)
        raise
    finally:
        for hook in hooks:
            hook.remove()
    check_logits(network, logits_NK, (len(images_NCHW), classifier.num_classes))
    if not finite(logits_NK):
        place = (
            f"its layer {lost[0]} is the first to make them"
            if lost
            else "no layer makes them, so a line of forward does"
        )
        cure = "look for a log, a root or a division of zero, or for weights that are drawn too large"
        raise UserError(f"model.network: {name} makes numbers that are not finite on the first batch, {place}; {cure}")
    if not logits_NK.requires_grad:
        cure = "leave torch.no_grad(), .detach(), .item() and torch.tensor() out of its forward"
        raise UserError(f"model.network: no gradient comes through {name}, so it cannot learn; {cure}")
    return logits_NK


def changed_batch(regularizer: Regularizer, images_NCHW: Tensor, targets_NK: Tensor) -> tuple[Tensor, Tensor]:
    """What a strategy makes of a batch. Raises UserError where it is no batch."""
    changed = regularizer.change_batch(images_NCHW, targets_NK)
    count, shape = len(images_NCHW), tuple(targets_NK.shape)
    shapes = [tuple(getattr(part, "shape", ())) for part in changed] if isinstance(changed, tuple | list) else []
    good = len(shapes) == 2 and len(shapes[0]) == 4 and shapes[0][0] == count and shapes[1] == shape
    if not good or not all(map(finite, changed)):
        name = f"model.regularization: {type(regularizer).__name__}.change_batch"
        raise UserError(
            f"{name} returns {in_words(changed)}; return finite images ({count}, C, H, W) and targets {shape}"
        )
    return changed


def penalty_of(regularizer: Regularizer, network: nn.Module) -> Tensor | float:
    """A strategy's penalty. Raises UserError where it is no finite number."""
    penalty = regularizer.penalty(network)
    name = f"model.regularization: {type(regularizer).__name__}.penalty"
    if not isinstance(penalty, Tensor | int | float) or isinstance(penalty, Tensor) and penalty.numel() != 1:
        raise UserError(f"{name} returns {in_words(penalty)}; return one number, such as by .sum()")
    value = penalty.item() if isinstance(penalty, Tensor) else penalty
    if not math.isfinite(value):
        raise UserError(f"{name} is {value} on the first batch; look for a division by zero, a log or a root of zero")
    return penalty


def check_gradients(network: nn.Module, what: str) -> None:
    """Raises UserError where a gradient is not finite."""
    lost = [name for name, p in network.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    if lost:
        cure = "look for a root, a norm or a log of zero: the value is finite there, and the slope is not"
        raise UserError(f"{what} {listed(lost)} is not finite on the first batch; {cure}")


def unreached(network: nn.Module) -> Iterator[str]:
    """Parameters that a module of a student's own holds itself, and no gradient reaches; of layers, the census tells it."""
    for path, module in network.named_modules():
        if theirs(file_of(type(module))):
            for name, parameter in module.named_parameters(path, recurse=False):
                if parameter.requires_grad and parameter.grad is None and parameter.ndim < 2:
                    yield name


def finite(value: Any) -> bool:
    """False for a tensor that holds infinity or NaN."""
    return not isinstance(value, Tensor) or bool(value.isfinite().all())


class FiniteLoss(Callback):
    """Ends a training whose loss is no longer finite, with the step and the likeliest cause.

    Raises UserError, at most LOOK_EVERY steps later; the last epoch's figures and checkpoint stay.
    """

    def __init__(self) -> None:
        self.losses: list[Tensor] = []  # since the last look
        self.steps: list[int] = []  # that they are of, from 1
        self.first = self.last = math.nan  # of the training, and before the step under way

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.steps.append(trainer.global_step + 1)  # one for several batches, where gradients are accumulated

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses.append(outputs["loss"].detach())
        if len(self.losses) == LOOK_EVERY or trainer.is_last_batch:
            self.look(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.losses:  # of an epoch that was broken off
            self.look(trainer)

    def look(self, trainer: Trainer) -> None:
        """Raises UserError where one of the losses since the last look is not finite."""
        values = torch.stack(self.losses) * trainer.accumulate_grad_batches  # by which Lightning has divided them
        steps, self.losses, self.steps = self.steps, [], []
        for step, value in zip(steps, values.tolist()):
            if not math.isfinite(value):
                what = "NaN (no number)" if math.isnan(value) else "infinite"
                where = f"in step {step}, in epoch {trainer.current_epoch + 1}"
                raise UserError(f"the loss became {what} {where}; {self.likeliest(step, trainer.optimizers)}")
            self.first = value if math.isnan(self.first) else self.first
            self.last = value

    def likeliest(self, step: int, optimizers: Iterable[Any]) -> str:
        """What is likeliest to have done it, and what to try."""
        rate = max(group["lr"] for optimizer in optimizers for group in optimizer.param_groups)
        if 1 < step <= SOON or self.last > GROWN * self.first:
            grew = f", since it grew from {self.first:.3g} to {self.last:.3g} before" if self.last > self.first else ""
            cure = f"try --model.optimizer.lr {rate / 10:.2g}"
            if rate > LARGEST:
                cure = f"{rate:.2g} is far above any that trains; fit --find-lr looks for one"
            return f"likeliest is a learning rate that is too large{grew}: {cure}"
        if math.isnan(self.last):
            return "look at this batch's images, and in your own code for a log, a root or a division of zero"
        steady = f"it was {self.last:.3g} in the step before, so hardly the learning rate"
        return f"{steady}: look in your own code for a log, a root or a division of zero"
