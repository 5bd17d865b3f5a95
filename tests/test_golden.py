"""Short runs' losses, pinned: what should change no number must not, and what does says so by changing these.

Processors, libraries and thread counts round differently, and training multiplies that with every step: three epochs in
single precision end 1e-3 apart, and 1e-2 where a few drawn weights differ in their last digit.
"""

import csv

import pytest
import torch

from project.training.command_line import run

TINY = "--data.source Glyphs --data.source.train 400 --data.source.val 100".split()
QUIET = "--trainer.accelerator cpu --trainer.enable_checkpointing false --run.wandb disabled --run.diagnostics false".split()


def losses(tmp_path, *options):
    """Training and validation loss of each epoch."""
    args = ["fit", "--config", "configs/quickstart.yaml", *TINY, *QUIET, *options, f"--run.folder={tmp_path}"]
    with open(run(args).folder / "metrics.csv", encoding="utf-8") as file:
        return [float(row[f"{split}/loss"]) for row in csv.DictReader(file) for split in ("train", "val")]


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_three_epochs_in_double_precision(tmp_path, double_precision):
    """Weights off by 1e-9 of themselves move these losses by 1e-9 of themselves, so processors agree far closer than 1e-6.

    Crops in place of the affine map: they only copy pixels, where that one rounds.
    """
    crop = "[{class_path: project.augmentation.RandomCrop, init_args: {padding: 2}}]"
    options = ("--trainer.max_epochs=3", "--trainer.precision=64-true", f"--data.augmentation={crop}")
    expected = [2.3808525, 3.6985113, 2.0072729, 1.8730889, 1.4631704, 1.6496070]
    assert losses(tmp_path, *options) == pytest.approx(expected, rel=1e-6)


def test_the_first_two_steps_as_they_are(tmp_path):
    """Weights off by 1e-5 of themselves, more than any processor's rounding, move these losses by 1e-4 of themselves."""
    options = ("--trainer.max_epochs=1", "--trainer.limit_train_batches=2")
    assert losses(tmp_path, *options) == pytest.approx([2.65823, 3.29709], rel=1e-3)
