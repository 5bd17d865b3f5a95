"""`--ckpt_path`: which file it names, whether that is a run's checkpoint, and whether it fits what is made of it."""

import os
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from project.classifier import Classifier, accepted_arguments
from project.support.errors import UserError
from project.support.wording import did_you_mean
from project.training.configuration import Settings

NAMES = ("best", "last")  # in the folder of the run whose config.yaml is given

SOME_STEPS = 100  # of a schedule that only has to tell its first rate
HOW_FAST = {"fused", "foreach", "capturable", "differentiable"}  # settings that change no number


def checkpoint_file(named: str | None, command: str, configs: Sequence[str]) -> str | None:
    """The file that `--ckpt_path` names; None for a training that starts anew.

    Raises UserError where it is not there, and where a command other than fit has none: it would judge a network that has
    learnt nothing.
    """
    folders = [Path(config).parent / "checkpoints" for config in configs if Path(config).name == "config.yaml"]
    if named is None and command != "fit":
        there = [str(folder / "best.ckpt") for folder in folders if (folder / "best.ckpt").is_file()]
        example = there[-1] if there else "RUN/checkpoints/best.ckpt"
        raise UserError(f"{command}: there is no network without a checkpoint; give --ckpt_path {example}")
    if named in NAMES:
        for folder in reversed(folders):
            if (folder / f"{named}.ckpt").is_file():
                return str(folder / f"{named}.ckpt")
        raise UserError(f"--ckpt_path {named}: no run's config.yaml beside such a checkpoint is given; name the file")
    if named is not None and not os.path.isfile(named):
        raise UserError(
            f"--ckpt_path {named}: no such file{did_you_mean(named, map(str, Path('runs').rglob('*.ckpt')))}"
        )
    return named


def own_folder(checkpoint: str | None, settings: Settings) -> Path | None:
    """The folder of the run whose last checkpoint this is, in which it goes on, unless `run.name` names another one."""
    if not checkpoint or Path(checkpoint).name != "last.ckpt" or Path(checkpoint).parent.name != "checkpoints":
        return None
    folder = Path(checkpoint).parent.parent
    name = (settings.get("run") or {}).get("name") or folder.name
    same = re.fullmatch(rf"{re.escape(str(name))}(-\d+)?", folder.name)
    return folder if same and (folder / "config.yaml").is_file() else None


class WhereItLies(Callback):
    """Has a run that goes on in its own folder know its checkpoints there, though the folder was moved.

    Lightning looks for the best one by its whole path, and without it takes the next epoch for the best so far.
    """

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        for keeper in trainer.checkpoint_callbacks:
            state = checkpoint["callbacks"].get(keeper.state_key)
            if state and isinstance(keeper, ModelCheckpoint) and keeper.dirpath not in (None, state["dirpath"]):
                state["dirpath"] = str(keeper.dirpath)
                for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
                    state[name] = moved(state[name], keeper.dirpath)
                state["best_k_models"] = {
                    moved(path, keeper.dirpath): score for path, score in state["best_k_models"].items()
                }


def moved(path: str, folder: str | Path) -> str:
    """The file of the same name in a folder; nothing for no path. It may be another system's."""
    return str(Path(folder, PureWindowsPath(path).name)) if path else ""


def check_fits(checkpoint: str, model: Classifier, to_train: bool) -> None:
    """Raises UserError where a file is no run's checkpoint, or one of another network or, to train on, optimizer."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is no checkpoint, torch also warns
            content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        theirs, groups = content["state_dict"], content["optimizer_states"][0]["param_groups"] if to_train else []
        assert "pytorch-lightning_version" in content
    except Exception:
        cure = "those of a run are in its folder checkpoints/"
        raise UserError(f"--ckpt_path {checkpoint}: no checkpoint of a run, or a damaged one; {cure}") from None
    cure = "give the --config of the run that it is from"
    ours = model.state_dict()
    for name in [*ours, *theirs]:
        here, there = (size(weights.get(name)) for weights in (ours, theirs))
        if here != there:
            said = f"{name.removeprefix('network.')} is {there} in it, and {here} here"
            raise UserError(f"--ckpt_path {checkpoint}: from another network: {said}; {cure}")
    if to_train:
        optimizer = model.build_optimizer()
        with suppress(Exception):  # the training will say what is wrong with its schedule
            model.build_scheduler(optimizer, SOME_STEPS)
        wanted = optimizer.state_dict()["param_groups"]
        if [len(group["params"]) for group in wanted] != [len(group["params"]) for group in groups] or any(
            set(group) - set(other) for group, other in zip(wanted, groups)
        ):
            raise UserError(f"--ckpt_path {checkpoint}: from a training with another optimizer; {cure}")
        for group, other in zip(wanted, groups):
            for name, here in settings_of(group, model).items():
                if (there := settings_of(other, model).get(name, here)) != here:
                    said = f"its optimizer goes on with {name} {there}, and not with {here}"
                    raise UserError(f"--ckpt_path {checkpoint}: {said}; ask for the same, or train anew without it")


def settings_of(group: dict[str, Any], model: Classifier) -> dict[str, Any]:
    """The settings of a parameter group that no step and no schedule changes, and of its rate the one that the schedule began with."""
    cycled = {"lr", *(("momentum", "betas") if "max_momentum" in group else ())}
    fixed = accepted_arguments(model.optimizer) - cycled - HOW_FAST
    found = {name: value for name, value in group.items() if name in fixed and isinstance(value, int | float | tuple)}
    of_schedule = group.get("max_lr", group.get("initial_lr"))
    rate = group["lr"] if of_schedule is None and model.scheduler is None else of_schedule
    return found | ({} if rate is None else {"lr": float(rate)})


def size(weight: Any) -> str:
    """`16x3x3x3`; `missing` for none."""
    if weight is None:
        return "missing"
    return "x".join(map(str, weight.shape)) or "a number" if isinstance(weight, torch.Tensor) else "no tensor"
