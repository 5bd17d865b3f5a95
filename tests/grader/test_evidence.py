"""What is noted beside a student's own code, which may replace whatever it can reach."""

import importlib
import json
import subprocess
import sys
import time

import pytest
import torch
from pytorch_lightning import Trainer
from torchmetrics.classification import MulticlassAccuracy

from grader.programs.evidence import Evidence


def replaced(tmp_path, monkeypatch, *places) -> list[str]:
    """What evidence says of these attributes (owner, name), replaced after its beginning."""
    optimizer = importlib.import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizer, "register_optimizer_step_post_hook", lambda hook: None)
    evidence = Evidence()
    for owner, name in places:
        monkeypatch.setattr(owner, name, lambda *arguments, **more: None)
    evidence.write(tmp_path / "evidence.json", 0)
    return json.loads((tmp_path / "evidence.json").read_text())["replaced"]


@pytest.mark.parametrize(
    ("places", "named"),
    [
        ([(time, "perf_counter"), (torch, "load")], ["time.perf_counter", "torch.load"]),
        ([(torch, "Generator")], ["torch.Generator"]),
        ([(torch.nn.Module, "__call__")], ["torch.nn.modules.module.Module.__call__"]),
        ([(Trainer, "fit")], ["pytorch_lightning.trainer.trainer.Trainer.fit"]),
        ([(MulticlassAccuracy, "plot")], ["torchmetrics.classification.accuracy.MulticlassAccuracy.plot"]),
    ],
)
def test_what_a_student_s_code_replaced_is_named(places, named, tmp_path, monkeypatch):
    assert replaced(tmp_path, monkeypatch, *places) == named


def test_the_loops_of_training_and_validation_are_watched(tmp_path, monkeypatch):
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", max_epochs=1)
    loops = (trainer.fit_loop, trainer.fit_loop.epoch_loop, trainer.validate_loop)
    found = replaced(tmp_path, monkeypatch, *((type(loop), "run") for loop in loops))
    assert [name.split(".")[2] for name in found] == ["evaluation_loop", "fit_loop", "training_epoch_loop"]


def test_nothing_is_named_where_nothing_was_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.load", print)  # before it begins
    assert replaced(tmp_path, monkeypatch) == []


COMPILING = """
import sys
from pathlib import Path

import torch

from grader.programs.evidence import Evidence

evidence = Evidence(compiles=True)
network = torch.nn.Linear(2, 2)
network.compile(backend="eager")
network(torch.ones(1, 2))
evidence.write(Path(sys.argv[1]), 0)
"""


@pytest.mark.slow
def test_torch_s_own_compiler_replaces_nothing(tmp_path):
    subprocess.run([sys.executable, "-c", COMPILING, tmp_path / "evidence.json"], check=True)
    assert json.loads((tmp_path / "evidence.json").read_text())["replaced"] == []
