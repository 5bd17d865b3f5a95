"""Unit 1: the schedules against their closed forms, in whole runs; the optimizers against torch's and the papers' formulas."""

import functools
import math

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.plugins import MixedPrecision
from torch.optim import SGD, Adam, AdamW

from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import MLP
from project.optimization import (
    SAM,
    Cosine,
    CosineRestarts,
    Cyclic,
    Muon,
    OneCycle,
    Polynomial,
    WarmupCosine,
    orthogonalized,
)
from project.regularization import Dropout, Regularizer
from project.support.errors import UserError
from project.training.command_line import run

STEPS = 200
PER_STEP = (Cosine, CosineRestarts, Cyclic, OneCycle, Polynomial, WarmupCosine)


def rates(schedule, optimizer_class=SGD, lr=0.1, **arguments):
    optimizer = optimizer_class([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule(optimizer, total_steps=STEPS, **arguments)
    found = []
    for _ in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found, optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("optimizer_class", [SGD, Adam, AdamW])
@pytest.mark.parametrize("schedule", PER_STEP)
def test_every_schedule_peaks_at_the_optimizer_s_rate(schedule, optimizer_class):
    found, _ = rates(schedule, optimizer_class)
    assert max(found) == pytest.approx(0.1, rel=1e-2) and max(found) <= 0.1 + 1e-9
    assert min(found) >= 0


def test_one_cycle_peaks_where_told_and_ends_near_nothing():
    found, _ = rates(OneCycle, pct_start=0.25)
    assert found[0] == pytest.approx(0.1 / 25)
    assert found.index(max(found)) == pytest.approx(0.25 * STEPS, abs=1)
    assert found[-1] == pytest.approx(0.1 / 25 / 1e4)


def test_cosine_ends_at_its_final_rate():
    assert rates(Cosine, final_lr=0.01)[1] == pytest.approx(0.01)


def test_each_restart_begins_at_the_peak_and_each_cycle_is_twice_as_long():
    found, _ = rates(CosineRestarts, cycles=3, growth=2)
    starts = [t for t, rate in enumerate(found) if rate == pytest.approx(0.1)]
    assert starts == [0, 29, 87]  # 200 steps in 1 + 2 + 4 parts, rounded up


def test_one_cycle_and_cyclic_leave_the_momentum_alone():
    for schedule in (OneCycle, Cyclic):
        optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        scheduler = schedule(optimizer, total_steps=20)
        for _ in range(10):
            optimizer.step()
            scheduler.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9


PEAK, EPOCHS, BATCHES = 0.05, 15, 3
TOTAL = EPOCHS * BATCHES


def one_cycle(t):
    low, up = PEAK / 25, 0.3 * TOTAL - 1
    start, end, share = (low, PEAK, t / up) if t <= up else (PEAK, low / 1e4, (t - up) / (TOTAL - 1 - up))
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def restarts(t):
    length, start = -(-TOTAL // 7), 0
    while t - start >= length:
        start, length = start + length, 2 * length
    return PEAK * (1 + math.cos(math.pi * (t - start) / length)) / 2


def triangles(t):
    place = t % (TOTAL / 3) / (TOTAL / 6)
    return PEAK / 10 + 0.9 * PEAK * (1 - abs(1 - place))


def warmup_cosine(t):
    first = round(0.1 * TOTAL)
    return PEAK * ((t + 1) / first if t < first else (1 + math.cos(math.pi * (t - first) / (TOTAL - first))) / 2)


FORMULAS = {  # overlay: the rate of step t in epoch e, both from 0
    "constant": lambda t, e: PEAK,
    "step": lambda t, e: PEAK * 0.33 ** (e // 5),
    "multistep": lambda t, e: PEAK * 0.1 ** ((e >= 9) + (e >= 13)),
    "exponential": lambda t, e: PEAK * 0.8**e,
    "cosine": lambda t, e: PEAK * (1 + math.cos(math.pi * t / TOTAL)) / 2,
    "cosine_restarts": lambda t, e: restarts(t),
    "onecycle": lambda t, e: one_cycle(t),
    "polynomial": lambda t, e: PEAK * (1 - t / TOTAL),
    "cyclic": lambda t, e: triangles(t),
    "warmup_cosine": lambda t, e: warmup_cosine(t),
}


class Rates(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def rates_of_a_run(tmp_path, monkeypatch, overlay, *options):
    rates = Rates()
    monkeypatch.setattr("project.training.command_line.training_progress", lambda: [rates])
    small = ("--data.source.train=60", "--data.source.val=10", "--data.source.test=10", "--data.batch_size=20")
    small += ("--model.network.width=2", "--trainer.enable_checkpointing=false", "--run.wandb=disabled")
    configs = ("--config", "configs/base.yaml", "--config", f"configs/optimization/{overlay}.yaml")
    run(["fit", *configs, *small, f"--trainer.max_epochs={EPOCHS}", f"--run.folder={tmp_path}", *options])
    return rates.seen


@pytest.mark.parametrize("overlay", FORMULAS)
def test_in_a_whole_run_every_step_has_the_formula_s_rate(overlay, tmp_path, monkeypatch):
    found = rates_of_a_run(tmp_path, monkeypatch, overlay)
    assert found == pytest.approx([FORMULAS[overlay](t, t // BATCHES) for t in range(TOTAL)], rel=1e-4, abs=1e-9)


def test_plateau_falls_where_the_loss_stops_improving(tmp_path, monkeypatch):
    still = ("--model.optimizer.lr=1e-5",)  # the loss never improves after the first epoch
    found = rates_of_a_run(tmp_path, monkeypatch, "plateau", *still)
    assert found[0] == 1e-5 and found[-1] == pytest.approx(1e-5 * 0.3**6)
    assert found == sorted(found, reverse=True)


def gradients(shape, count=5):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for _ in range(count)]


def trained(optimizer, parameter, all_gradients):
    for gradient in all_gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_muon_moves_a_matrix_as_torch_s_does(shape):
    ours, theirs = (torch.nn.Parameter(torch.zeros(shape)) for _ in range(2))
    arguments = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}
    found = trained(Muon([ours], **arguments), ours, gradients(shape))
    expected = trained(torch.optim.Muon([theirs], **arguments), theirs, gradients(shape))
    assert (found - expected).norm() / expected.norm() < 0.06  # torch's iterates in bfloat16: 0.01 and 0.02 here


def test_muon_takes_a_convolution_as_a_matrix_and_moves_the_rest_as_adam_does():
    kernel, matrix = torch.nn.Parameter(torch.zeros(8, 3, 3, 3)), torch.nn.Parameter(torch.zeros(8, 27))
    found = trained(Muon([kernel]), kernel, gradients((8, 3, 3, 3)))
    assert torch.allclose(found.flatten(1), trained(Muon([matrix]), matrix, gradients((8, 27))))
    ours, theirs = torch.nn.Parameter(torch.ones(5)), torch.nn.Parameter(torch.ones(5))
    found = trained(Muon([ours], adam_lr=0.01, weight_decay=0.1), ours, gradients(5))
    expected = trained(AdamW([theirs], lr=0.01, betas=(0.9, 0.95), weight_decay=0.1), theirs, gradients(5))
    torch.testing.assert_close(found, expected)


def test_muon_moves_lengths_of_weight_normalization_as_adam_does():
    lengths, directions = torch.nn.Parameter(torch.ones(4, 1, 1, 1)), torch.nn.Parameter(torch.ones(4, 3, 3, 3))
    groups = Muon([lengths, directions, torch.nn.Parameter(torch.ones(2, 4))]).param_groups
    assert [p for group in groups if group["orthogonal"] for p in group["params"]] == [directions]


def test_orthogonalized_brings_singular_values_near_1_and_keeps_the_directions():
    matrix = gradients((12, 40), 1)[0]
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonalized(matrix) @ vt.T
    assert 0.6 < inner.diagonal().min() and inner.diagonal().max() < 1.25
    assert (inner - inner.diagonal().diag()).abs().max() < 1e-4


def test_schedules_move_both_of_muon_s_rates():
    optimizer = Muon([torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2))], lr=0.2, adam_lr=0.02)
    scheduler = Polynomial(optimizer, total_steps=4)
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.15, 0.015])


def test_sam_steps_with_the_gradient_of_the_worst_point_nearby():
    """On loss w^T A w / 2 the gradient is A w, so the whole step has a closed form."""
    a, start = torch.tensor([[3.0, 1.0], [1.0, 2.0]]), torch.tensor([1.0, -2.0])
    w = torch.nn.Parameter(start.clone())
    optimizer = SAM([w], lr=0.1, rho=0.5, momentum=0.0)

    def closure():
        optimizer.zero_grad()
        loss = w @ a @ w / 2
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx((start @ a @ start / 2).item())
    gradient = a @ start
    worst = start + 0.5 * gradient / gradient.norm()
    torch.testing.assert_close(w.detach(), start - 0.1 * a @ worst)


def trained_by_sam(**trainer):
    """A linear classifier after an epoch of ten steps, each with 20 images."""
    torch.manual_seed(0)
    linear, sam = functools.partial(MLP, depth=0), functools.partial(SAM, lr=0.1, rho=0.5)
    classifier = Classifier(linear, sam)
    data = ImageData(Glyphs(200, 20, 20), batch_size=20 // trainer.get("accumulate_grad_batches", 1))
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    Trainer(max_epochs=1, accelerator="cpu", limit_val_batches=0, **quiet, **trainer).fit(classifier, datamodule=data)
    assert classifier.trainer.global_step == 10
    return classifier


def test_sam_takes_accumulated_batches_as_one():
    whole = trained_by_sam(precision="64-true")
    halves = trained_by_sam(precision="64-true", accumulate_grad_batches=2)
    torch.testing.assert_close(halves.network.state_dict(), whole.network.state_dict())
    for name in ("train/loss", "train/accuracy"):  # of each image once
        torch.testing.assert_close(halves.trainer.callback_metrics[name], whole.trainer.callback_metrics[name])


def test_where_sam_gets_no_second_gradient_that_is_told():
    scaled = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))  # as trainer.precision 16-mixed is on a GPU
    with pytest.raises(UserError, match="model.optimizer: SAM .* 16-mixed"):
        trained_by_sam(plugins=[scaled])


def test_muon_leaves_the_head_to_adam():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 2, bias=False))
    before = [p.detach().clone() for p in network.parameters()]
    optimizer = Muon(network.parameters(), lr=0.0, adam_lr=0.1)
    network(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    assert [torch.equal(p, b) for p, b in zip(network.parameters(), before)] == [True, False]


def test_muon_in_bfloat16_goes_nearly_the_same_way():
    torch.manual_seed(0)
    start, gradient = torch.randn(16, 40), torch.randn(16, 40)
    ends = []
    for bfloat16 in (False, True):
        weight = torch.nn.Parameter(start.clone())
        weight.grad = gradient
        Muon([weight], lr=0.1, bfloat16=bfloat16).step()
        ends.append(weight.detach() - start)
    assert torch.nn.functional.cosine_similarity(*(end.flatten() for end in ends), dim=0) > 0.99
    assert ends[1].dtype == torch.float32


def test_muon_takes_groups_whose_parameters_can_be_read_once_only():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    groups = Muon([{"params": network.parameters()}]).param_groups
    assert [(group["orthogonal"], len(group["params"])) for group in groups] == [(True, 1), (False, 3)]


def test_a_one_cycle_whose_rise_is_one_step_is_refused_in_words():
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(UserError, match="pct_start 0.25 of 4 steps"):
        OneCycle(optimizer, total_steps=4, pct_start=0.25)


class Drawing(Regularizer):
    """Writes down what it draws for each batch, and what dropout will draw after it."""

    def __init__(self):
        self.drawn = []

    def change_batch(self, images_NCHW, targets_NK):
        self.drawn.append(torch.rand(1).item())
        return images_NCHW, targets_NK


@pytest.mark.parametrize("accumulated", [1, 2])
def test_sam_s_two_gradients_are_of_the_same_draws(accumulated):
    torch.manual_seed(0)
    drawing, masks = Drawing(), []
    network = functools.partial(MLP, depth=0)
    classifier = Classifier(network, functools.partial(SAM, lr=0.1), regularization=[drawing, Dropout(0.5)])
    classifier.network.head.dropout.register_forward_hook(
        lambda m, i, dropped: masks.append((dropped == 0).sum().item())
    )
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", limit_val_batches=0, accumulate_grad_batches=accumulated, **quiet
    )
    trainer.fit(classifier, datamodule=ImageData(Glyphs(80, 20, 20), batch_size=20))
    for seen in (drawing.drawn, masks):
        steps = [seen[first : first + 2 * accumulated] for first in range(0, 8, 2 * accumulated)]
        assert all(step[:accumulated] == step[accumulated:] for step in steps), seen
        assert len(seen) == 8 and len(set(seen)) == 4, "each batch has draws of its own"
