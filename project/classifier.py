"""The classifier: a network and the four families, put together as a LightningModule."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer, lr_scheduler

from project.initialization import Initialization
from project.normalization import Normalization, normalize, normalizers
from project.regularization import Regularizer, changes_batches
from project.support.compilation import Compilation
from project.support.errors import UserError, blamed_on, note
from project.support.fresh_weights import Weights, fresh_weights
from project.support.metrics import EpochMetrics
from project.support.plain_lists import in_plain_lists
from project.support.remembered import Generator, set_state, state_of, torch_generators, undisturbed
from project.support.seeds import NETWORK, seed_kept, spread

NetworkCallable = Callable[[], nn.Module]
CALL_CLOSURE = "write `def step(self, closure=None)`, and call closure, if there is one, with gradients enabled first"
MOST_GRADIENTS = 2  # of a batch: with more, an epoch would be several (SAM needs two)


def accepted_arguments(function: Callable[..., Any]) -> set[str]:
    """Names of the arguments of a class or function, or of the partial that the parser makes of one."""
    if isinstance(function, functools.partial):
        return {*function.keywords, *inspect.signature(function).parameters}
    parameters = inspect.signature(function).parameters
    passes_on = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return set(parameters) | ({"num_classes"} if passes_on else set())  # torchvision's models pass it on


def steps_each_batch(scheduler: Any) -> bool:
    """Whether a schedule steps once a batch or once an epoch.

    One whose length is given as `total_steps` steps once a batch; a class can also say so itself: `interval = "step"`.
    """
    counts_steps = isinstance(scheduler, lr_scheduler.CyclicLR) or "total_steps" in accepted_arguments(type(scheduler))
    return getattr(scheduler, "interval", "step" if counts_steps else "epoch") == "step"


def monitored(scheduler: Any) -> str:
    """The metric that a schedule watches, if it watches one."""
    return getattr(scheduler, "monitor", "val/loss")


def fuses(optimizer: OptimizerCallable) -> bool:
    """Whether an optimizer has a fused step, on any device, and its settings do not rule it out."""
    settings = getattr(optimizer, "keywords", {})
    chosen = any(settings.get(name) for name in ("foreach", "differentiable", "capturable"))
    kind = getattr(optimizer, "func", optimizer)
    return kind in (SGD, Adam, AdamW) and settings.get("fused") is None and not chosen


def takes_channels_last(network: nn.Module, image_shape: tuple[int, ...]) -> bool:
    """Whether a network takes images whose channels lie last in memory.

    One of a student's own may call `view` on an image or a convolution's output, which torch then refuses. So it is tried
    on two images; one that fails, for whatever reason, gets its images as any network takes them.
    """
    if type(network).__module__.partition(".")[0] in ("project", "torchvision"):
        return True
    c, h, w = image_shape
    try:
        with torch.no_grad(), undisturbed(network), torch.compiler.set_stance("force_eager"):
            network.eval()(torch.zeros(2, h, w, c).permute(0, 3, 1, 2))
    except Exception:
        return False
    return True


def contiguous(network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """A forward pre-hook that gives a network its images channel by channel in memory.

    `contiguous` alone would leave those of one channel as they are, whose strides still say that it lies last.
    """
    return tuple(given.flatten().view(given.shape) if isinstance(given, Tensor) else given for given in inputs)


class Classifier(LightningModule):
    """Trains `network` on images with the strategies chosen from the four families.

    Args:
        network: The architecture, such as project.networks.ConvNet, torchvision.models.resnet18, or your own class.
        optimizer: Unit 1. An optimizer of torch.optim.
        scheduler: Unit 1. A learning-rate schedule of project.optimization or torch.optim.lr_scheduler.
        regularization: Unit 2. A list; of a class that is given twice, the later one counts.
        initialization: Unit 3. Null keeps PyTorch's own.
        normalization: Unit 4. Null for none.
        compile: Have torch.compile make faster code for the network. The first batch then waits for a minute or more, so
            it pays only in long trainings.
        num_classes: Number of classes K. Taken from the data.
        image_shape: (C, H, W) of an image. Taken from the data.
    """

    def __init__(
        self,
        network: NetworkCallable,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None = None,
        regularization: list[Regularizer] | None = None,
        initialization: Initialization | None = None,
        normalization: Normalization | None = None,
        compile: bool = False,
        num_classes: int = 10,
        image_shape: tuple[int, int, int] = (3, 32, 32),
    ):
        super().__init__()
        self.optimizer, self.scheduler = optimizer, scheduler
        self.regularization = list({type(regularizer): regularizer for regularizer in regularization or []}.values())
        self.initialization, self.normalization = initialization, normalization
        self.compilation = [Compilation()] if compile else []
        self.num_classes, self.image_shape = num_classes, tuple(image_shape)

        # Everything that changes the network happens here: the optimizer would not know a layer that comes later.
        with seed_kept():
            self.network = self._build_network(network)
        for regularizer in self.regularization:
            with seed_kept():
                regularizer.prepare(self.network)
        if initialization:
            with blamed_on("model.initialization"), seed_kept():
                initialization(self.network)
        self.network.to(memory_format=torch.channels_last)  # which is faster
        if not takes_channels_last(self.network, self.image_shape):
            self.network.to(memory_format=torch.contiguous_format)
            if type(self.network).__module__.startswith(("torch.jit", "torch._dynamo")):
                # These refuse hooks, or lose them.
                self.network = nn.Sequential(self.network)
            self.network.register_forward_pre_hook(contiguous)

        self.train_metrics, self.val_metrics, self.test_metrics = (EpochMetrics(num_classes) for _ in range(3))
        self.fresh: list[Weights] | None = None  # what the drawn weights tell, before a checkpoint is loaded
        self.counted = -1  # number of the last batch that is in the metrics
        self.accumulated: list[tuple[Any, int]] = []  # batches and their numbers, whose gradients wait for a step
        self.draws: dict[int, list[tuple[Generator, Any]]] = {}  # by batch, what the generators were at before it

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning writes down the name of each hook that it calls, some forty times a step, and each time torch checks
        # whether it is a parameter: a tenth of the Trainer's time. A text in place of a plain attribute cannot be one.
        if isinstance(value, str | None) and name in self.__dict__:
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def _build_network(self, network: NetworkCallable) -> nn.Module:
        accepted = accepted_arguments(network)
        channels, height, _ = self.image_shape
        arguments = {
            "num_classes": self.num_classes,
            "in_channels": channels,
            "image_size": height,
            "normalization": self.normalization,
        }
        with blamed_on("model.network"):
            built = network(**{name: value for name, value in arguments.items() if name in accepted})
        if any(isinstance(p, nn.UninitializedParameter) for p in built.parameters()):
            with torch.no_grad():  # layers that take their size from what they get
                built(torch.zeros(2, *self.image_shape))
        if self.normalization and "normalization" not in accepted:
            normalize(built, self.normalization)
        # Of a person's own, the census looks for what it does.
        known = type(self.normalization).__module__ == "project.normalization"
        if self.normalization and known and not normalizers(built):
            note(f"{type(self.normalization).__name__} found no place in {type(built).__name__}")
        return built

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """(N, C, H, W) -> logits (N, K)."""
        return self.network(images_NCHW)

    def setup(self, stage: str) -> None:
        # A checkpoint is loaded later and replaces these weights, so a resumed run goes on with its own.
        if stage == "fit" and self.initialization and type(self.initialization).adapt is not Initialization.adapt:
            images_NCHW = self.trainer.datamodule.sample(250)  # type: ignore[attr-defined]  # Lightning sets it
            with seed_kept():
                self.initialization.adapt(self.network, images_NCHW)
        if stage == "fit":
            self.fresh = fresh_weights(self.network)

    def on_fit_start(self) -> None:
        self.seed = torch.initial_seed()
        waiting_for: list[str | None] = [stopping.monitor for stopping in self.trainer.early_stopping_callbacks]
        waiting_for += [config.monitor for config in self.trainer.lr_scheduler_configs if config.reduce_on_plateau]
        for monitor in waiting_for:
            if str(monitor).startswith("val/") and self.trainer.limit_val_batches == 0:
                raise UserError(f"trainer.limit_val_batches: 0, but early stopping or the schedule waits for {monitor}")
        # Each exchanges the weights for its average in a validation: a second one would take that for the weights.
        if sum(isinstance(callback, WeightAveraging) for callback in self.trainer.callbacks) > 1:  # type: ignore[attr-defined]
            cure = "leave one of EMA, SWA and the callbacks of their kind"
            raise UserError(f"model.regularization: only one average of the weights can be evaluated; {cure}")

    def on_train_epoch_start(self) -> None:
        # A resumed run draws in its epochs (for dropout, say) what it would have drawn without the stop.
        torch.manual_seed(spread(self.seed, self.current_epoch, NETWORK))
        self.counted = -1

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.accumulated.append((batch, batch_idx))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        first_time = batch_idx > self.counted  # an optimizer may need a batch's gradient twice (SAM)
        if first_time:
            self.draws[batch_idx] = [(generator, state_of(generator)) for generator in torch_generators()]
        else:  # of the same loss: mixed and dropped alike
            for generator, state in self.draws.get(batch_idx, ()):
                set_state(generator, state)
        images_NCHW, labels_N = batch
        targets = labels_N
        for regularizer in filter(changes_batches, self.regularization):
            if targets is labels_N:
                targets = F.one_hot(labels_N, self.num_classes).float()
            images_NCHW, targets = regularizer.change_batch(images_NCHW, targets)
        logits_NK = self(images_NCHW)
        loss = F.cross_entropy(logits_NK, targets)
        if first_time:
            # As in validation: without penalties, with the true labels.
            self.train_metrics.update(logits_NK, labels_N)
            self.counted = batch_idx
        for regularizer in self.regularization:
            loss = loss + regularizer.penalty(self.network)
        return loss

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        """Have the optimizer make its step. Raises UserError where it asks for gradients more than MOST_GRADIENTS times."""
        # Lightning's closure adds the last batch's gradient to those of the accumulated batches. An optimizer that asks
        # again (SAM) has moved the weights, so the gradients of all of them are computed anew.
        before, self.accumulated = self.accumulated[:-1], []
        asked = 0

        def gradients_of_all() -> Any:
            nonlocal asked
            asked += 1
            if asked > MOST_GRADIENTS:
                name = type(self.trainer.optimizers[0]).__name__
                said = f"{name} asks for a batch's gradient more than {MOST_GRADIENTS} times in a step"
                raise UserError(f"model.optimizer: {said}, so that an epoch would be several; take another one")
            if asked > 1 and before:
                optimizer.zero_grad()
                for batch in before:
                    loss = self.trainer.strategy.training_step(*batch)
                    assert isinstance(loss, Tensor)
                    self.trainer.strategy.backward(loss / self.trainer.accumulate_grad_batches, optimizer)
            return optimizer_closure()

        optimizer.step(closure=gradients_of_all)
        self.draws.clear()
        if not asked:
            name = type(self.trainer.optimizers[0]).__name__
            raise UserError(f"model.optimizer: {name}.step never calls its closure; {CALL_CLOSURE}")

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        for regularizer in self.regularization:
            regularizer.change_gradients(self.network.parameters())

    def configure_callbacks(self) -> list[Callback]:
        of_strategies = [callback for regularizer in self.regularization for callback in regularizer.callbacks()]
        return of_strategies + self.compilation

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.trainer.is_last_batch:  # logged once an epoch: a log a step costs as much as a small network's step
            self._log("train", self.train_metrics)
            self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], on_step=False, on_epoch=True)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Logits (N, K) of a batch, for callbacks."""
        logits_NK = self(batch[0])
        self.val_metrics.update(logits_NK, batch[1])
        return logits_NK

    def on_validation_epoch_end(self) -> None:
        self._log("val", self.val_metrics)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.test_metrics.update(self(batch[0]), batch[1])

    def on_test_epoch_end(self) -> None:
        self._log("test", self.test_metrics)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Logits (N, K) of a batch."""
        return self(batch[0])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        # A fused step undoes a loss's scaling itself, so what clips gradients before it would see them scaled.
        fused = self.trainer.precision != "16-mixed" and not self.trainer.gradient_clip_val
        with seed_kept():
            optimizer = self.build_optimizer(fused)
        steps = self.trainer.estimated_stepping_batches
        if steps == math.inf:
            raise UserError("trainer.max_epochs: a run of -1 has no end; take a number of epochs")
        with seed_kept():
            scheduler = self.build_scheduler(optimizer, int(steps))
        if scheduler is None:
            return {"optimizer": optimizer}
        interval = "step" if steps_each_batch(scheduler) else "epoch"
        settings: Any = {"scheduler": scheduler, "interval": interval, "monitor": monitored(scheduler)}
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            settings["frequency"] = self.trainer.check_val_every_n_epoch or 1
        return {"optimizer": optimizer, "lr_scheduler": settings}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        with blamed_on("model.scheduler"):  # its total_steps may be fewer than the run's
            super().lr_scheduler_step(scheduler, metric)

    def build_optimizer(self, fused: bool = False) -> Optimizer:
        """The optimizer of the network's trainable parameters, which are grouped by their weight decay.

        `fused` asks for torch's fused step where there is one and the configuration does not rule it out.
        """
        groups: dict[float | None, list[nn.Parameter]] = {}
        for parameter in filter(lambda p: p.requires_grad, self.network.parameters()):
            wanted = [regularizer.weight_decay(parameter) for regularizer in self.regularization]
            decays = [decay for decay in wanted if decay is not None]
            groups.setdefault(sum(decays) if decays else None, []).append(parameter)
        if not groups:
            cure = next(in_plain_lists(self.network), "make its layers in __init__, and leave requires_grad alone")
            raise UserError(f"model.network: {type(self.network).__name__} has no weights to train; {cure}")
        settings = [
            {"params": parameters} | ({} if decay is None else {"weight_decay": decay})
            for decay, parameters in groups.items()
        ]
        with blamed_on("model.optimizer"):
            made = self.make_optimizer(settings, **({"fused": True} if fused and fuses(self.optimizer) else {}))
        if "closure" not in inspect.signature(made.step).parameters:
            raise UserError(f"model.optimizer: {type(made).__name__}.step takes no closure; {CALL_CLOSURE}")
        return made

    def make_optimizer(self, groups: list[dict[str, Any]], **settings: Any) -> Optimizer:
        """The optimizer of any groups of parameters, with torch's hooks also where it holds others and is no more itself."""
        made = self.optimizer(groups, **settings)
        try:
            made.register_step_post_hook(lambda *_: None).remove()
        except AttributeError:  # its constructor leaves out super().__init__
            vars(made).setdefault("defaults", {})
            Optimizer.__setstate__(made, {})  # adds what is missing, as for an optimizer that an older torch pickled
        return made

    def build_scheduler(self, optimizer: Optimizer, total_steps: int) -> Any:
        """The schedule for a run of `total_steps` optimizer steps, or None for a constant rate."""
        if self.scheduler is None:
            return None
        unset = getattr(self.scheduler, "keywords", {}).get("total_steps", 0) is None
        with blamed_on("model.scheduler"):
            return self.scheduler(optimizer, **({"total_steps": total_steps} if unset else {}))

    def validations(self, epochs: int) -> int:
        """How often a run of so many epochs validates."""
        try:
            every = self.trainer.check_val_every_n_epoch or 1
        except RuntimeError:  # there is no trainer yet
            every = 1
        return epochs // every

    def _log(self, prefix: str, metrics: EpochMetrics) -> None:
        for name, value in metrics.compute().items():
            self.log(f"{prefix}/{name}", value, on_step=False, on_epoch=True)
