"""The command line: `python main.py fit|validate|test|predict --config A --config B --setting VALUE ...`.

Files and options are merged (`configuration.py`), LightningCLI makes the objects, and a run gets a folder.
"""

import copy
import csv
import logging
import re
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytorch_lightning
import torch
import yaml
from jsonargparse import ArgumentError
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from project.assignment import RULES, Assignment
from project.classifier import Classifier
from project.data import ImageData
from project.strategies import Census
from project.support.allocator import keep_freed_memory
from project.support.errors import UserError, in_one_line, note
from project.support.own_code import own_error
from project.support.wording import counted, did_you_mean
from project.training.checkpoint import WhereItLies, check_fits, checkpoint_file, own_folder
from project.training.configuration import Settings, class_paths, merged, overruled, read_arguments
from project.training.diagnostics import Diagnostics
from project.training.epoch_display import training_progress
from project.training.known_settings import COMMANDS, OTHER_COMMANDS
from project.training.next_step import next_step
from project.training.parser_errors import explain, refused
from project.training.run_folder import Run
from project.training.safeguards import FiniteLoss, FirstBatch, check_hooks, lengths
from project.training.summary import Record, report
from project.training.threads import worthwhile_threads
from project.training.trainer import Trainer
from project.training.wandb_run import WandbPage, begin, finish, harmless

PARSERS: dict[str, LightningArgumentParser] = {}  # by command: to make one takes as long as to read settings with it
OF_NETWORKS = {
    "num_classes": 10,
    "in_channels": 3,
    "image_size": 32,
    "normalization": None,
}  # the data's come in their place
UNWRITTEN = "Unable to serialize instance"  # what stands there instead


class Parsed(Exception):
    """The settings are read, and nothing is to be made of them; the message is the complete configuration as YAML."""


