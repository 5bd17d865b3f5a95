"""In effect, not in name: whatever a strategy is called, it counts if it does something, and else a remark says so."""

import functools
import sys
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelSummary
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, Rprop, lr_scheduler
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import get_worker_info
from torchvision.ops import StochasticDepth
from torchvision.transforms import v2

from main import main
from project import strategies
from project.augmentation import AlternatingFlip, Cutout, RandomCrop, RandomHorizontalFlip, RandomRotation
from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He, Initialization
from project.networks import ConvNet
from project.optimization import SAM, OneCycle, Plateau
from project.regularization import (
    EMA,
    L1,
    L2,
    CutMix,
    Dropout,
    EarlyStopping,
    ElasticNet,
    GradientClipping,
    LabelSmoothing,
    Mixup,
    Regularizer,
    SpatialDropout,
    WeightDecay,
)
from project.strategies import OWN_NOISE, census, gone
from project.support import comparison, optimizer_trials
from project.support.errors import UserError
from project.support.fresh_weights import LEAST_DRAWN, drawn, fresh_weights

PLAIN = functools.partial(SGD, lr=0.1)


def prepared(**chosen):
    data = ImageData(Glyphs(train=100, val=10, test=10), batch_size=20, **chosen)
    data.setup("fit")
    return data


@pytest.fixture(scope="module")
def data():
    return prepared()


def taken(data, network=ConvNet, optimizer=PLAIN, **families):
    torch.manual_seed(0)
    return census(Classifier(network, optimizer, **families), data, epochs=15, steps=75)


def names(found, family):
    return [strategy.name for strategy in found.strategies[family]]


class Own(nn.Module):
    """A network of 3072-16-10 with `between` after its first layer, and `draw` for its weights."""

    def __init__(self, between=nn.Identity, draw=None, last=nn.Identity, head=10):
        super().__init__()
        self.first, self.between, self.last = nn.Linear(3072, 16), between(), last()
        self.head = nn.Linear(16, head)
        for layer in (self.first, self.head):
            if draw:
                draw(layer.weight)

    def forward(self, x):
        return self.last(self.head(F.relu(self.between(self.first(x.flatten(1))))))


def own(**chosen):
    return lambda: Own(**chosen)


# Initialization.

KAIMING = functools.partial(nn.init.kaiming_uniform_, nonlinearity="relu")
DRAWS = [
    (nn.init.kaiming_normal_, "He"),
    (KAIMING, "He"),
    (functools.partial(nn.init.kaiming_normal_, mode="fan_out"), "He with fan_out"),
    (nn.init.xavier_uniform_, "Xavier"),
    (nn.init.xavier_normal_, "Xavier"),
    (nn.init.orthogonal_, "orthogonal"),
    (nn.init.zeros_, "zeros"),
    (functools.partial(nn.init.constant_, val=0.1), "constant"),
    (functools.partial(nn.init.normal_, std=0.3), "normal"),
    (nn.init.eye_, "identity"),
    (functools.partial(nn.init.uniform_, a=0.3, b=0.4), "own"),
]


@pytest.mark.parametrize(("draw", "name"), DRAWS, ids=[f"{name}{number}" for number, (_, name) in enumerate(DRAWS)])
def test_weights_that_are_drawn_in_a_constructor_count_by_their_formula(draw, name, data):
    assert name in names(taken(data, own(draw=draw)), "initialization")


def test_an_initialization_of_one_s_own_counts_by_what_it_draws(data):
    class Mine(Initialization):
        def draw(self, weight, activation):
            nn.init.kaiming_normal_(weight)

        def evidence(self, network):
            return "the best there is"

    class Nothing(Mine):
        def draw(self, weight, activation):
            nn.init.kaiming_uniform_(weight, a=5**0.5)

    found = taken(data, own(), initialization=Mine())
    assert names(found, "initialization") == ["He"] and "best" not in found.strategies["initialization"][0].evidence
    found = taken(data, own(), initialization=Nothing())
    assert names(found, "initialization") == [] and any("Nothing" in remark for remark in found.remarks)


def test_a_loop_that_meets_no_layer_is_no_initialization(data):
    class Missed(Own):
        def __init__(self):
            super().__init__()
            for module in (nn.Sequential(self.first), nn.Sequential(self.head)):
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)

    assert names(taken(data, Missed), "initialization") == []


@settings(max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from([nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d]),
    st.integers(1, 80),
    st.integers(1, 80),
    st.booleans(),
)
def test_pytorch_s_own_draw_is_never_taken_for_another(seed, kind, i, o, bias):
    torch.manual_seed(seed)
    layer = kind(i, o, bias=bias) if kind is nn.Linear else kind(i, o, 3, bias=bias)
    assert drawn(fresh_weights(layer)) == []


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([(16, 3072), (64, 64), (8, 3, 3, 3)]), st.booleans())
def test_a_touch_of_pytorch_s_own_draw_is_no_initialization(seed, shape, by_hand):
    torch.manual_seed(seed)
    layer = nn.Linear(*shape[::-1]) if len(shape) == 2 else nn.Conv2d(*shape[1::-1], shape[2])
    weight, bound = layer.weight.data, layer.weight[0].numel() ** -0.5
    fresh = weight.clone()
    touches = [
        fresh * 1.01,
        fresh * 0.98,
        fresh + 0.02 * bound,
        torch.where(torch.rand(shape) < 0.003, 0.0, fresh),
        torch.where(torch.arange(fresh.numel()).view(shape) == 0, 1.01 * bound, fresh),
        torch.where(torch.arange(fresh.numel()).view(shape) == 0, 100.0, fresh),
    ]
    for touched in touches:
        weight.copy_(touched)
        assert drawn(fresh_weights(ByHandOf(layer.weight) if by_hand else layer)) == []


