"""A run in W&B: curves over the epochs, what the run used, reached and was trained on.

W&B never ends a training: what it cannot take is told in one line.
"""

import functools
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytorch_lightning
import yaml
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.loggers import WandbLogger
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image
from torchvision.utils import make_grid

from project import __version__
from project.data import ImageData
from project.support.errors import UserError, in_one_line, note
from project.training.summary import Record, accuracies

if TYPE_CHECKING:
    import wandb  # at runtime only where it is used

HERE = Path(__file__).resolve().parents[2]
LONGEST_TAG = 64  # W&B's own limit
OF_THE_TRAINER = ("max_epochs", "precision", "accumulate_grad_batches", "gradient_clip_val", "limit_train_batches")
IMAGES, MISTAKES, COLUMNS = 32, 16, 8  # of a grid
LOOKED_AT = 250  # validation images, among which mistakes are looked for
ROOM = 100  # W&B's steps that a run may log between its last checkpoint and its end
LEAST_PIXELS = 64  # of an image's height in a grid: smaller ones are enlarged


tell_once = functools.cache(note)


@contextmanager
def harmless() -> Iterator[None]:
    """What fails within it is told, and ends nothing."""
    try:
        yield
    except Exception as error:
        tell_once(f"W&B lacks a part of this run ({in_one_line(error)}); its folder has all of it")


class EpochLogger(WandbLogger):
    """Counts epochs from 1, as metrics.csv does, and not from 0."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        counted = {"epoch": metrics["epoch"] + 1} if "epoch" in metrics else {}
        with harmless():
            super().log_metrics({**metrics, **counted}, step)


def begin(path: Path, mode: Literal["offline", "online"], project: str) -> EpochLogger | None:
    """The W&B run that writes below a run's folder: the earlier one again, where the folder has one; None without W&B.

    Raises UserError where W&B was to be online and refuses.
    """
    import wandb

    # The names end in the run's: run-20261130_120000-1a2b3c4d.
    earlier = sorted(path.glob("wandb/*run-*-*"))
    same = earlier[-1].name.rpartition("-")[2] if earlier else None
    # W&B falls back to a temporary folder, in silence, where its own folder does not exist yet.
    (path / "wandb").mkdir(exist_ok=True)
    settings = wandb.Settings(console="off", silent=mode == "offline", x_disable_stats=True)
    try:
        run = wandb.init(
            name=path.name,
            dir=path,
            mode=mode,
            project=project,
            id=same,
            resume="allow" if same else None,  # offline, too: else `wandb sync` would write over the earlier epochs
            settings=settings,
        )
    except (wandb.errors.Error, OSError) as error:  # a TimeoutError is an OSError, too
        said = f"run.wandb: {in_one_line(error)}"
        if mode == "online":
            raise UserError(f"{said}; leave run.wandb at offline") from None
        note(f"{said}; this run does without W&B")
        return None
    return EpochLogger(experiment=run)


def finish(trainer: pytorch_lightning.Trainer) -> None:
    """Close a trainer's W&B run, if it has one."""
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            with harmless():
                logger.experiment.finish()