class CommandLine(LightningCLI):
    """Makes the model, its data and a trainer of merged settings.

    Args:
        settings: As `merged` gives them; or arguments that ask for help, as a list.
        command: One of COMMANDS; `fit` makes a run's folder.
        run_name: Of the folder, where the settings name none.
        own: Folder of the run that goes on, which gets no new one.
        on_census: Called with the strategies that a fit uses, before its first batch.
        parse_only: Raise Parsed before anything is made.
        guarded: Look at a person's own code before the first epoch, and end a fit whose loss is no longer finite.

    Attributes:
        model, datamodule, trainer: What was made.
        folder: The run's folder; None but for `fit`.
        complete: The complete configuration as YAML.
    """

    def __init__(
        self,
        settings: Settings | list[str],
        command: str = "fit",
        run_name: str = "run",
        own: Path | None = None,
        on_census: Callable[[Census], None] = lambda census: None,
        parse_only: bool = False,
        guarded: bool = False,
    ):
        self.command, self.run_name, self.own = command, run_name, own
        self.on_census, self.parse_only, self.guarded = on_census, parse_only, guarded
        self.folder: Path | None = None
        self.record: Record | None = None
        self.complete = ""
        super().__init__(
            Classifier,
            ImageData,
            trainer_class=Trainer,
            args=settings,
            run=False,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            save_config_callback=None,
            parser_kwargs={"prog": f"main.py {command}", "exit_on_error": False},
        )

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        if (made_before := PARSERS.get(self.command)) is None:
            super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
            PARSERS[self.command] = self.parser
        else:
            self.parser = made_before

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(Run, "run")
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")
        parser.link_arguments("data.image_shape", "model.image_shape", apply_on="instantiate")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        given = copy.deepcopy(args)  # the parser changes what it gets
        try:
            try:
                super().parse_arguments(parser, args)
            except ArgumentError as error:
                if not (filled := network_filled(given, str(error))):
                    raise
                super().parse_arguments(parser, filled)
        except ArgumentError as error:
            raise UserError(explain(str(error), parser.get_defaults().keys())) from error
        if (seed := self.config.seed_everything) is None or not 0 <= seed < 2**32:
            raise UserError(f"seed_everything: {seed} is no seed; take a number from 0 to {2**32 - 1}")
        with warnings.catch_warnings(action="ignore"):  # of what is written below
            self.complete = parser.dump(self.config, skip_unset=False)
        if UNWRITTEN in self.complete:
            head, _, _ = self.complete.partition("\n")
            written = with_numbers(yaml.safe_load(self.complete), self.config.as_dict())
            self.complete = f"{head}\n{yaml.safe_dump(written, sort_keys=False)}"
        if self.parse_only:
            raise Parsed(self.complete)

    def instantiate_trainer(self, **kwargs: Any) -> pytorch_lightning.Trainer:
        chosen, run = self.config_init.trainer, self.config_init.run
        callbacks, progress = [*(chosen.callbacks or [])], training_progress()
        kwargs["enable_progress_bar"] = any(isinstance(callback, ProgressBar) for callback in (*callbacks, *progress))
        if self.command != "fit":
            callbacks += progress
            return super().instantiate_trainer(callbacks=callbacks, logger=False, enable_checkpointing=False, **kwargs)
        for name in ("max_epochs", "max_steps", "limit_train_batches"):
            if chosen[name] == 0:
                raise UserError(f"trainer.{name}: 0 trains nothing; take 1 or more")
        if self.guarded:
            check_hooks(self.model, self.datamodule)
            callbacks += [FirstBatch(), FiniteLoss()]  # the first batch before the census
        self.datamodule.setup("fit")  # before there is a folder: what is wrong with the data shows here,
        self.model.build_optimizer()  # and what the optimizer refuses
        run.check()
        rules = Assignment.load(run.rules or RULES)
        self.folder = self.own or run.create_folder(self.run_name)
        if run.diagnostics:
            callbacks.append(Diagnostics(self.folder / "figures"))
        seed = self.config_init.seed_everything
        self.record = Record(self.folder, self.complete, seed, rules, run.figures, self.on_census)
        callbacks.append(self.record)
        if run.wandb != "disabled":
            callbacks.append(WandbPage(self.record))
        callbacks += progress  # an epoch's line says that its row is written
        if chosen.enable_checkpointing is not False:
            checkpoints = self.folder / "checkpoints"
            if chosen.limit_val_batches != 0:
                callbacks.append(ModelCheckpoint(checkpoints, "best", monitor="val/accuracy", mode="max"))
            # Not the first one's save_last, which is written only where there is a new best.
            last = ModelCheckpoint(checkpoints, "last", save_on_train_epoch_end=True, enable_version_counter=False)
            callbacks.append(last)
            callbacks += [WhereItLies()] if self.own else []
        kwargs["logger"] = False if chosen.logger in (None, True) else chosen.logger
        try:
            trainer = super().instantiate_trainer(callbacks=callbacks, default_root_dir=str(self.folder), **kwargs)
            if chosen.logger in (None, True) and run.wandb != "disabled":
                trainer.logger = begin(self.folder, run.wandb, run.project)
        except Exception:  # a setting was wrong, so there is no run
            self.drop_folder()
            raise
        return trainer

    def drop_folder(self) -> None:
        """Remove the run's folder, unless something was measured or saved in it."""
        if not self.folder or self.own or self.record and self.record.trained:
            return
        if trainer := getattr(self, "trainer", None):
            finish(trainer)
        shutil.rmtree(self.folder, ignore_errors=True)

    def fit(self, checkpoint: str | None = None) -> None:
        """Train, going on from a checkpoint where one is given, and say how the run ended."""
        parameters = sum(p.numel() for p in self.model.network.parameters())
        device, data = self.trainer.strategy.root_device, self.datamodule
        taken, whole = data.samples_per_epoch(self.trainer.limit_train_batches), data.samples_per_epoch()
        part = "" if taken == whole else f"{taken:,} of "
        print(
            f"{type(self.model.network).__name__}, {parameters:,} parameters, on {device}, {self.trainer.precision}; "
            f"{part}{counted(whole, 'training image')} an epoch, {data.described(device)}; "
            f"{'going on in' if self.own else 'writing to'} {self.folder}",
            flush=True,  # the first epoch may be long
        )
        if self.trainer.logger:
            with harmless():
                self.trainer.logger.log_hyperparams(yaml.safe_load(self.complete))
        try:
            with self.threads():
                self.trainer.fit(self.model, self.datamodule, ckpt_path=checkpoint)
            if checkpoint and self.record and not self.record.trained:
                longer = "give a higher trainer.max_epochs"
                if any(lengths(self.trainer)):
                    longer = "its schedule is over, too, so for more train anew with a higher trainer.max_epochs"
                raise UserError(f"--ckpt_path {checkpoint}: no epoch is left to train; {longer}")
        except Exception:
            self.drop_folder()
            raise
        finish(self.trainer)  # complete on disk, before it is said to be
        if (record := self.record) and record.summary:
            print(report(record.summary, record.folder, record.rules))
            all_validate = data.samples("val", self.trainer.limit_val_batches) == data.samples("val")
            if taken == whole and all_validate:  # a part of the images says too little
                settings, file = yaml.safe_load(self.complete), record.folder / "config.yaml"
                print(next_step(record.rows, record.summary, record.rules, file, settings), end="")

    def threads(self) -> AbstractContextManager[None]:
        """Within it, a CPU computes with no more threads than a batch is worth."""
        if self.trainer.strategy.root_device.type != "cpu":
            return nullcontext()
        return worthwhile_threads(self.model.network, self.datamodule.batch_size, self.model.image_shape)

    def validate(self, checkpoint: str | None = None) -> None:
        """Loss and accuracy on the validation images."""
        (metrics,) = self.trainer.validate(self.model, self.datamodule, ckpt_path=checkpoint, verbose=False)
        self.print_scores("validation", "val", metrics, self.trainer.limit_val_batches)

    def test(self, checkpoint: str | None = None) -> None:
        """Loss and accuracy on the test images."""
        (metrics,) = self.trainer.test(self.model, self.datamodule, ckpt_path=checkpoint, verbose=False)
        self.print_scores("test", "test", metrics, self.trainer.limit_test_batches)

    def print_scores(self, images: str, split: str, metrics: Mapping[str, float], limit: int | float) -> None:
        """What was measured on a split, as a table."""
        loss, accuracy = (metrics[f"{split}/{name}"] for name in ("loss", "accuracy"))
        count = self.datamodule.samples(split, limit)
        print(f"{'images':<12}{'number':>8}{'loss':>8}{'accuracy':>10}")
        print(f"{images:<12}{count:>8,}{loss:>8.3f}{accuracy:>10.2%}")

    def predict(self, checkpoint: str | None = None) -> None:
        """Write each test image's class and probabilities into the run's folder, or here where there is none."""
        logits_NK = self.logits(checkpoint)
        path = Path("predictions.csv")
        if checkpoint:  # runs/<name>/checkpoints/best.ckpt -> runs/<name>/predictions.csv
            path = Path(checkpoint).parent.parent / path
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["index", "class", *self.datamodule.classes])
            for index, probabilities_K in enumerate(logits_NK.softmax(-1).tolist()):
                name = self.datamodule.classes[probabilities_K.index(max(probabilities_K))]
                writer.writerow([index, name, *(f"{p:.4f}" for p in probabilities_K)])
        print(f"{counted(len(logits_NK), 'prediction')} written to {path}")

    def logits(self, checkpoint: str | None = None) -> torch.Tensor:
        """Logits (N, K), float32, of the test images."""
        batches = self.trainer.predict(self.model, self.datamodule, ckpt_path=checkpoint)
        return torch.cat(batches).float()  # type: ignore[arg-type]  # of one loader, so a plain list


