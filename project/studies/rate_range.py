"""A rate range test: at which learning rates does a configuration learn? `python main.py fit --find-lr --config ...`.

Every step takes a larger rate than the one before, until the loss has left its least value far behind. Smith 2017,
"Cyclical learning rates for training neural networks" (arXiv:1506.01186), section 3.3; here the rate grows exponentially,
so that one test spans what plain SGD and Adam need.
"""

import math
from collections.abc import Sequence
from itertools import accumulate, takewhile
from pathlib import Path
from statistics import fmean as mean
from typing import Any, NamedTuple

from pytorch_lightning import Callback, LightningModule, Trainer

from project.support.errors import UserError, blamed_on
from project.training.command_line import CommandLine, default_run_name, made
from project.training.configuration import Settings, merged, read_arguments
from project.training.figures import TRAIN, VAL, blank, save
from project.training.safeguards import FirstBatch, check_hooks

STEPS = 200
LOWEST, HIGHEST = 1e-5, 10.0  # rates
REACH = 8  # steps on either side that a smoothed loss is the mean of; a quarter of a power of ten
DIVERGED = 3.0  # times its least value: a loss that has lately been so high has left it for good
FALLEN = 0.97  # of its first value: what has not fallen below has learnt nothing that noise would not explain
BELOW_LEAST = 10  # the rate with the least loss is on the brink already: the suggestion lies so many times below
# Settings of the trainer that bear on a step. What is logged, drawn, kept or validated has no part in the test.
OF_A_STEP = (
    *("accelerator", "devices", "precision", "deterministic", "benchmark"),
    *("limit_train_batches", "overfit_batches", "accumulate_grad_batches"),
    *("gradient_clip_val", "gradient_clip_algorithm"),
)


class Point(NamedTuple):
    """A step: its learning rate, and the loss of its batches before it."""

    rate: float
    loss: float


class Found(NamedTuple):
    """What a rate range test tells.

    Attributes:
        smoothed: The loss of each step up to one that is not finite, averaged over those around it.
        least: The rate at which the smoothed loss was least; None where it never fell.
        suggested: The rate to take; None where it never fell.
        diverged: The rate at which the loss rose to DIVERGED times its least value, or was no longer finite; None where
            it did neither.
    """

    smoothed: list[float]
    least: float | None
    suggested: float | None
    diverged: float | None


class RateSweep(Callback):
    """Has the rate of every group of parameters grow exponentially, all by the same factor, and ends a run that diverged.

    Args:
        rate: The optimizer's own, which LOWEST and HIGHEST are in place of; > 0.

    Attributes:
        losses: Of each step's batches.
    """

    def __init__(self, rate: float):
        self.rate, self.losses = rate, list[list[float]]()
        self.own: list[float] = []  # rates of the groups

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.own = [group["lr"] for group in trainer.optimizers[0].param_groups]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        step = trainer.global_step  # stays the same while gradients are accumulated
        for group, own in zip(trainer.optimizers[0].param_groups, self.own):
            group["lr"] = own * rate_of(step) / self.rate
        if step == len(self.losses):
            self.losses.append([])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.losses[-1].append(outputs["loss"].item() * trainer.accumulate_grad_batches)  # Lightning has divided it
        if read(self.points()).diverged is not None:
            trainer.should_stop = True

    def points(self) -> list[Point]:
        return [Point(rate_of(step), mean(losses)) for step, losses in enumerate(self.losses)]


def rate_of(step: int) -> float:
    """The rate of a step: the first has LOWEST, the last HIGHEST, and each the same factor over the one before."""
    return LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))


def read(points: Sequence[Point]) -> Found:
    """What the losses of a test tell, in the order of their rates."""
    losses = [loss for _, loss in takewhile(lambda point: math.isfinite(point.loss), points)]
    lately = [mean(losses[max(0, step - REACH) : step + 1]) for step in range(len(losses))]
    least_lately = accumulate(lately, min)
    left = [step for step, (now, least) in enumerate(zip(lately, least_lately)) if now > DIVERGED * least]
    lost = [len(losses)] if len(losses) < len(points) else []
    diverged = points[min(left + lost)].rate if left or lost else None
    # A leap upwards counts for no more than twice the first loss, lest one alone hides how the others fell.
    bounded = [min(loss, 2 * lately[min(REACH, len(losses) - 1)]) for loss in losses]
    smoothed = [mean(bounded[max(0, step - REACH) : step + REACH + 1]) for step in range(len(losses))]
    if not smoothed or min(smoothed) > FALLEN * smoothed[0]:
        return Found(smoothed, None, None, diverged)
    least = points[smoothed.index(min(smoothed))].rate
    return Found(smoothed, least, least / BELOW_LEAST, diverged)


