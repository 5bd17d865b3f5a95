"""What is noted beside a student's own code, which may replace whatever it can reach."""

import copy
import importlib
import json
import subprocess
import sys
import time
from types import FunctionType

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytorch_lightning import Trainer
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy

from grader.programs.evidence import PASSES_OF_THE_CENSUS, Evidence
from project import strategies
from project.regularization import Dropout
from project.support import observation
from project.support.watched_functions import KINDS, Watch


@pytest.fixture
def evidence(monkeypatch) -> Evidence:
    """Evidence that leaves nothing behind in this process."""
    optimizer = importlib.import_module("torch.optim.optimizer")
    monkeypatch.setattr(optimizer, "register_optimizer_step_post_hook", lambda hook: None)
    for name in ("backward", "grad"):
        monkeypatch.setattr(torch.autograd, name, getattr(torch.autograd, name))
    return Evidence()


def written(evidence, tmp_path) -> dict:
    evidence.write(tmp_path / "evidence.json", evidence.counts(0, 0))
    return json.loads((tmp_path / "evidence.json").read_text())


def replaced(evidence, tmp_path, monkeypatch, *places) -> list[str]:
    """What evidence says of these attributes (owner, name), replaced after its beginning."""
    for owner, name in places:
        monkeypatch.setattr(owner, name, lambda *arguments, **more: None)
    return written(evidence, tmp_path)["replaced"]


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
def test_what_a_student_s_code_replaced_is_named(places, named, evidence, tmp_path, monkeypatch):
    assert replaced(evidence, tmp_path, monkeypatch, *places) == named


def test_the_loops_of_training_and_validation_are_watched(evidence, tmp_path, monkeypatch):
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", max_epochs=1)
    loops = (trainer.fit_loop, trainer.fit_loop.epoch_loop, trainer.validate_loop)
    found = replaced(evidence, tmp_path, monkeypatch, *((type(loop), "run") for loop in loops))
    assert [name.split(".")[2] for name in found] == ["evaluation_loop", "fit_loop", "training_epoch_loop"]


def test_nothing_is_named_where_nothing_was_replaced(evidence, tmp_path):
    importlib.import_module("project.studies.gallery")  # which comes later, as libraries do
    copy.deepcopy(Dropout())  # Python notes in the class how that is done
    assert written(evidence, tmp_path)["replaced"] == []


IN_PLACE = {
    "project.strategies.census": lambda patch: patch.setattr(strategies.census, "__code__", (lambda *_: None).__code__),
    "project.strategies.weight_decay": lambda patch: patch.setattr(strategies.weight_decay, "__defaults__", (None,)),
    "project.support.observation.Observation.forward": lambda patch: patch.setattr(
        observation.Observation.forward, "__defaults__", (1, (), None, (), 1.0, False, False)
    ),
    "project.support.watched_functions.KINDS": lambda patch: patch.delitem(KINDS, functional.batch_norm),
    "project.strategies.DRAWS": lambda patch: patch.setattr(strategies, "DRAWS", 10**6),
    "project.strategies.len": lambda patch: patch.setattr(strategies, "len", lambda of: 1, raising=False),
    "project.support.watched_functions.Watch.__getattribute__": lambda patch: patch.setattr(
        Watch, "__getattribute__", object.__getattribute__
    ),
    "torch.nn.functional.dropout": lambda patch: patch.setattr(functional.dropout, "__defaults__", (0.1, True, False)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_is_changed_in_place_or_added_is_named_too(name, evidence, tmp_path, monkeypatch):
    IN_PLACE[name](monkeypatch)
    assert name in written(evidence, tmp_path)["replaced"]


def test_what_is_put_back_was_seen_meanwhile(evidence, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(strategies, "census", print)
        evidence.look()
    assert written(evidence, tmp_path)["replaced"] == ["project.strategies.census"]


FUNCTIONS = {
    f"{module.__name__}.{name}": value
    for module in (strategies, observation)
    for name, value in vars(module).items()
    if type(value) is FunctionType
}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*FUNCTIONS]))
def test_every_function_of_the_census_is_watched_to_its_code(name, evidence):
    function, code = FUNCTIONS[name], FUNCTIONS[name].__code__
    evidence.replaced.clear()
    try:
        function.__code__ = code.replace(co_firstlineno=1)
        evidence.look()
    finally:
        function.__code__ = code
    assert name in evidence.replaced


def test_passes_backward_are_counted_whoever_asks_for_them(evidence):
    w = torch.nn.Parameter(torch.ones(2))
    w.square().sum().backward()
    torch.autograd.grad(w.square().sum(), w)
    torch.func.grad(lambda w: w.square().sum())(w.detach())
    loss = w.square().sum()
    torch.autograd.backward(loss)
    assert evidence.counts(3, 10)["passes"] == 4
    assert evidence.counts(3, 10)["most_passes"] == 10 + PASSES_OF_THE_CENSUS


COMPILING = """
import sys
from pathlib import Path

import torch

from grader.programs.evidence import Evidence

evidence = Evidence(compiles=True)
network = torch.nn.Linear(2, 2)
network.compile(backend="eager")
network(torch.ones(1, 2))
evidence.write(Path(sys.argv[1]), {})
"""


@pytest.mark.slow
def test_torch_s_own_compiler_replaces_nothing(tmp_path):
    subprocess.run([sys.executable, "-c", COMPILING, tmp_path / "evidence.json"], check=True)
    assert json.loads((tmp_path / "evidence.json").read_text())["replaced"] == []
