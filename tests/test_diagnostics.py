"""What a run records of itself: against the same numbers computed by hand, and without changing any."""

import csv
import math
import sys

import pytest
import torch
from pytorch_lightning import Callback
from torch import nn

from project.training import figures
from project.training.command_line import run
from project.training.diagnostics import activations, layer_titles, weights_by_layer
from project.training.figures import draw_activations

TINY = [
    *("--data.source.train=100", "--data.source.val=20", "--data.source.test=10", "--data.batch_size=20"),
    *("--model.network.width=4", "--trainer.max_epochs=2", "--run.wandb=disabled"),
]


class ByHand(Callback):
    """The norm of the first layer's gradient at every step."""

    def __init__(self):
        self.norms, self.rates = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.norms.append(pl_module.network.stem[0].weight.grad.norm().item())

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    by_hand = ByHand()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("project.training.command_line.training_progress", lambda: [by_hand])
        folder = tmp_path_factory.mktemp("runs")
        return run(["fit", "--config", "configs/quickstart.yaml", *TINY, f"--run.folder={folder}"]), by_hand


def test_gradient_norms_are_in_the_metrics(recorded):
    cli, by_hand = recorded
    rows = list(csv.DictReader((cli.folder / "metrics.csv").read_text().splitlines()))
    for epoch, row in enumerate(rows):  # five steps an epoch, and it looks at five
        norms = by_hand.norms[5 * epoch : 5 * epoch + 5]
        assert float(row["gradient_norm/stem.0"]) == pytest.approx(sum(norms) / 5, rel=1e-5)
    layers = [name for name in rows[0] if name.startswith("gradient_norm/")]
    assert len(layers) == 4 and layers[-1] == "gradient_norm/head"


def test_every_step_s_rate_is_recorded(recorded):
    cli, by_hand = recorded
    diagnostics = next(c for c in cli.trainer.callbacks if type(c).__name__ == "Diagnostics")
    assert [rate for _, rate in diagnostics.rates] == by_hand.rates


def test_the_figures_are_drawn(recorded):
    cli, _ = recorded
    drawn = {path.stem for path in (cli.folder / "figures").glob("*.png")}
    assert drawn == {"curves", "learning_rate", "gradients", "activations"}


def test_looking_changes_nothing(recorded, tmp_path):
    cli, _ = recorded
    blind = run(
        ["fit", "--config", "configs/quickstart.yaml", *TINY, f"--run.folder={tmp_path}", "--run.diagnostics=false"]
    )
    for name, tensor in cli.model.network.state_dict().items():
        assert torch.equal(tensor, blind.model.network.state_dict()[name]), name
    assert not (blind.folder / "figures" / "gradients.png").exists()


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_a_run_in_another_precision_is_recorded_too(precision, tmp_path):
    options = [*TINY, "--trainer.max_epochs=1", f"--trainer.precision={precision}", f"--run.folder={tmp_path}"]
    cli = run(["fit", "--config", "configs/base.yaml", *options])
    assert (cli.folder / "figures" / "activations.png").exists()


OF_ALL_KINDS = """
import torch
from torch import nn

class ByHand(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(outputs, inputs) * 0.02), nn.Parameter(torch.zeros(outputs))
    def forward(self, x):
        return x @ self.weight.T + self.bias

class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Parameter(torch.randn(8, 10) * 0.1)
        self.frozen = nn.Linear(3072, 8).requires_grad_(False)
        self.normed, self.by_hand = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), ByHand(8, 8)
    def forward(self, x):
        return self.by_hand(self.normed(self.frozen(x.flatten(1)))) @ self.last

class Shift(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(10))
    def forward(self, x):
        return x.flatten(1)[:, :10] + self.shift
"""


@pytest.mark.parametrize(
    ("network", "moving"),
    [
        ("Mixed", {"last": True, "frozen": False, "normed": True, "by_hand": True}),
        ("Shift", {}),
    ],
)
def test_layers_of_all_kinds_are_recorded_by_their_names(network, moving, tmp_path, monkeypatch):
    (tmp_path / "all_kinds.py").write_text(OF_ALL_KINDS)
    monkeypatch.syspath_prepend(tmp_path)
    small = [option for option in TINY if "width" not in option]
    chosen = [f"--model.network=all_kinds.{network}", f"--run.folder={tmp_path}", *small]
    cli = run(["fit", "--config", "configs/base.yaml", *chosen])
    sys.modules.pop("all_kinds")
    row = list(csv.DictReader((cli.folder / "metrics.csv").read_text().splitlines()))[0]
    norms = {name.partition("/")[2]: float(row[name]) for name in row if name.startswith("gradient_norm/")}
    assert {name: norm > 0 for name, norm in norms.items()} == moving


def test_activations_of_a_compiled_network_are_seen_too():
    network, images_NCHW = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU()), torch.randn(5, 3, 2, 2)
    before = activations(network, images_NCHW)
    network.compile(backend="eager")
    with torch.no_grad():
        network.eval()(images_NCHW)
    after = activations(network, images_NCHW)
    assert len(before) == len(after) == 1 and torch.equal(before[0], after[0])


def test_activations_are_drawn_as_deep_as_both_moments_have_them(tmp_path):
    values = torch.randn(20)
    draw_activations({"at the start": [values] * 3, "at the end": [values]}, tmp_path / "activations.png")
    assert (tmp_path / "activations.png").exists()


def drawn_axes(monkeypatch, draw):
    """The axes of a figure that is not saved."""
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, path: kept.append(figure))
    draw()
    return kept[0].axes


def test_a_gradient_of_zero_is_drawn_apart_from_the_smallest(monkeypatch, tmp_path):
    norms = [(0.0, [1e-20, 0.0]), (1.0, [1e-3, 0.0])]
    (axes,) = drawn_axes(monkeypatch, lambda: figures.draw_gradient_norms(norms, ["a", "b"], tmp_path / "g.png"))
    first, second = axes.lines[:2]
    assert list(first.get_ydata()) == [1e-20, 1e-3] and max(second.get_ydata()) < 1e-20
    assert [text.get_text() for text in axes.texts] == ["exactly zero"]


def test_a_gradient_that_is_no_number_is_not_drawn_as_zero(monkeypatch, tmp_path):
    norms = [(0.0, [1e-3]), (1.0, [math.nan])]
    (axes,) = drawn_axes(monkeypatch, lambda: figures.draw_gradient_norms(norms, ["a"], tmp_path / "g.png"))
    assert math.isnan(axes.lines[0].get_ydata()[1]) and not axes.texts


def test_chance_is_in_the_learning_curves(monkeypatch, tmp_path):
    rows = [{"epoch": 1, "train/loss": 2.0, "val/loss": 2.0, "train/accuracy": 0.2, "val/accuracy": 0.2}]
    axes = drawn_axes(monkeypatch, lambda: figures.draw_learning_curves(rows, 0.8, 4, tmp_path / "c.png"))
    assert "chance, 25 %" in [text.get_text() for text in axes[1].get_legend().get_texts()]


def test_layers_go_by_what_people_call_them():
    from project.networks import ConvNet

    network = ConvNet(width=4, stages=2, convs_per_stage=1)
    titles = layer_titles(network, [*weights_by_layer(network)])
    assert titles == [
        "1. convolution, 3 to 4",
        "2. convolution, 4 to 4",
        "3. convolution, 4 to 8",
        "4. fully connected, 8 to 10",
    ]