class ByHandOf(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight


def test_pytorch_s_own_draw_of_a_scale_that_differs_is_an_initialization():
    layer = nn.Linear(3072, 16)
    fresh = layer.weight.detach().clone()
    for factor in (0.5, 0.9, 1.1, 2.0):
        layer.weight.data.copy_(factor * fresh)
        assert drawn(fresh_weights(layer))


@pytest.mark.parametrize("wrap", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_a_weight_that_is_computed_from_another_is_judged_by_what_was_drawn(wrap):
    layer = nn.Linear(400, 40)  # the formulas of few weights, or of as many rows as columns, are hard to tell apart
    assert drawn(fresh_weights(wrap(layer))) == []
    layer = nn.Linear(400, 40)
    nn.init.kaiming_normal_(layer.weight)
    assert [one.name for one in drawn(fresh_weights(wrap(layer)))] == ["He"]


# Normalization and dropout.


class HandWritten(nn.Module):
    def forward(self, x):
        return (x - x.mean(0)) / (x.var(0) + 1e-5).sqrt()


class Wrapped(nn.Module):
    """Another module under another name."""

    def __init__(self, made):
        super().__init__()
        self.harmless = made()

    def forward(self, x):
        return self.harmless(x)


class Functional(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Discarded(Wrapped):
    def forward(self, x):
        self.harmless(x)
        return x


class Unused(Wrapped):
    def forward(self, x):
        return x


class Evaluated(Wrapped):
    def forward(self, x):
        return self.harmless.eval()(x)


NORMALIZED = {
    "batch normalization": [
        functools.partial(nn.BatchNorm1d, 16),
        lambda: Functional(lambda x: F.batch_norm(x, None, None, training=True)),
    ],
    "layer normalization": [
        functools.partial(nn.LayerNorm, 16),
        functools.partial(nn.GroupNorm, 1, 16),
        lambda: Functional(lambda x: F.layer_norm(x, (16,))),
    ],
    "group normalization": [functools.partial(nn.GroupNorm, 4, 16)],
    "RMS normalization": [functools.partial(nn.RMSNorm, 16)],
    "own normalization": [
        HandWritten,
        lambda: Functional(lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True)),
        lambda: Functional(lambda x: F.normalize(x, dim=1)),
    ],
}
DROPPED = {
    "dropout": [functools.partial(nn.Dropout, 0.3), lambda: Functional(lambda x: F.dropout(x, 0.3))],
    OWN_NOISE: [lambda: Functional(lambda x: x * torch.bernoulli(torch.full_like(x, 0.7)) / 0.7)],
    "stochastic depth": [lambda: StochasticDepth(0.3, "row")],
}
WORKING = [("normalization", n, m) for n, ms in NORMALIZED.items() for m in ms]
WORKING += [("regularization", n, m) for n, ms in DROPPED.items() for m in ms]


@pytest.mark.parametrize(("family", "name", "make"), WORKING, ids=[f"{n}{i}" for i, (_, n, _) in enumerate(WORKING)])
@pytest.mark.parametrize(
    "wrap", [lambda make: make, lambda make: lambda: Wrapped(lambda: Wrapped(make))], ids=["", "wrapped"]
)
def test_what_works_counts_whatever_it_is_called_and_wherever_it_stands(family, name, make, wrap, data):
    found = taken(data, own(between=wrap(make)))
    assert names(found, family) == [name]
    assert {f: names(found, f) for f in found.strategies if f != family and names(found, f)} == {}


@pytest.mark.parametrize("neutral", [Discarded, Unused], ids=["discarded", "unused"])
@pytest.mark.parametrize(("family", "name", "make"), WORKING, ids=[f"{n}{i}" for i, (_, n, _) in enumerate(WORKING)])
def test_what_is_neutralized_never_counts(family, name, make, neutral, data):
    assert names(taken(data, own(between=lambda: neutral(make))), family) == []


def renamed(module):
    """The module, of a class of another name."""
    module.__class__ = type("Harmless", (type(module),), {})
    return module


DISGUISES = [
    renamed,
    nn.Sequential,
    lambda module: nn.Sequential(nn.Identity(), module),
    lambda module: Wrapped(lambda: module),
    lambda module: Functional(module),
]


@settings(max_examples=25)
@given(
    st.sampled_from(WORKING),
    st.lists(st.sampled_from(DISGUISES), max_size=3),
    st.sampled_from([None, None, Discarded, Unused]),
    st.lists(st.sampled_from(DISGUISES), max_size=2),
)
def test_no_disguise_changes_the_credit_and_no_disguise_saves_what_is_neutralized(working, inner, neutral, outer):
    family, name, make = working

    def disguised():
        module = make()
        for disguise in inner:
            module = disguise(module)
        if neutral:
            module = neutral(lambda inside=module: inside)
        for disguise in outer:
            module = disguise(module)
        return module

    expected = [] if neutral else [OWN_NOISE if name == "stochastic depth" else name]
    found = names(taken(small_data(), own(between=disguised)), family)
    assert [{"stochastic depth": OWN_NOISE}.get(each, each) for each in found] == expected


@functools.cache
def small_data():
    return prepared()


@pytest.mark.parametrize(
    "make",
    [
        functools.partial(nn.Dropout, 0.0),
        lambda: Evaluated(functools.partial(nn.Dropout, 0.5)),
        lambda: Evaluated(functools.partial(nn.BatchNorm1d, 16)),
        lambda: StochasticDepth(0.0, "row"),
        lambda: Functional(lambda x: F.dropout(x, 0.5, training=False)),
    ],
)
def test_what_does_nothing_never_counts(make, data):
    assert not any(names(taken(data, own(between=make)), family) for family in ("regularization", "normalization"))


@pytest.mark.parametrize("wrap", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_normalized_weights_count(wrap, data):
    class Weights(Own):
        def __init__(self):
            super().__init__()
            wrap(self.first)

    kind = wrap.__name__.removesuffix("_norm")
    assert names(taken(data, Weights), "normalization") == [f"{kind} normalization"]


def test_what_is_built_and_never_called_is_told(data):
    class Forgetful(Own):
        def __init__(self):
            super().__init__()
            self.bn1, self.drop = nn.BatchNorm1d(16), nn.Dropout(0.5)

    found = taken(data, Forgetful)
    assert names(found, "normalization") == names(found, "regularization") == []
    assert any("never runs bn1 and drop" in remark for remark in found.remarks)


def test_a_head_of_zeros_hides_nothing(data):
    def zeroed():
        network = Own(between=functools.partial(nn.BatchNorm1d, 16))
        nn.init.zeros_(network.head.weight)
        return network

    found = taken(data, zeroed)
    assert names(found, "normalization") == ["batch normalization"]
    assert names(found, "initialization") == ["zeros"]


# What is likely to be a mistake.


def test_probabilities_and_their_logarithms_are_told(data):
    assert any("probabilities where logits" in r for r in taken(data, own(last=lambda: nn.Softmax(1))).remarks)
    assert any("log-softmax" in r for r in taken(data, own(last=lambda: nn.LogSoftmax(1))).remarks)
    assert taken(data, own(draw=nn.init.kaiming_normal_)).remarks == []


@pytest.mark.parametrize("outputs", [9, 18])
def test_an_output_of_the_wrong_width_is_an_error_before_training(outputs, data):
    with pytest.raises(UserError, match=rf"\(20, {outputs}\).*10 outputs, one for each class"):
        taken(data, own(head=outputs))


def test_a_network_for_flat_images_is_told_so(data):
    with pytest.raises(UserError, match=r"takes \(N, 3072\) and gets \(N, 3, 32, 32\); .*x.flatten\(1\)"):
        taken(data, lambda: nn.Sequential(nn.Linear(3072, 10)))


def test_a_failure_of_another_kind_stays_what_it_is(data):
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        taken(data, lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 10)))


def test_an_error_in_a_student_s_own_code_is_told_by_their_own_line(tmp_path, monkeypatch, capsys):
    lines = ["from torch import nn", "class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += ["        self.fc = nn.Linear(7, 10)", "    def forward(self, x):", "        return self.fc(x.flatten(1))"]
    (tmp_path / "wrong_width.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    small = "--data.source.train=50 --data.source.val=10 --data.source.test=10 --run.wandb=disabled".split()
    chosen = ["--config", "configs/base.yaml", "--model.network=wrong_width.Net", f"--run.folder={tmp_path}"]
    assert main(["fit", *chosen, *small]) == 2
    said = capsys.readouterr().err
    assert (
        "wrong_width.py, line 7, in forward: RuntimeError: mat1 and mat2 shapes cannot be multiplied" in said
        and "Traceback" not in said
    )
    sys.modules.pop("wrong_width")


@pytest.mark.skipif(torch.cuda.is_available(), reason="it fails without a GPU only")
@pytest.mark.parametrize("place", ["constructor", "forward"])
def test_a_network_that_asks_for_a_gpu_where_there_is_none_is_told_to_leave_that_out(
    place, tmp_path, monkeypatch, capsys
):
    lines = ["from torch import nn", "class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += ["        self.fc = nn.Linear(3072, 10)" + (".cuda()" if place == "constructor" else "")]
    lines += ["    def forward(self, x):", "        return self.fc(x.flatten(1).to('cuda'))"]
    (tmp_path / f"asks_in_{place}.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    small = "--data.source.train=50 --data.source.val=10 --data.source.test=10 --run.wandb=disabled".split()
    chosen = ["--config", "configs/base.yaml", f"--model.network=asks_in_{place}.Net", f"--run.folder={tmp_path}"]
    assert main(["fit", *chosen, *small]) == 2
    said = capsys.readouterr().err
    assert said.count("leave out .cuda(): the trainer moves the network and the images") == 1, said
    assert "images here are" not in said and f"line {5 if place == 'constructor' else 7}, in " in said
    sys.modules.pop(f"asks_in_{place}")


@pytest.mark.parametrize(
    ("error", "suffixed"),
    [
        (ValueError("expected 4D input (got 2D input)"), True),
        (RuntimeError("running_mean should contain 1 elements not 3"), True),
        (RuntimeError("the notes could not be found"), False),
        (RuntimeError("No CUDA GPUs are available"), False),
    ],
)
def test_only_an_error_of_shapes_says_what_the_images_are(error, suffixed, data):
    class Fails(Own):
        def forward(self, x):
            raise error

    with pytest.raises(type(error)) as raised:
        taken(data, Fails)
    assert ("the images here are 32x32 colour" in str(raised.value)) == suffixed
    assert ("leave out .cuda()" in str(raised.value)) == ("CUDA" in str(error))


def test_a_layer_that_no_gradient_reaches_is_told(data):
    class Stuck(Own):
        def forward(self, x):
            return self.head(self.first(x.flatten(1)).detach())

    assert any("first will not learn" in remark for remark in taken(data, Stuck).remarks)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore::DeprecationWarning")
def test_what_scripted_layers_hide_is_told(data):
    scripted = taken(data, own(between=lambda: torch.jit.script(nn.BatchNorm1d(16))))
    assert any("scripted layers" in remark for remark in scripted.remarks)
    assert not any("scripted layers" in remark for remark in taken(data, own()).remarks)


# Optimization.


class Renamed(SGD):
    pass


class OwnMomentum(SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr, momentum=0.9)


class Several(Optimizer):
    """Others behind one optimizer, which does without torch's constructor."""

    def __init__(self, params, lr=0.1, kinds=(AdamW, SGD)):
        params = [p for group in params for p in group["params"]]
        of_kinds = [[p for p in params if p.ndim > 1], [p for p in params if p.ndim <= 1]]
        self.parts = [kind(of_kind, lr=lr) for kind, of_kind in zip(kinds, of_kinds)]
        self.state, self.defaults = self.parts[0].state, {"lr": lr}
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure=None):
        loss = closure() if closure else None
        for part in self.parts:
            part.step()
        return loss


class SeveralWithoutDefaults(Several):
    def __init__(self, params):
        super().__init__(params)
        del self.defaults

    def zero_grad(self, set_to_none=True):
        for part in self.parts:
            part.zero_grad(set_to_none)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Several, ["Several"]),
        (SeveralWithoutDefaults, ["SeveralWithoutDefaults"]),
        (functools.partial(Several, kinds=(SGD, SGD)), []),
        (functools.partial(Renamed, lr=0.1), []),
        (functools.partial(SGD, lr=0.1, weight_decay=0.1), []),
        (functools.partial(SGD, lr=0.1, momentum=0.0011), []),
        (functools.partial(SGD, lr=0.1, momentum=0.1), ["SGD with momentum"]),
        (functools.partial(SGD, lr=1e-6, momentum=0.9), ["SGD with momentum"]),
        (functools.partial(SGD, lr=100.0), []),
        (functools.partial(SAM, lr=0.1, momentum=0.0), ["SAM"]),
        (OwnMomentum, ["OwnMomentum"]),
        (functools.partial(Adam, lr=0.0), []),
        (functools.partial(Adam, lr=0.1), ["Adam"]),
        # Plain SGD by another name: these differ from it, and from a step of another rate, by rounding.
        (functools.partial(Adam, lr=8e7, betas=(0.0, 0.0), eps=1e9), []),
        (functools.partial(AdamW, lr=8e7, betas=(0.0, 0.0), eps=1e9, weight_decay=1e-10), []),
        (functools.partial(RMSprop, lr=8e7, eps=1e9), []),
        (functools.partial(Adagrad, lr=2529.8, initial_accumulator_value=1e9), []),
        (functools.partial(SGD, lr=0.08, momentum=1e-9, dampening=0.5), []),
        (functools.partial(SGD, lr=0.1, maximize=True), []),
    ],
)
def test_an_optimizer_counts_if_it_moves_the_weights_otherwise_than_plain_sgd(optimizer, expected, data):
    found = taken(data, optimizer=optimizer)
    assert names(found, "optimization") == expected


class Lookahead(SGD):
    """Every k steps the weights go back half of the way; in between it is plain SGD."""

    def __init__(self, params, lr=0.1, k=5):
        super().__init__(params, lr=lr)
        self.k, self.count, self.slow = k, 0, {}

    def step(self, closure=None):
        weights = [p for group in self.param_groups for p in group["params"]]
        for p in weights:
            self.slow.setdefault(p, p.detach().clone())
        loss = super().step(closure)
        self.count += 1
        for p in weights if self.count % self.k == 0 else []:
            self.slow[p].lerp_(p.detach(), 0.5)
            p.data.copy_(self.slow[p])
        return loss


class CentralizedConvolutions(SGD):
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure() if closure else None
        for p in [p for group in self.param_groups for p in group["params"] if p.ndim > 3 and p.grad is not None]:
            p.grad -= p.grad.mean((1, 2, 3), keepdim=True)
        super().step()
        return loss


class MatricesAlone(SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr, momentum=0.9)
        if any(p.ndim != 2 for group in self.param_groups for p in group["params"]):
            raise ValueError("matrices, please")


@pytest.mark.parametrize(
    ("optimizer", "network", "counts"),
    [
        (Lookahead, Own, True),
        (functools.partial(Lookahead, k=10), Own, True),
        (CentralizedConvolutions, ConvNet, True),
        (CentralizedConvolutions, Own, False),
        (MatricesAlone, lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, bias=False)), True),
    ],
)
def test_an_optimizer_counts_by_what_it_does_now_and_then_and_to_weights_that_the_network_has(
    optimizer, network, counts, data
):
    assert bool(names(taken(data, network, optimizer), "optimization")) == counts