def main(args: Sequence[str]) -> int:
    """Test a range of rates on a configuration, write the picture, and suggest a rate. Returns 0; 1 where none is found.

    Args:
        args: What `fit` takes, without its name.

    Raises:
        UserError: A setting is wrong, or the optimizer has no rate; nothing is written.
    """
    arguments = read_arguments(args)
    if arguments.checkpoint or arguments.print_config:
        raise UserError("--find-lr: begins with fresh weights, and goes with neither --ckpt_path nor --print_config")
    settings = merged(arguments.overlays)
    command_line = made(without_schedule(settings), "fit --find-lr")
    folder = command_line.config_init.run.create_folder(
        default_run_name(arguments.files, arguments.options) + "+find-lr"
    )
    try:
        points = swept(command_line)
    except BaseException:
        folder.rmdir()
        raise
    found = read(points)
    path = folder / "rate_range.png"
    draw(points, found, path)
    print(in_words(found, len(points), command_line.model.optimizer, path))
    return 0 if found.suggested else 1


def without_schedule(settings: Settings) -> Settings:
    """The settings for a test: at a schedule's place the sweep, and of the trainer what bears on a step."""
    trainer = {name: value for name, value in settings.get("trainer", {}).items() if name in OF_A_STEP}
    ends = {"max_steps": STEPS, "max_epochs": STEPS, "num_sanity_val_steps": 0, "check_val_every_n_epoch": STEPS + 1}
    model = {name: value for name, value in settings.get("model", {}).items() if name != "scheduler"}
    return {**settings, "trainer": {**trainer, **ends}, "model": model}


def swept(command_line: CommandLine) -> list[Point]:
    """Train what was made, step by step at higher rates."""
    model, trainer = command_line.model, command_line.trainer
    own = model.build_optimizer()
    kind = type(own).__name__
    rate = own_rate(model.optimizer, own.param_groups)
    if not rate:
        raise UserError(f"model.optimizer: {kind} has no learning rate above 0 to begin from; give it one, such as 0.1")
    print(f"At most {STEPS} steps of {kind}, at rates from {LOWEST:g} to {HIGHEST:g}", flush=True)
    sweep = RateSweep(rate)
    trainer.callbacks = [FirstBatch(), sweep]  # type: ignore[attr-defined]  # those that only show or keep a training go
    check_hooks(model, command_line.datamodule)
    with blamed_on("--find-lr"):  # as `fit` does, where torch or Lightning refuse something only in a step
        trainer.fit(model, command_line.datamodule)
    if not sweep.losses:
        raise UserError("trainer.limit_train_batches: nothing is left to train on; take 1 or more")
    return sweep.points()


def own_rate(optimizer: Any, groups: Sequence[dict[str, Any]]) -> float | None:
    """The rate that an optimizer's setting `lr` names, which need not be that of all groups; None where there is none."""
    rate: float | None = getattr(optimizer, "keywords", {}).get("lr", groups[0].get("lr"))
    return rate if all("lr" in group for group in groups) else None


def in_words(found: Found, steps: int, optimizer: Any, path: Path) -> str:
    """What was found, how to use it, and what it cannot tell."""
    ended = f"diverges at {found.diverged:.2g}" if found.diverged else f"does not diverge up to {HIGHEST:g}"
    if found.suggested is None or found.least is None:
        return f"The loss falls at no rate, and {ended}: look at the configuration. {path} shows it"
    settings = getattr(optimizer, "keywords", {})
    rates = {name: value for name, value in settings.items() if name == "lr" or name.endswith("_lr")}  # Muon has two
    rates = rates if "lr" in rates else {"lr": 1.0}
    options = " ".join(
        f"--model.optimizer.{name} {found.suggested * rate / rates['lr']:.2g}" for name, rate in rates.items()
    )
    return (
        f"{options}: a tenth of {found.least:.2g}, where the loss is least; it {ended}.\n"
        f"With a schedule, this is its highest rate. One seed and {steps} steps tell the order of magnitude, not the best "
        f"rate:\ntry three times more and less, with `study`. {path} shows it"
    )


def draw(points: Sequence[Point], found: Found, path: Path) -> None:
    """The loss over the rate: of each step, smoothed, and where the suggestion and the end lie."""
    figure, axes = blank(7, 4)
    rates, losses = zip(*points)
    axes.plot(rates, losses, color="0.8", label="loss of each step")
    axes.plot(rates[: len(found.smoothed)], found.smoothed, color=TRAIN, label="smoothed")
    if found.suggested:
        axes.axvline(found.suggested, color=TRAIN, linestyle="--", label=f"suggested, {found.suggested:.2g}")
    if found.diverged:
        axes.axvline(found.diverged, color=VAL, linestyle=":", label=f"diverges, {found.diverged:.2g}")
    low, high = min(found.smoothed, default=0), max(found.smoothed[:1], default=1)
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss", title="Rate range test")
    axes.set_ylim(max(0, low - 0.2 * high), 1.6 * high)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    save(figure, path)
