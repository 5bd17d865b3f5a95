"""For all tests: the repository's root as working directory, a cache and a seed of their own, no W&B beyond this machine."""

import os
from pathlib import Path

import hypothesis
import pytest
import torch

os.environ["WANDB_MODE"] = "offline"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the test processes share two cores
# How long an example takes is no property of ours.
hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def in_the_repository_s_root(monkeypatch, tmp_path_factory):
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setenv("FIFTEEN_EPOCHS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def the_same_draws_in_whatever_order():
    torch.manual_seed(0)