@pytest.mark.parametrize(
    ("scheduler", "counts", "remark"),
    [
        (functools.partial(lr_scheduler.StepLR, step_size=30), False, "stays at 0.1 through all 15 epochs"),
        (functools.partial(lr_scheduler.CosineAnnealingLR, T_max=15, eta_min=0.1), False, "stays at 0.1"),
        (functools.partial(lr_scheduler.CosineAnnealingLR, T_max=50), True, "made for 50 epochs, but the run has 15"),
        (functools.partial(lr_scheduler.CosineAnnealingLR, T_max=5), True, None),
        (functools.partial(lr_scheduler.ReduceLROnPlateau, patience=20), False, "stays at 0.1"),
        (functools.partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 1.0), False, "stays at 0.1"),
        (functools.partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 0.9**epoch), True, None),
    ],
)
def test_a_schedule_counts_if_the_rate_moves(scheduler, counts, remark, data):
    found = taken(data, scheduler=scheduler)
    assert bool(names(found, "optimization")) == counts
    assert [remark in said for said in found.remarks] == [True] if remark else found.remarks == []


# Regularizers and augmentation.


class LabelNoise(Regularizer):
    def change_batch(self, images_NCHW, targets_NK):
        return images_NCHW, targets_NK[torch.randperm(len(targets_NK))]