class WandbPage(Callback):
    """Fills a run's page in W&B with more than curves; without a W&B logger it does nothing.

    Args:
        record: Of the same run, and before this one among the callbacks.
    """

    def __init__(self, record: Record):
        self.record = record
        self.logger: WandbLogger | None = None
        self.step = 0  # W&B's, from which a run that goes on counts
        self.shown = False  # whether training images are
        self.validated: tuple[Tensor, ...] = ()  # images, labels and logits of the last validation's first batch

    def state_dict(self) -> dict[str, int]:
        if not self.logger:
            return {}
        with harmless():  # it asks W&B's own process, which may have ended
            self.step = self.logger.experiment.step + ROOM
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state.get("step", 0)

    def on_fit_start(self, trainer: pytorch_lightning.Trainer, pl_module: LightningModule) -> None:
        self.logger = next((logger for logger in trainer.loggers if isinstance(logger, WandbLogger)), None)
        if not self.logger:
            return
        self.data: ImageData = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        run, strategies = self.logger.experiment, self.record.census.strategies
        names = {family: [strategy.name for strategy in found] for family, found in strategies.items()}
        with harmless():
            run.define_metric("epoch")
            run.define_metric("*", step_metric="epoch")
            settings = hyperparameters(yaml.safe_load(self.record.config))
            run.config.update({**settings, **code_version(), "strategies": names}, allow_val_change=True)
            tags = [name[:LONGEST_TAG] for found in names.values() for name in found]
            run.tags = tuple(dict.fromkeys([*(run.tags or ()), *tags]))
            save_own_code(run)
            if run.step < self.step:  # online, W&B knows where it was
                run.log({}, step=self.step)

    def on_train_batch_start(
        self, trainer: pytorch_lightning.Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if not self.logger or self.shown:
            return
        self.shown = True
        labels_N, epoch = batch[1][:IMAGES], trainer.current_epoch + 1

        def show(module: Any, inputs: tuple[Tensor, ...]) -> None:
            hook.remove()
            said = f"As they are trained on, in epoch {epoch}: {', '.join(self.names(labels_N))}"
            self.show("images/training", inputs[0].detach()[:IMAGES], said, epoch)

        # What the network gets: MixUp and CutMix change a batch after it was handed over here.
        hook = pl_module.register_forward_pre_hook(show)

    def on_validation_batch_end(
        self,
        trainer: pytorch_lightning.Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self.logger and batch_idx == 0:
            images_NCHW, labels_N = batch
            self.validated = tuple(part[:LOOKED_AT].clone() for part in (images_NCHW, labels_N, outputs))

    def on_train_epoch_end(self, trainer: pytorch_lightning.Trainer, pl_module: LightningModule) -> None:
        if self.logger:
            with harmless():
                self.logger.experiment.summary.update(known(accuracies(self.record.rows)))

    def on_train_end(self, trainer: pytorch_lightning.Trainer, pl_module: LightningModule) -> None:
        if not self.logger or not self.record.summary:
            return
        import wandb

        with harmless():
            run, epoch = self.logger.experiment, trainer.current_epoch
            figures = sorted((self.record.folder / "figures").glob("*.png"))
            run.log({"epoch": epoch, **{f"figures/{figure.stem}": [wandb.Image(str(figure))] for figure in figures}})
            run.summary.update(known(self.record.summary))
            self.show_mistakes(epoch)

    def show_mistakes(self, epoch: int) -> None:
        """Log validation images that were taken for another class, if there are any."""
        if not self.validated:
            return
        images_NCHW, labels_N, logits_NK = self.validated
        predictions_N = logits_NK.argmax(1)
        wrong_N = (predictions_N != labels_N).nonzero().flatten()[:MISTAKES]
        pairs = zip(self.names(labels_N[wrong_N]), self.names(predictions_N[wrong_N]))
        if len(wrong_N):
            said = f"Taken for another class: {', '.join(f'{label} for {other}' for label, other in pairs)}"
            self.show("images/mistakes", images_NCHW[wrong_N], said, epoch)

    def names(self, labels_N: Tensor) -> list[str]:
        """The classes' names, of labels (N,)."""
        return [self.data.classes[label] for label in labels_N.tolist()]

    def show(self, name: str, images_NCHW: Tensor, said: str, epoch: int) -> None:
        """Log normalised images (N, C, H, W) as one picture, row by row, with a caption."""
        assert self.logger
        import wandb

        with harmless():
            picture = wandb.Image(grid(images_NCHW, self.data), caption=said)
            self.logger.experiment.log({"epoch": epoch, name: [picture]})


def grid(images_NCHW: Tensor, data: ImageData) -> Any:
    """Normalised images (N, C, H, W) as one picture for PIL, COLUMNS in a row."""
    mean_C, std_C = (images_NCHW.new_tensor(values).view(-1, 1, 1).float().cpu() for values in (data.mean, data.std))
    pixels_NCHW = (images_NCHW.float().cpu() * std_C + mean_C).clamp(0, 1)
    scale = -(-LEAST_PIXELS // pixels_NCHW.shape[2])
    enlarged_NCHW = pixels_NCHW.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    return to_pil_image(make_grid(enlarged_NCHW, nrow=COLUMNS, pad_value=1))


def hyperparameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A complete configuration as one column for each choice, such as `optimizer`: SGD and `optimizer_lr`: 0.1.

    W&B's tables have no good column for lists, nor for names with dots. What is null has none.
    """
    chosen = {name: settings["trainer"].get(name) for name in OF_THE_TRAINER}
    for name, value in (settings["model"] | settings["data"]).items():
        chosen |= flat(name, value)
    return known(chosen)


def flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A setting's class and each of its arguments; those of a class in a list go by the class's own name."""
    if isinstance(value, list):
        classes = [each["class_path"].rpartition(".")[2] for each in value if isinstance(each, dict)]
        yield name, ", ".join(classes or map(str, value))
        for kind, each in zip(classes, value):
            yield from list(flat(kind, each))[1:]
    elif isinstance(value, dict):
        if "class_path" in value:
            yield name, value["class_path"].rpartition(".")[2]
            value = {**value.get("init_args", {}), **value.get("dict_kwargs", {})}
        for argument, given in value.items():
            yield from flat(f"{name}_{argument}", given)
    else:
        yield name, value


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are a number or a text."""
    return {name: value for name, value in values.items() if isinstance(value, int | float | str)}


def code_version() -> dict[str, Any]:
    """The template's version; in a clone also its commit, and whether files differ from it."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    version = {"code_version": __version__}
    try:
        said = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # no git, no clone, or somebody else's
        return version
    commit, _, dirty = said.strip().partition("-")
    return {**version, "code_commit": commit, "code_changed": bool(dirty)}


def save_own_code(run: "wandb.Run") -> None:
    """Keep the files of `submission/` that this run uses, as they are now, among the W&B run's files."""
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if name.partition(".")[0] == "submission" and file:
            inside = ["__init__"] if hasattr(module, "__path__") else []
            kept = Path(run.dir, "code", *name.split("."), *inside).with_suffix(".py")
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, kept)
            run.save(kept, base_path=run.dir, policy="now", glob=False)
