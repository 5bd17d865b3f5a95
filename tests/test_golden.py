"""A short run's losses, pinned: what should change no number must not, and what does says so by changing these."""

import csv

import pytest
import torch

from project.training.command_line import run

TINY = "--data.source Glyphs --data.source.train 400 --data.source.val 100 --trainer.max_epochs 3".split()
QUIET = "--trainer.accelerator cpu --run.wandb disabled --run.diagnostics false".split()


def test_a_short_run_gives_the_losses_that_it_gave(tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fitted = run(["fit", "--config", "configs/quickstart.yaml", *TINY, *QUIET, "--run.folder", str(tmp_path)])
    finally:
        torch.set_num_threads(threads)
    with open(fitted.folder / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # Processors round differently, which grows from step to step.
    assert float(rows[0]["train/loss"]) == pytest.approx(2.49246, rel=1e-4)
    assert float(rows[0]["val/loss"]) == pytest.approx(3.35463, rel=1e-4)
    assert float(rows[2]["train/loss"]) == pytest.approx(2.1431, rel=3e-3)