class ShuffledBatch(Regularizer):
    def change_batch(self, images_NCHW, targets_NK):
        order = torch.randperm(len(targets_NK))
        return images_NCHW[order], targets_NK[order]


class ConstantPenalty(Regularizer):
    def penalty(self, network):
        return torch.tensor(3.0, requires_grad=True) * 1


class DecayedBiases(Regularizer):
    def weight_decay(self, parameter):
        return 0.1 if parameter.ndim == 1 else 0.0


class NudgedGradients(Regularizer):
    def change_gradients(self, parameters):
        for p in parameters:
            p.grad *= 1.001


class NoisyGradients(Regularizer):
    def change_gradients(self, parameters):
        for p in parameters:
            p.grad += 0.1 * torch.randn_like(p.grad)


@pytest.mark.parametrize(
    ("regularizer", "counts"),
    [
        (WeightDecay(1e-5), True),
        (WeightDecay(1e-7), False),
        (DecayedBiases(), False),
        (L1(1e-5), True),
        (L1(1e-9), False),
        (L1(0.0), False),
        (L2(5e-6), True),
        (L2(5e-8), False),
        (EMA(0.5), True),
        (EMA(1e-9), False),
        (GradientClipping(10), True),
        (GradientClipping(500), False),
        (NudgedGradients(), False),
        (NoisyGradients(), True),
        (ConstantPenalty(), False),
        (LabelSmoothing(0.01), True),
        (LabelSmoothing(1e-6), False),
        (Mixup(0.2), True),
        (LabelNoise(), True),
        (ShuffledBatch(), False),
        (EarlyStopping(patience=3), True),
        (EarlyStopping(patience=15), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_regularizer_counts_if_it_changes_something(regularizer, counts, data):
    found = taken(data, regularization=[regularizer])
    assert bool(names(found, "regularization")) == counts
    said = [remark for remark in found.remarks if remark.startswith(type(regularizer).__name__)]
    assert len(said) == (not counts) and all("counts for nothing" in remark for remark in said)


@pytest.mark.parametrize(("every", "counts"), [(1, True), (4, False)])
def test_what_waits_for_validations_counts_where_there_are_enough(every, counts, data):
    waiting = {"regularization": [EarlyStopping(patience=3)], "scheduler": functools.partial(Plateau, patience=2)}
    classifier = Classifier(ConvNet, PLAIN, **waiting)
    classifier.trainer = Trainer(max_epochs=15, accelerator="cpu", check_val_every_n_epoch=every, logger=False)
    found = census(classifier, data, epochs=15, steps=75)
    assert bool(names(found, "regularization")) == bool(names(found, "optimization")) == counts


class Summarizes(Regularizer):
    def callbacks(self):
        return [ModelSummary()]


class NeverStops(EarlyStopping):
    def __init__(self):
        super().__init__(patience=1000)

    def acts_within(self, epochs):
        return True


@pytest.mark.parametrize("regularizer", [Summarizes(), NeverStops()])
def test_callbacks_of_a_regularizer_of_one_s_own_do_not_count_whoever_wrote_them(regularizer, data):
    found = taken(data, regularization=[regularizer])
    assert not names(found, "regularization")
    assert any("nobody can see before the training what" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("optimizer", "reads"), [(Rprop, False), (SGD, True), (Adam, True), (AdamW, True), (SAM, True)]
)
def test_weight_decay_counts_where_the_optimizer_reads_it(optimizer, reads, data):
    found = taken(data, optimizer=functools.partial(optimizer, lr=1e-4), regularization=[WeightDecay()])
    assert ("weight decay" in names(found, "regularization")) == reads


def test_l2_is_as_weak_as_weight_decay_of_twice_its_factor(data):
    for factor in (0.9e-6, 1.1e-6):
        for network in (Own, own(draw=functools.partial(nn.init.normal_, std=1e-4))):
            found = [taken(data, network, regularization=[one]) for one in (L2(factor / 2), WeightDecay(factor))]
            assert [len(names(one, "regularization")) for one in found] == [factor > 1e-6] * 2


def test_parameters_that_are_not_the_network_s_lend_it_nothing(data):
    class Extra(SGD):
        def __init__(self, params, lr=0.1):
            super().__init__(params, lr=lr)
            self.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 1.0, "weight_decay": 0.1})

    def scheduler(optimizer):
        return lr_scheduler.LambdaLR(optimizer, [lambda epoch: 1.0, lambda epoch: 0.5**epoch])

    found = taken(data, ConvNet, Extra, scheduler=scheduler)
    assert not any(found.strategies.values())


def test_what_is_too_weak_to_count_is_written_down():
    table = Path("docs/trust.md").read_text().partition("| what | least |\n|---|---|\n")[2].partition("\n\n")[0]
    least = [row.split("|")[2].strip() for row in table.splitlines()]
    written = [float(number.removesuffix(" %")) / (100 if "%" in number else 1) for number in least]
    trials, census = optimizer_trials, strategies
    of_settings = [trials.LEAST_DIFFERENCE, census.LEAST_MOVE, trials.LEAST_SHARE, census.LEAST_DECAY]
    of_training = [0.1, census.LEAST_SMOOTHING, census.LEAST_CHANGE, trials.LEAST_DIFFERENCE]
    assert written == pytest.approx([*of_settings, *of_training, LEAST_DRAWN, comparison.LEAST])
    assert EMA(0.1).acts_within(15, 15) and not EMA(0.099).acts_within(15, 15)
    assert f"first {trials.STEPS_TRIED} steps" in table and f"norm 1 or {trials.LARGE_GRADIENT} " in table


@pytest.mark.parametrize(
    ("augmentation", "counts"),
    [
        (RandomCrop(2), True),
        (RandomCrop(0), False),
        (Cutout(4), True),
        (Cutout(0), False),
        (RandomRotation(0), False),
        (RandomHorizontalFlip(0.5), True),
        (RandomHorizontalFlip(0.0), False),
        (AlternatingFlip(), True),
        (v2.RandomRotation(0), False),
        (v2.RandomErasing(p=0.3), True),
        (v2.RandomApply([v2.RandomRotation(20)], p=0.0), False),
        (v2.Identity(), False),
        (v2.RandomGrayscale(p=0.5), True),
        (v2.ColorJitter(brightness=0.5), True),
        (v2.Grayscale(3), False),  # the same at each draw: a change of the images, which augments nothing
        (v2.RandomInvert(p=1.0), False),
        (v2.RandomHorizontalFlip(p=1.0), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_augmentation_counts_if_most_images_come_out_otherwise_from_draw_to_draw(augmentation, counts):
    found = taken(prepared(augmentation=[augmentation]))
    assert bool(names(found, "regularization")) == counts
    assert counts or any("counts for nothing" in remark for remark in found.remarks)


def test_looking_leaves_the_network_as_it_was(data):
    def zeroed():
        network = Own(between=lambda: nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5)))
        nn.init.zeros_(network.head.weight)
        return network

    classifier = Classifier(zeroed, PLAIN, regularization=[L1(0.1)], initialization=He())
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    state = torch.get_rng_state()
    census(classifier, data, 15, 75)
    after = classifier.network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in classifier.network.parameters()) and classifier.network.training


def test_what_works_before_the_training_alone_is_told(data):
    class Pretender(Own):
        calls = 0

        def forward(self, x):
            self.calls += 1
            x = self.first(x.flatten(1))
            return self.head(F.batch_norm(x, None, None, training=True) if self.calls < 1000 else x)

    torch.manual_seed(0)
    for network, expected in ((Pretender, ["batch normalization"]), (own(between=HandWritten), [])):
        classifier = Classifier(network, PLAIN)
        before = census(classifier, data, 15, 75)
        classifier.network.calls = 1000
        assert gone(before, classifier, data, 15, 75) == expected


class Stops:
    """Does what it is to do until it is told to stop."""

    stopped = False


class StoppingCrop(Stops, RandomCrop):
    def shift(self, samples_N, generator):
        return super().shift(samples_N, generator) * (not Stops.stopped)


class StoppingPenalty(Stops, L1):
    def penalty(self, network):
        return torch.zeros(()) if Stops.stopped else super().penalty(network)


class StoppingMixup(Stops, Mixup):
    def change_batch(self, images_NCHW, targets_NK):
        return (images_NCHW, targets_NK) if Stops.stopped else super().change_batch(images_NCHW, targets_NK)


class StoppingSchedule(Stops, lr_scheduler.ExponentialLR):
    def get_lr(self):
        return self.base_lrs if Stops.stopped else super().get_lr()


class StoppingMomentum(Stops, SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            group["momentum"] = 0.0 if Stops.stopped else 0.9
        return super().step(closure)


STOPPING = {
    "StoppingCrop": {"augmentation": [StoppingCrop(4)]},
    "StoppingPenalty": {"regularization": [StoppingPenalty(0.1)]},
    "StoppingMixup": {"regularization": [StoppingMixup()]},
    "StoppingSchedule schedule": {"scheduler": functools.partial(StoppingSchedule, gamma=0.9)},
    "StoppingMomentum": {"optimizer": functools.partial(StoppingMomentum, lr=0.1)},
}


@pytest.mark.parametrize("name", STOPPING)
def test_strategies_that_stop_after_the_census_are_told(name, monkeypatch):
    chosen = {"optimizer": PLAIN} | STOPPING[name]
    images = prepared(augmentation=chosen.pop("augmentation", []))
    classifier = Classifier(ConvNet, **chosen)
    before = census(classifier, images, 15, 75)
    assert name in {used for family in before.strategies for used in names(before, family)}
    assert gone(before, classifier, images, 15, 75) == []
    monkeypatch.setattr(Stops, "stopped", True)
    assert gone(before, classifier, images, 15, 75) == [name]


@pytest.mark.slow
def test_of_a_network_that_diverged_nothing_is_said_to_be_gone(data):
    """Its logits are the same for all images, so that no dropout changes them: nobody has taken it away."""
    classifier = Classifier(own(between=functools.partial(nn.Dropout, 0.5)), functools.partial(SGD, lr=0.1))
    images = prepared()
    before = census(classifier, images, 15, 75)
    assert names(before, "regularization") == ["dropout"]
    with torch.no_grad():
        classifier.network.head.bias.normal_(0, 1e6)
    assert gone(before, classifier, images, 15, 75) == []


def test_no_strategy_of_the_course_is_gone_after_a_training(tmp_path):
    """Whatever it has done to the weights."""
    kinds = (
        L1,
        L2,
        ElasticNet,
        LabelSmoothing,
        Mixup,
        CutMix,
        Dropout,
        SpatialDropout,
        WeightDecay,
        GradientClipping,
        EMA,
    )
    regularization = [kind() for kind in kinds]
    images = prepared(augmentation=[RandomCrop(2), RandomHorizontalFlip()])
    classifier = Classifier(
        ConvNet, functools.partial(SAM, lr=0.05), functools.partial(OneCycle, total_steps=None), regularization, He()
    )
    before = census(classifier, images, 3, 15)
    Trainer(max_epochs=3, logger=False, accelerator="cpu", enable_checkpointing=False, default_root_dir=tmp_path).fit(
        classifier, datamodule=images
    )
    assert len(before.strategies["regularization"]) >= len(kinds)
    assert gone(before, classifier, images, 3, 15) == []


@pytest.mark.parametrize(("rows", "told"), [(10, False), (30, True)])
def test_buffers_that_grading_would_refuse_are_told(rows, told, data):
    class Fixed(Own):
        def __init__(self):
            super().__init__()
            self.register_buffer("fixed", torch.randn(rows * 100, 200))

    assert any("its weights hold" in remark for remark in taken(data, Fixed).remarks) == told


def test_nobody_takes_the_census_for_training_steps(data):
    seen = []

    def count(optimizer, *_):
        seen.append(any(p.grad is not None for group in optimizer.param_groups for p in group["params"]))

    hook = register_optimizer_step_post_hook(count)
    try:
        taken(data, scheduler=functools.partial(lr_scheduler.ExponentialLR, gamma=0.9), regularization=[L1(0.1)])
    finally:
        hook.remove()
    assert seen and not any(seen)


class Rows(nn.Module):
    """A recurrent network that reads an image's rows."""

    def __init__(self, kind=nn.GRU, draw=None, dropout=0.0):
        super().__init__()
        self.rows, self.head = kind(96, 32, 2, batch_first=True, dropout=dropout), nn.Linear(32, 10)
        for parameter in self.rows.parameters():
            if draw and parameter.ndim > 1:
                draw(parameter)

    def forward(self, x):
        return self.head(self.rows(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


class Attentive(nn.Module):
    def __init__(self, draw=None, dropout=0.0):
        super().__init__()
        self.attention = nn.MultiheadAttention(96, 2, dropout=dropout, batch_first=True)
        self.position, self.head = nn.Parameter(torch.randn(1, 32, 96) * 0.02), nn.Linear(96, 10)
        if draw:
            draw(self.attention.in_proj_weight)

    def forward(self, x):
        x = x.permute(0, 2, 1, 3).flatten(2) + self.position
        return self.head(self.attention(x, x, x)[0].mean(1))


@pytest.mark.parametrize(
    "network", [Rows, functools.partial(Rows, nn.LSTM), functools.partial(Rows, nn.RNN), Attentive]
)
def test_recurrent_layers_and_attention_are_looked_at_like_others(network, data):
    plain = taken(data, lambda: network())
    assert not any(names(plain, family) for family in plain.strategies)
    assert not any("never runs" in remark for remark in plain.remarks)
    assert names(taken(data, lambda: network(draw=nn.init.orthogonal_)), "initialization") == ["orthogonal"]
    found = taken(data, lambda: network(dropout=0.3))
    assert names(found, "regularization") == ["dropout"] and "0.3" in found.strategies["regularization"][0].evidence


class ByHand(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(400, 3072))
        draw(self.weight)

    def forward(self, x):
        return (x.flatten(1) @ self.weight.T)[:, :10]


@pytest.mark.parametrize(("draw", "name"), [*DRAWS, (functools.partial(nn.init.trunc_normal_, std=0.02), "normal")])
def test_a_layer_that_is_written_by_hand_counts_as_pytorch_s_would_but_for_zeros(draw, name, data):
    expected = [] if name in ("zeros", "own") else [name]  # a range aside of zero could be unset memory
    assert names(taken(data, lambda: ByHand(draw)), "initialization") == expected


@pytest.mark.parametrize(
    "draw",
    [
        nn.init.normal_,
        functools.partial(nn.init.normal_, std=1.02),
        nn.init.uniform_,
        nn.init.zeros_,
        nn.init.ones_,
        functools.partial(nn.init.kaiming_uniform_, a=5**0.5),
        lambda weight: weight.data.copy_(torch.rand_like(weight) ** 5 * 1e30),
    ],
    ids=["randn", "next to randn", "rand", "zeros", "ones", "as PyTorch", "unset memory"],
)
def test_plain_numbers_in_a_layer_written_by_hand_are_no_initialization(draw, data):
    found = taken(data, lambda: ByHand(draw))
    assert names(found, "initialization") == []
    assert any("or plain (zeros, ones, torch.rand, torch.randn)" in remark for remark in found.remarks)


def test_a_uniform_draw_by_hand_whose_scale_somebody_chose_counts(data):
    found = taken(data, lambda: ByHand(functools.partial(nn.init.uniform_, a=-0.1, b=0.1)))
    assert names(found, "initialization") == ["own"]


def test_what_is_likely_to_be_a_mistake_is_told(data):
    def said(**chosen):
        return " ".join(taken(data, own(**chosen)).remarks)

    assert "in evaluation, too" in said(between=lambda: Functional(lambda x: F.dropout(x, 0.5)))
    assert "in evaluation" not in said(between=functools.partial(nn.Dropout, 0.5))
    assert "depends on the others of its batch" in said(between=lambda: Functional(lambda x: x - x.mean(0)))
    assert "depends on the others" not in said(between=functools.partial(nn.BatchNorm1d, 16))
    assert "dropout is called, and the logits are the same" in said(between=functools.partial(nn.Dropout, 0.0))
    assert "no nn.init that changes them met a layer" in said(
        draw=functools.partial(nn.init.kaiming_uniform_, a=5**0.5)
    )
    assert taken(data, optimizer=functools.partial(SGD, lr=0.1)).remarks == []


def test_a_network_that_returns_a_tuple_and_an_optimizer_without_a_closure_are_told_how_to_mend_it(data):
    with pytest.raises(UserError, match="returns a tuple of .*; let its forward return one tensor"):
        taken(data, own(last=lambda: Functional(lambda x: (x, x))))

    class NoClosure(SGD):
        def step(self):
            super().step()

    with pytest.raises(UserError, match=r"NoClosure.step takes no closure; write `def step\(self, closure=None\)`"):
        taken(data, optimizer=functools.partial(NoClosure, lr=0.1))


def test_a_schedule_that_hardly_moves_is_told_once(data):
    slow = functools.partial(lr_scheduler.CosineAnnealingLR, T_max=500)
    assert len(taken(data, scheduler=slow).remarks) == 1


# Honest work that is made in unusual ways.


class TextbookSGD(torch.optim.Optimizer):
    """Expects a gradient at each parameter, and takes groups alone."""

    def __init__(self, params, lr=0.1, momentum=0.0):
        if not isinstance(params[0], dict):
            raise TypeError("groups, please")
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self.velocity = {}

    def step(self, closure=None):
        loss = closure() if closure else None
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    self.velocity[p] = self.velocity.get(p, 0) * group["momentum"] + p.grad
                    p.add_(self.velocity[p], alpha=-group["lr"])
        return loss


@pytest.mark.parametrize(("momentum", "expected"), [(0.9, ["TextbookSGD"]), (0.0, [])])
def test_an_optimizer_by_hand_gets_along_with_a_schedule(momentum, expected, data):
    optimizer = functools.partial(TextbookSGD, momentum=momentum)
    assert names(taken(data, optimizer=optimizer), "optimization") == expected
    found = taken(data, optimizer=optimizer, scheduler=functools.partial(lr_scheduler.StepLR, step_size=5))
    assert names(found, "optimization") == [*expected, "StepLR schedule"]


def test_a_schedule_of_one_group_counts(data):
    def scheduler(optimizer):
        return lr_scheduler.LambdaLR(optimizer, [lambda epoch: 0.9**epoch, lambda epoch: 1.0])

    found = taken(data, scheduler=scheduler, regularization=[WeightDecay(0.1)])
    assert names(found, "optimization") == ["LambdaLR schedule"]


class Adversarial(Regularizer):
    """Moves each image against the network, which it remembers."""

    def prepare(self, network):
        self.network = network

    def change_batch(self, images_NCHW, targets_NK):
        images_NCHW = images_NCHW.requires_grad_()
        loss = F.cross_entropy(self.network(images_NCHW), targets_NK)
        return images_NCHW.detach() + 0.3 * torch.autograd.grad(loss, images_NCHW)[0].sign(), targets_NK


class SmallActivations(Regularizer):
    def prepare(self, network):
        network.first.register_forward_hook(lambda module, inputs, output: setattr(self, "output", output))

    def penalty(self, network):
        return 0.1 * self.output.abs().mean()


class CentralizedGradients(Regularizer):
    def change_gradients(self, parameters):
        for p in parameters:
            if p.ndim > 1:
                p.grad -= p.grad.mean(tuple(range(1, p.ndim)), keepdim=True)


class NearTheStart(Regularizer):
    def prepare(self, network):
        self.start = [p.detach().clone() for p in network.parameters()]

    def penalty(self, network):
        return sum(((p - start) ** 2).sum() for p, start in zip(network.parameters(), self.start))


@pytest.mark.parametrize("kind", [Adversarial, SmallActivations, CentralizedGradients, NearTheStart])
def test_regularizers_of_one_s_own_are_seen(kind, data):
    assert names(taken(data, own(), regularization=[kind()]), "regularization") == [kind.__name__]


def test_a_regularizer_that_fails_when_it_is_tried_is_told(data):
    class Fails(Regularizer):
        def penalty(self, network):
            return self.not_there

    found = taken(data, own(), regularization=[Fails()])
    assert any("cannot be seen what it does (AttributeError" in remark for remark in found.remarks)


class ByGradMode(nn.Module):
    """The textbook's batch normalization: without gradients it takes itself to be in evaluation."""

    def forward(self, x):
        return (x - x.mean(0)) / (x.var(0) + 1e-5).sqrt() if torch.is_grad_enabled() else x


class LayerNormByHand(nn.Module):
    def forward(self, x):
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)


class Block(nn.Module):
    """x + f(norm(x)): no scale of a single layer goes through unchanged."""

    def __init__(self, norm, scale=1.0, drop=0.0):
        super().__init__()
        self.norm, self.layers = norm, nn.Sequential(nn.Linear(16, 16), nn.GELU(), nn.Dropout(drop), nn.Linear(16, 16))
        self.scale = nn.Parameter(torch.full((16,), scale))

    def forward(self, x):
        return x + self.scale * self.layers(self.norm(x))


class RareDropPath(nn.Module):
    def forward(self, x):
        return x * 0 if self.training and torch.rand(1) < 0.2 else x


@pytest.mark.parametrize(
    ("make", "family", "name"),
    [
        (ByGradMode, "normalization", "own normalization"),
        (lambda: Block(LayerNormByHand()), "normalization", "own normalization"),
        (lambda: Block(nn.LayerNorm(16), scale=1e-6), "normalization", "layer normalization"),
        (lambda: Block(nn.Identity(), scale=1e-6, drop=0.2), "regularization", "dropout"),
        (RareDropPath, "regularization", OWN_NOISE),
        (lambda: nn.utils.weight_norm(nn.Linear(16, 16)), "normalization", "weight normalization"),
        (lambda: nn.utils.spectral_norm(nn.Linear(16, 16)), "normalization", "spectral normalization"),
    ],
)
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`:FutureWarning")
def test_layers_by_hand_and_of_old_are_seen(make, family, name, data):
    found = taken(data, own(between=make))
    assert {each: names(found, each) for each in found.strategies if names(found, each)} == {family: [name]}


def test_parameters_that_are_no_numbers_to_learn_do_no_harm(data):
    class Indexed(Own):
        def __init__(self):
            super().__init__()
            self.index = nn.Parameter(torch.zeros(1, dtype=torch.long), requires_grad=False)
            self._parameters = {"index": self._parameters.pop("index"), **self._parameters}

    assert not any(taken(data, Indexed).strategies.values())


def test_lazy_layers_take_their_size_from_the_images(data):
    found = taken(data, lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(10)))
    assert not any(found.strategies.values())


def test_looking_uses_up_nothing_that_a_network_remembers(data):
    class DrawsOnce(Own):
        drawn = False

        def forward(self, x):
            if not self.drawn:
                self.drawn = True
                nn.init.orthogonal_(self.first.weight.data)
            return super().forward(x)

    classifier = Classifier(DrawsOnce, PLAIN)
    census(classifier, data, 15, 75)
    assert not classifier.network.drawn


class Viewed(nn.Module):
    """Flattens its images by `view`, as many tutorials do."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(3072, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.head(F.relu(self.first(x.view(x.size(0), -1))))


@pytest.mark.parametrize(
    "make",
    [
        Viewed,
        lambda: torch.compile(Viewed(), backend="eager"),
        lambda: nn.Sequential(torch.compile(Viewed(), backend="eager")),
        lambda: torch.jit.script(Viewed()),
        lambda: nn.Sequential(torch.jit.trace(Viewed(), torch.zeros(32, 3, 32, 32))),
    ],
    ids=["plain", "compiled", "body compiled", "scripted", "traced"],
)
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:The .grad attribute:UserWarning")
def test_a_network_that_flattens_by_view_gets_images_that_it_can_view_however_it_is_compiled(make, data):
    assert not any(taken(data, make).strategies.values())


# What shows an effect and has none.


def test_layers_on_which_nothing_depends_lend_no_initialization(data):
    class Idle(Own):
        def __init__(self, frozen=False):
            super().__init__()
            self.idle = nn.Linear(8, 8)
            nn.init.kaiming_normal_(self.idle.weight)
            if frozen:
                nn.init.orthogonal_(self.first.weight).requires_grad_(False)

    assert names(taken(data, Idle), "initialization") == names(taken(data, lambda: Idle(True)), "initialization") == []


def test_what_is_multiplied_by_a_frozen_zero_does_not_count(data):
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.BatchNorm1d(16), nn.Dropout(0.5))
            self.gate = nn.Parameter(torch.zeros(1), requires_grad=False)

        def forward(self, x):
            return x + self.gate * self.inner(x)

    assert not any(taken(data, own(between=Gated)).strategies.values())


class Counting(nn.Module):
    count = 0

    def forward(self, x):
        self.count += 1
        return x * self.count


def test_a_network_that_changes_from_call_to_call_draws_nothing(data):
    assert not any(taken(data, own(between=Counting)).strategies.values())

    class Mutating(Own):
        def forward(self, x):
            return super().forward(x.sub_(0.3))

    assert not any(taken(data, Mutating).strategies.values())


class Noise(v2.Transform):
    def transform(self, image, parameters):
        return (image + torch.randint(-40, 40, image.shape)).clamp(0, 255).to(image.dtype)


class NoiseElsewhere(Noise):
    """Works in no process that makes batches for a training."""

    def transform(self, image, parameters):
        return image if get_worker_info() else super().transform(image, parameters)


class NoiseAtFirst(Noise):
    """Works for the first images of a worker process."""

    seen = 0

    def transform(self, image, parameters):
        self.seen += get_worker_info() is not None
        return image if self.seen > 600 else super().transform(image, parameters)


class Blackened(v2.Transform):
    def transform(self, image, parameters):
        return 0 * image


class LastBit(v2.Transform):
    def transform(self, image, parameters):
        image = image.clone()
        image[..., 0, 0] ^= torch.randint(2, ()).to(image.dtype)
        return image


def test_augmentations_that_undo_each_other_or_change_next_to_nothing_do_not_count():
    assert names(taken(prepared(augmentation=[Noise(), Blackened()])), "regularization") == []
    assert names(taken(prepared(augmentation=[LastBit()])), "regularization") == []
    assert names(taken(prepared(augmentation=[Noise()])), "regularization") == ["Noise"]


def test_augmentations_are_looked_at_where_batches_are_made():
    for workers, expected in ((0, ["NoiseElsewhere", "ColorJitter"]), (1, ["ColorJitter"])):
        images = prepared(augmentation=[NoiseElsewhere(), v2.ColorJitter(0.5)], num_workers=workers)
        state = torch.get_rng_state()
        assert [found.name for found in strategies.augmentations(images, [])] == expected
        assert torch.equal(state, torch.get_rng_state())


def test_an_augmentation_that_stops_in_the_worker_that_makes_the_batches_is_told(tmp_path):
    images = prepared(augmentation=[NoiseAtFirst()], num_workers=1)
    classifier = Classifier(ConvNet, PLAIN)
    before = census(classifier, images, 7, 35)
    assert names(before, "regularization") == ["NoiseAtFirst"]
    Trainer(max_epochs=7, logger=False, accelerator="cpu", enable_checkpointing=False, default_root_dir=tmp_path).fit(
        classifier, datamodule=images
    )
    assert gone(before, classifier, images, 7, 35) == ["NoiseAtFirst"]


def test_large_layers_are_looked_at_quickly():
    layer = nn.Linear(8192, 2048)
    started = time.perf_counter()
    assert drawn(fresh_weights(layer)) == []
    nn.init.kaiming_normal_(layer.weight)
    assert [one.name for one in drawn(fresh_weights(layer))] == ["He"]
    assert time.perf_counter() - started < 10  # an orthogonality test of all rows alone would take as long
