"""The command line: `python main.py fit|validate|test|predict --config A --config B ...`.

Overlays merge key by key, the later one wins; a mistake becomes one line.
"""

import csv
import io
import logging
import sys
import warnings
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, Literal, Union

import torch
import yaml
from jsonargparse import ActionConfigFile, ArgumentError, Namespace
from jsonargparse._typehints import ActionTypeHint
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

import project.initialization  # noqa: E401, F401
from project.assignment import Assignment
from project.classifier import Classifier
from project.data import ImageData
from project.diagnostics import Diagnostics
from project.errors import UserError
from project.hardware import precision_for
from project.memory import keep_freed_memory
from project.mistakes import did_you_mean, explain
from project.progress import training_progress
from project.run import Record, Run, SaveConfig, report

CLASS_SETTINGS = (
    *(f"model.{name}" for name in ("network", "optimizer", "scheduler", "initialization", "normalization")),
    "data.source",
)
# Lightning declares int | float. Where any import wrote it float | int before, typing's cache hands out that one, and
# "1" would be read as 1.0: not one batch, but all.
COUNT_OR_SHARE = (
    *(f"trainer.limit_{split}_batches" for split in ("train", "val", "test", "predict")),
    *("trainer.overfit_batches", "trainer.val_check_interval"),
)
STOPPED = 130  # the shell's exit status for Ctrl-C


class Overlay(ActionConfigFile):
    """`--config FILE`. Where a later file names another class, nothing of the earlier class's settings stays.

    jsonargparse keeps each init_arg that the new class happens to accept too: Adam laid over SGD(lr=0.3)
    would silently train at 0.3.
    """

    def __call__(self, parser: Any, cfg: Namespace, values: Any, option_string: str | None = None) -> None:
        forget_replaced_classes(cfg, load_overlay(values))
        super().__call__(parser, cfg, values, option_string)


class ClassOption(ActionTypeHint):
    """`--model.optimizer CLASS` and the like. Settings of the class that stood there are forgotten, too."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) > 3 and args[3] == f"--{self.dest}" and isinstance(args[2], str):
            with suppress(yaml.YAMLError):
                forget_replaced_classes(args[1], {self.dest: yaml.safe_load(args[2])})
        return super().__call__(*args, **kwargs)


def load_overlay(path: str) -> dict[str, Any]:
    """Read a YAML file of settings. Raises UserError where it is missing, no YAML, or no mapping."""
    if not Path(path).is_file():
        raise UserError(f"--config {path}: no such file{did_you_mean(path, map(str, Path('configs').rglob('*.yaml')))}")
    try:
        settings = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise UserError(f"--config {path}: expected `key: value` lines, found {type(settings).__name__}")
    return settings


def forget_replaced_classes(settings: Any, overlay: dict[str, Any]) -> None:
    """Drop the init_args in `settings` of every class that `overlay` replaces by another one."""
    for key, new in overlay.items():
        old = settings.get(key) if isinstance(settings, (dict, Namespace)) else None
        name = new if isinstance(new, str) else new.get("class_path") if isinstance(new, dict) else None
        old_name = old.get("class_path") if isinstance(old, (dict, Namespace)) else None
        if old_name and name and old_name.rpartition(".")[2] != name.rpartition(".")[2]:
            settings[key] = None
        elif isinstance(new, dict):
            forget_replaced_classes(old, new)


class CommandLine(LightningCLI):
    """LightningCLI with overlays, run folders, and the data's shape passed on to the model."""

    known_settings: set[str] = set()
    config_dump: dict[
        str, Any
    ] = {}  # else Lightning writes all settings as YAML and reads them, for hparams that nobody has

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        parser = super().init_parser(**kwargs)
        config = next(action for action in parser._actions if isinstance(action, ActionConfigFile))
        config.__class__ = Overlay
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(Run, "run")
        for action in parser._actions:
            if action.dest in CLASS_SETTINGS:
                action.__class__ = ClassOption
            elif action.dest in COUNT_OR_SHARE:
                action._typehint = Union[int, float, None]  # noqa: UP007
            elif action.dest == "trainer.precision":
                action._typehint = Union[Literal["auto"], action._typehint]  # noqa: UP007
        self.known_settings.update(action.dest for action in parser._actions)
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("data.image_shape", "model.image_shape", apply_on="instantiate")

    def _parse_ckpt_path(self) -> None:
        """Keep the command line's settings; LightningCLI would let those in a checkpoint override them."""

    def before_instantiate_classes(self) -> None:
        path = self.config[self.subcommand].get("ckpt_path")
        if path and path not in ("best", "last", "hpc", "registry") and not Path(path).is_file():
            raise UserError(
                f"--ckpt_path {path}: no such file{did_you_mean(path, map(str, Path('runs').rglob('*.ckpt')))}"
            )

    @property
    def settings(self) -> Namespace:
        """The settings of the chosen subcommand, its classes made."""
        return self.config_init[self.subcommand]

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        self.folder = None
        callbacks = training_progress()
        if self.subcommand == "fit":
            self.datamodule.setup("fit")  # before there is a folder: what is wrong with the data shows here
            run: Run = self.settings.run
            run.check()
            self.folder = run.create_folder(default_run_name(self.settings.config))
            if run.diagnostics:
                callbacks.append(Diagnostics(self.folder / "figures"))
            callbacks.append(Record(self.folder, self.settings.seed_everything, run.figures))
            if self.settings.trainer.enable_checkpointing is not False:
                folder = self.folder / "checkpoints"
                callbacks.append(ModelCheckpoint(folder, "best", monitor="val/accuracy", mode="max"))
                # Not the first one's save_last, which is written only where there is a new best.
                callbacks.append(
                    ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
                )
            kwargs["default_root_dir"] = str(self.folder)
            if self.settings.trainer.logger in (None, True):
                kwargs["logger"] = run.logger(self.folder)
        else:
            kwargs["logger"] = kwargs["enable_checkpointing"] = False
        if self.settings.trainer.precision == "auto":
            kwargs["precision"] = precision_for(self.settings.trainer.accelerator)
        kwargs["enable_progress_bar"] = any(isinstance(callback, ProgressBar) for callback in callbacks)
        return self._instantiate_trainer({**self.settings.trainer, **kwargs}, callbacks)

    def before_fit(self) -> None:
        parameters = sum(p.numel() for p in self.model.network.parameters())
        device = self.trainer.strategy.root_device
        print(
            f"{type(self.model.network).__name__}, {parameters:,} parameters, on {device}, {self.trainer.precision}; "
            f"{self.datamodule.samples_per_epoch:,} training images an epoch, {self.datamodule.described(device)}; "
            f"writing to {self.folder}"
        )

    def after_fit(self) -> None:
        for logger in self.trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()  # complete on disk, before it is said to be
        record = next(callback for callback in self.trainer.callbacks if isinstance(callback, Record))
        if record.summary:
            print(report(record.summary, self.folder, Assignment.load()))

    def after_predict(self) -> None:
        logits_NK = torch.cat(self.trainer.predict_loop.predictions)
        path = Path("predictions.csv")
        if self.settings.get("ckpt_path"):  # runs/<name>/checkpoints/best.ckpt -> runs/<name>/predictions.csv
            path = Path(self.settings.ckpt_path).parent.parent / path
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["index", "class", *self.datamodule.classes])
            for index, probabilities_K in enumerate(logits_NK.float().softmax(-1).tolist()):
                name = self.datamodule.classes[probabilities_K.index(max(probabilities_K))]
                writer.writerow([index, name, *(f"{p:.4f}" for p in probabilities_K)])
        print(f"{len(logits_NK):,} predictions are in {path}")