def network_filled(settings: Any, said: str) -> Settings | None:
    """The settings with what the parser misses of a network, where the classifier gives that itself; else None.

    Args:
        said: What the parser said.
    """
    missing = re.search(r"arguments are required: ([\w, ]+)", said)
    names = missing.group(1).strip().split(", ") if missing and 'Parser key "model.network"' in said else []
    if not names or not set(names) <= OF_NETWORKS.keys():
        return None
    given = {name: OF_NETWORKS[name] for name in names}
    return merged([settings, {"model": {"network": {"init_args": given}}}])


def made(settings: Settings | list[str], *args: Any, **kwargs: Any) -> CommandLine:
    """A CommandLine. Raises UserError where a setting is wrong; the message is one line."""
    quieten()
    keep_freed_memory()
    classes = list(class_paths(settings))  # the parser changes what it gets
    try:
        return CommandLine(settings, *args, **kwargs)
    except ArgumentError as error:
        raise UserError(explain(str(error), ())) from error
    except (UserError, Parsed):
        raise
    except Exception as error:
        told = refused(error, classes)
    raise told


def run(args: Sequence[str]) -> CommandLine:
    """Run a command in this process, and return what was made of it.

    Args:
        args: The command line, without the program's name: one of COMMANDS, then options.

    Raises:
        UserError: A setting or a file is wrong; the message is one line.
    """
    command, *rest = args or [""]
    if command not in COMMANDS:
        commands = (*COMMANDS, *OTHER_COMMANDS)
        hint = did_you_mean(command, commands)
        raise UserError(f"{command or 'no command'}: expected one of {', '.join(commands)}{hint}")
    arguments = read_arguments(rest)
    if arguments.help:
        return made([word for word in arguments.help if word != "all"], command)
    if arguments.print_config:
        print(complete_config(rest), end="")
        raise SystemExit(0)
    checkpoint = checkpoint_file(arguments.checkpoint, command, arguments.files)
    for remark in overruled(arguments):
        note(remark)
    settings = merged(arguments.overlays)
    own = own_folder(checkpoint, settings) if command == "fit" else None
    command_line = made(settings, command, default_run_name(arguments.files, arguments.options), own, guarded=True)
    try:
        if checkpoint:
            check_fits(checkpoint, command_line.model, to_train=command == "fit")
        getattr(command_line, command)(checkpoint)
    except UserError:
        command_line.drop_folder()
        raise
    except Exception as error:  # of Lightning, mostly, which looks at some settings only when it starts
        if own_error(error, UserError) or (command_line.record and command_line.record.trained):
            raise
        raise UserError(f"{command}: {in_one_line(error)}") from error
    return command_line


