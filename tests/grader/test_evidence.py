"""What is noted beside a student's own code, which may replace whatever it can reach."""

import copy
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import FunctionType, SimpleNamespace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytorch_lightning import Trainer
from torch import nn
from torch.nn import functional
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.checkpoint import checkpoint
from torchmetrics.classification import MulticlassAccuracy

from grader.programs.evidence import Evidence, compiles, other_images
from project import strategies
from project.classifier import Classifier
from project.datasets.source import Split
from project.datasets.tensor_folder import TensorFolder
from project.optimization import SAM, Muon
from project.regularization import Dropout
from project.support import observation
from project.support.watched_functions import KINDS, Watch
from tests.test_effects import Several, SeveralWithoutDefaults


def made(patch, **chosen) -> Evidence:
    """Evidence that leaves nothing behind in this process once `patch` is undone."""
    optimizer = importlib.import_module("torch.optim.optimizer")
    register, hooks = optimizer.register_optimizer_step_post_hook, []
    patch.setattr(optimizer, "register_optimizer_step_post_hook", lambda hook: hooks.append(register(hook)))
    for name in ("backward", "grad"):
        patch.setattr(torch.autograd, name, getattr(torch.autograd, name))
    evidence = Evidence(**chosen)
    evidence.hooks = hooks
    return evidence


@pytest.fixture
def evidence(monkeypatch):
    evidence = made(monkeypatch)
    yield evidence
    for hook in evidence.hooks:
        hook.remove()


def written(evidence, tmp_path) -> dict:
    evidence.write(tmp_path / "evidence.json", evidence.counts())
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


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert evidence.counts()["passes"] == 4


def trained(evidence, network, optimizer, steps=3) -> dict[str, int]:
    """What is counted of a small training of a network that takes numbers (N, 4)."""
    evidence.watch(network)

    def closure():
        optimizer.zero_grad()
        loss = network(torch.randn(8, 4)).square().mean()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return evidence.counts()


ALLOWED = json.loads(Path("grader/intake/allowed_classes.json").read_text())["places"]["optimizer"]


def class_of(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", ALLOWED)
def test_no_optimizer_of_the_list_is_taken_for_a_replacement_or_for_more_steps(path, monkeypatch, tmp_path):
    for kind in (SAM, Muon):  # as in a process that has made none of them yet
        if getattr(vars(kind).get("step"), "hooked", False):  # by torch, at the first one
            monkeypatch.setattr(kind, "step", kind.step.__wrapped__)
    evidence = made(monkeypatch)
    try:
        network = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False))
        counts = trained(evidence, network, class_of(path)(network.parameters()))
        assert counts["steps"] == 3 and counts["passes"] <= 6
        assert written(evidence, tmp_path)["replaced"] == []
    finally:
        for hook in evidence.hooks:
            hook.remove()


class OwnSAM(Optimizer):
    """Moves uphill, and lets another optimizer step."""

    def __init__(self, params):
        super().__init__(params, {"rho": 0.05})
        self.base = SGD(self.param_groups, lr=0.1)

    def step(self, closure):
        closure()
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.add_(0.05 * p.grad)
        loss = closure()
        self.base.step()
        return loss


class Lookahead(OwnSAM):
    """Lets another optimizer step, which takes no closure."""

    def __init__(self, params):
        super().__init__(params)
        self.base = AdamW(self.param_groups)

    def step(self, closure):
        loss = closure()
        self.base.step()
        return loss


@pytest.mark.parametrize("optimizer", [OwnSAM, Lookahead])
def test_a_step_within_an_optimizer_s_own_is_no_step_more(optimizer, evidence):
    network = nn.Linear(4, 2)
    assert trained(evidence, network, optimizer(network.parameters()))["steps"] == 3


@pytest.mark.parametrize("optimizer", [Several, SeveralWithoutDefaults])
def test_steps_of_others_behind_one_optimizer_are_one_however_it_is_made(optimizer, evidence):
    classifier = Classifier(lambda: nn.Linear(4, 2), optimizer)
    strategies.steps_like_plain_sgd(classifier.make_optimizer, classifier.network)  # which the census asks
    assert trained(evidence, classifier.network, classifier.build_optimizer())["steps"] == 3


class Restless(nn.Module):
    """Trains a layer of its own whenever it is asked, also within another optimizer's step."""

    def __init__(self):
        super().__init__()
        self.first, self.other = nn.Linear(4, 2), nn.Linear(4, 2)
        self.optimizer = SGD(self.other.parameters(), lr=0.1)

    def forward(self, x):
        self.other(x).square().mean().backward()
        self.optimizer.step()
        return self.first(x)


def test_steps_within_a_gradient_s_computation_are_steps(evidence):
    network = Restless()
    assert trained(evidence, network, SGD(network.first.parameters(), lr=0.1))["steps"] == 6


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks, self.first = nn.ModuleList(nn.Linear(4, 4) for _ in range(5)), nn.Linear(4, 4)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=True)
        return x


def test_passes_within_a_pass_are_no_more(evidence):
    network = Checkpointed()
    counts = trained(evidence, network, SGD(network.parameters(), lr=0.1))
    assert (counts["steps"], counts["passes"]) == (3, 3)


class Nested(torch.autograd.Function):
    """Goes backward through a network five times on the way."""

    @staticmethod
    def forward(ctx, x, network):
        ctx.network = network
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        with torch.enable_grad():
            for _ in range(5):
                Hidden.nested(ctx.network)
        return gradient, None