def default_run_name(overlays: list[Any] | None) -> str:
    """`base+he+batch` for those overlays; a run that is repeated from its config.yaml keeps its folder's name."""
    names = []
    for overlay in overlays or []:
        path = Path(str(overlay))
        generic = path.stem in ("config", "default") and path.absolute().parent.name
        names.append(generic or path.stem)
    return "+".join(names)[:80] or "run"


def run(args: list[str], command_line: type[CommandLine] = CommandLine) -> CommandLine:
    """Run a subcommand in this process, and return what was built: `.model`, `.datamodule`, `.trainer`, `.folder`.

    Args:
        args: The command line, without the program's name.
        command_line: A subclass can hook in, with `before_fit` and the like.

    Raises:
        UserError: A setting or a file is wrong; the message is one line.
    """
    quieten()
    keep_freed_memory()
    each = {"exit_on_error": False, "allow_abbrev": False}
    try:
        return command_line(
            Classifier,
            ImageData,
            args=args,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_callback=SaveConfig,
            trainer_defaults={"enable_model_summary": False},
            parser_kwargs={**each, **dict.fromkeys(command_line.subcommands(), each)},
        )
    except ArgumentError as error:
        raise UserError(explain(str(error), CommandLine.known_settings)) from None
    except MisconfigurationException as error:
        raise UserError(f"trainer: {' '.join(str(error).split())}") from None


def complete_config(args: list[str]) -> str:
    """The YAML that `fit` with these arguments would write to its run folder, without a run."""
    text = io.StringIO()
    with redirect_stdout(text):
        try:
            run(["fit", *args, "--print_config"])
        except SystemExit:
            pass
    return text.getvalue()


def main(args: list[str]) -> int:
    """Run a subcommand. A person's mistake is one line on stderr and exit status 2; Ctrl-C is 130."""
    try:
        if args[:1] == ["gallery"]:
            from project.gallery import main as draw_gallery

            return draw_gallery(args[1:])
        run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return STOPPED
    except SystemExit as ended:
        if isinstance(ended.__context__, KeyboardInterrupt):  # the Trainer's own end after Ctrl-C
            return STOPPED
        raise
    return 0


def quieten() -> None:
    """Keep advertisements, and remarks about what is so on purpose here, off the screen."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # what a profiler says was asked for
    for message in (
        "LightningCLI's args parameter",  # main() passes on the command line itself
        "The number of training batches",  # metrics are logged once an epoch
        "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
        "There is a wandb run already in progress",
        "The '\\w+' does not have many workers",
        "The dirpath has changed",  # a run that goes on from a checkpoint has a folder of its own
        "Be aware that when using `ckpt_path`",  # to validate, the callbacks of the training are not needed
    ):
        warnings.filterwarnings("ignore", message)