def complete_config(args: Sequence[str]) -> str:
    """The YAML that `fit` with these arguments would write to its run folder, without a run."""
    return completed(merged(read_arguments(args).overlays))


def completed(settings: Settings) -> str:
    """Merged settings with the defaults of all others, as YAML. Raises UserError where one is wrong."""
    try:
        made(settings, parse_only=True)
    except Parsed as parsed:
        return str(parsed)
    raise AssertionError("unreachable")


def default_run_name(overlays: Sequence[str], options: Mapping[str, str]) -> str:
    """`base+he+width=32` for those overlays and options; a run that is repeated from its config.yaml keeps its folder's name.

    Where a run is kept, and on which device, says nothing of it, and is left out.
    """
    names = []
    for overlay in overlays:
        path = Path(overlay)
        generic = path.stem in ("config", "default") and path.absolute().parent.name
        names.append(generic or path.stem)
    for option, text in options.items():
        if not option.startswith(("run.", "trainer.accelerator", "trainer.devices")):
            value = text.rstrip("/").rpartition("/")[2]  # of a path, its end, and of a class, its name
            value = value.rpartition(".")[2] if re.fullmatch(r"[a-z_]\w*(\.[A-Za-z_]\w*){2,}", value) else value
            plain = re.sub(r"[^\w.,+-]+", "_", value)
            names.append(f"{option.rpartition('.')[2].rstrip('+')}={plain}")
    return "+".join(names)[:80] or "run"


def main(args: Sequence[str]) -> int:
    """Run a command. Returns the exit status."""
    run(args)
    return 0


def with_numbers(written: Any, parsed: Any) -> Any:
    """A configuration with the numbers that the parser cannot write: torchvision asks for some of the type `Number`."""
    if isinstance(written, dict):
        return {key: with_numbers(value, parsed[key]) for key, value in written.items()}
    if isinstance(written, list):
        return [with_numbers(*pair) for pair in zip(written, parsed)]
    return parsed if isinstance(written, str) and written.startswith(UNWRITTEN) else written


def quieten() -> None:
    """Keep advertisements, and remarks on what is intended here, off the screen."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.profilers").setLevel(logging.INFO)  # what a profiler says was asked for
    for message in (
        "LightningCLI's args parameter",  # main() passes on the command line itself
        "The number of training batches",  # metrics are logged once an epoch
        "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
        "The dirpath has changed",  # a run that goes on from another run's checkpoint has a folder of its own
        "Checkpoint directory .* exists and is not empty",  # where a run goes on in its own
        "Be aware that when using `ckpt_path`",  # to validate, the callbacks of the training are not needed
    ):
        warnings.filterwarnings("ignore", message)
