"""The lecture's figures, drawn from real runs of this code: `python main.py gallery`."""

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from project.studies import gallery_figures as figures
from project.studies.gallery_regularizers import regularizers
from project.support.arguments import ArgumentParser
from project.support.errors import UserError
from project.training.command_line import quieten

GALLERY: dict[str, Callable[[Path], None]] = {
    "activations_sigmoid": functools.partial(figures.layer_outputs, activation=nn.Sigmoid),
    "activations_tanh": functools.partial(figures.layer_outputs, activation=nn.Tanh),
    "gradients_by_depth": figures.gradients_by_depth,
    "schedules": figures.schedules,
    "optimizers": figures.optimizers,
    "augmentations": figures.augmentations,
    "regularizers": regularizers,
    "layer_inputs": figures.layer_inputs,
}


def main(args: Sequence[str]) -> int:
    """Draw the gallery, or some of it."""
    parser = ArgumentParser(prog="main.py gallery", description="Draws the lecture's figures from real runs.")
    parser.add_argument("--out", type=Path, default=Path("gallery"), help="folder for the PNGs (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"some of: {', '.join(GALLERY)}")
    options = parser.parse_args(args)
    quieten()
    names = options.only or list(GALLERY)
    if unknown := [name for name in names if name not in GALLERY]:
        raise UserError(f"--only {unknown[0]}: no such figure; there is {', '.join(GALLERY)}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {options.out}: cannot be made: {error.strerror}") from None
    for number, name in enumerate(names, 1):
        started = time.perf_counter()
        path = options.out / f"{name}.png"
        GALLERY[name](path)
        print(f"[{number}/{len(names)}] {path}  {time.perf_counter() - started:.1f} s", flush=True)
    return 0