class Hidden(nn.Module):
    """A network whose gradients are computed in `way`, once more for each batch than is counted."""

    def __init__(self, way):
        super().__init__()
        self.layers, self.way = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), way

    def forward(self, x):
        return self.way(self, x) if self.way else self.layers(x)

    def nested(self):
        torch.autograd.backward(self.layers(torch.randn(2, 4)).square().mean())

    def by_engine(self, x):
        loss = self.layers(x).square().mean()
        for _ in range(5):
            engine = torch.autograd.Variable._execution_engine
            engine.run_backward(
                (loss,), (torch.ones(()),), True, False, (), allow_unreachable=True, accumulate_grad=True
            )
        return self.layers(x)

    def by_original(self, x):
        grad = getattr(torch.autograd.grad, "__wrapped__", None) or next(
            cell.cell_contents for cell in torch.autograd.grad.__closure__ if callable(cell.cell_contents)
        )
        for _ in range(5):
            grad(self.layers(x).square().mean(), list(self.parameters()))
        return self.layers(x)

    def within(self, x):
        return Nested.apply(self.layers(x), self)


@pytest.mark.parametrize("way", [Hidden.by_engine, Hidden.by_original, Hidden.within])
def test_gradients_of_the_network_are_counted_however_they_are_computed(way, evidence):
    network = Hidden(way)
    assert trained(evidence, network, SGD(network.parameters(), lr=0.1))["passes"] >= 15


class Repeating(nn.Module):
    """Gets more than it was given: `times` as many images at once, or one image after the other, `times` over."""

    def __init__(self, times, at_once):
        super().__init__()
        self.layer, self.times, self.at_once = nn.Linear(4, 2), times, at_once

    def grown(self, x):
        if self.at_once:
            return self(torch.cat([x] * self.times))
        return torch.cat([self(image[None]) for _ in range(self.times) for image in x])

    def forward(self, x):
        return self.layer(x)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("scripted", [False, True])
@given(times=st.integers(1, 9), images=st.integers(1, 8), at_once=st.booleans(), backward=st.integers(0, 3))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_images_are_counted_as_often_as_gradients_go_through(
    scripted, times, images, at_once, backward, evidence, monkeypatch
):
    monkeypatch.setattr(evidence, "images", 0)
    monkeypatch.setattr(evidence, "batch", 0)
    network = Repeating(times, at_once)
    classifier = nn.Sequential(torch.jit.script(network.layer) if scripted else network.layer)
    evidence.watch(classifier[0], classifier)
    network.layer = classifier
    x = torch.randn(images, 4)
    with torch.no_grad():
        network.grown(x)
    network.eval()(x)
    loss = network.grown(x).square().mean()
    for _ in range(backward):
        loss.backward(retain_graph=True)
    counts = evidence.counts()
    assert counts["images"] == times * images * backward
    assert counts["batch"] == bool(backward) * (times * images if at_once else 1)


@pytest.mark.parametrize("change", [None, "labels", "an image", "order", "number", "kind"])
def test_batches_of_other_images_than_were_given_are_told(change, tmp_path):
    images, labels = torch.randint(0, 256, (1500, 2, 2, 1), dtype=torch.uint8), torch.arange(1500) % 7
    TensorFolder.write(tmp_path, list("abcdefg"), {"train": (images, labels)})
    used = {
        None: (images.clone(), labels.clone()),
        "labels": (images, labels.roll(1)),
        "an image": (torch.cat([images[:-1], 255 - images[-1:]]), labels),
        "order": (images.flip(0), labels.flip(0)),
        "number": (torch.cat([images] * 2), torch.cat([labels] * 2)),
        "kind": (images.tolist(), labels),
    }[change]
    assert other_images(SimpleNamespace(split=Split(*used)), str(tmp_path)) == bool(change)


def test_the_processor_s_time_of_processes_of_its_own_is_told(evidence, tmp_path):
    def others() -> float:
        evidence.write(tmp_path / "evidence.json", {})
        processor = json.loads((tmp_path / "evidence.json").read_text())["processor"]
        assert 0 < processor["own"] <= time.process_time() and not processor["helped"]
        return processor["others"]

    before = others()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert others() - before >= 0.5


def test_what_is_watched_is_trained_to_the_same_weights(evidence):
    weights = []
    for watches in (False, True):
        torch.manual_seed(0)
        network = Checkpointed()
        if watches:
            evidence.watch(network)
        optimizer = SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.ones(2, 4)).square().mean().backward()
            optimizer.step()
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*weights)


def test_code_that_mentions_the_compiler_is_known_before_it_is_imported(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "net.py").write_text("import torch\n")
    assert not compiles(tmp_path)
    (tmp_path / "own" / "act.py").write_text("import torch\n@torch.compile\ndef act(x): return x\n")
    assert compiles(tmp_path)


COMPILING = """
import sys
from pathlib import Path

import torch

from grader.programs.evidence import Evidence

evidence = Evidence(compiles=True)


@torch.compile(backend="aot_eager")
def act(x):
    return x * torch.tanh(x)


network = torch.nn.Linear(2, 2)
evidence.watch(network)
network.compile(backend="aot_eager")
for _ in range(3):
    act(network(torch.ones(1, 2))).sum().backward()
counts = evidence.counts()
assert 3 <= counts["passes"] <= 6, counts  # tracing goes backward, too
assert counts["images"] == 3, counts
evidence.write(Path(sys.argv[1]), {})
"""


@pytest.mark.slow
def test_torch_s_own_compiler_replaces_nothing(tmp_path):
    subprocess.run([sys.executable, "-c", COMPILING, tmp_path / "evidence.json"], check=True)
    assert json.loads((tmp_path / "evidence.json").read_text())["replaced"] == []
