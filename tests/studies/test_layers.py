"""A network by layer: sums that can be counted by hand, whatever the network is made of."""

import pytest
import torch
import torchvision
from torch import nn

from main import main
from project.studies.layers import MOST_ROWS, as_text, layers


class Everything(nn.Module):
    """Weights of its own, a list, a layer that computes its weights, one that is called twice, and one that nobody calls."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)  # called last
        self.filters = nn.Parameter(torch.randn(4, 3, 1, 1))
        self.convolutions = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1, bias=False) for _ in range(3))
        self.lstm = nn.LSTM(4, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)
        self.twice = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4, bias=False))
        self.forgotten = nn.Linear(3, 3)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, images_NCHW):
        x = torch.conv2d(images_NCHW, self.filters)
        for convolution in self.convolutions:
            x = convolution(x)
        x, _ = self.lstm(x.flatten(2).mT)
        x, _ = self.attention(x, x, x)
        return self.head(self.twice(self.twice(x.mean(1))))


def test_every_part_is_counted_once_and_told_in_the_order_of_the_calls():
    network = Everything()
    found = {alike[0].name: (len(alike), *alike[0][1:]) for alike in layers(network, torch.zeros(2, 3, 5, 6))}
    pixels = 5 * 6
    attention = pixels * 4 * 4 * 4 + 2 * pixels * pixels * 4  # four projections; queries by keys, and values by these
    assert found == {
        "": (1, "Everything", (2,), 12, pixels * 12),
        "convolutions.0": (3, "Conv2d", (4, 5, 6), 144, pixels * 144),
        "lstm": (1, "LSTM", (pixels, 4), 160, pixels * 2 * 4 * 16),
        "attention": (1, "MultiheadAttention", (pixels, 4), 80, attention),
        "twice": (1, "ParametrizedLinear", (4,), 20, 2 * 16),
        "head": (1, "Linear", (2,), 10, 8),
        "forgotten": (1, "Linear", None, 12, 0),
    }
    assert list(found) == ["", "convolutions.0", "lstm", "attention", "twice", "head", "forgotten"]


@pytest.mark.parametrize(
    "network",
    [
        torchvision.models.resnet18(num_classes=10),
        torchvision.models.mobilenet_v3_small(num_classes=10),
        nn.Sequential(nn.Flatten(), *[nn.Linear(192, 192) if i % 2 else nn.ReLU() for i in range(90)]),
    ],
    ids=["resnet", "mobilenet", "long"],
)
def test_however_deep_a_network_is_the_table_is_short_and_its_sums_are_the_network_s(network):
    found = layers(network, torch.zeros(2, 3, 8, 8))
    assert 5 < len(found) <= MOST_ROWS
    assert sum(layer.parameters for alike in found for layer in alike) == sum(p.numel() for p in network.parameters())


def test_the_network_is_left_as_it_was_even_where_it_fails():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(), nn.Flatten(), nn.Linear(48, 2)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layers(network, torch.randn(4, 3, 4, 4))
    with pytest.raises(RuntimeError):
        layers(network, torch.randn(4, 3, 5, 5))
    assert network.training and all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert "48" in as_text(network, torch.randn(4, 3, 4, 4))  # nothing of the failure is left


def test_look_tells_the_network_after_the_data(tmp_path, capsys):
    small = ["--data.source.train", "40", "--data.source.val", "20", "--data.source.test", "20", "--out", str(tmp_path)]
    normalized = ["--config", "configs/base.yaml", "--config", "configs/normalization/batch.yaml"]
    assert main(["look", *normalized, *small, "--model.network.width", "4"]) == 0
    said = capsys.readouterr().out
    assert said.index("images.png") < said.index("multiplications") and "BatchNorm2d" in said
    assert main(["look", "--data.source", "Glyphs", *small]) == 0  # without a network
    assert "multiplications" not in capsys.readouterr().out
    assert main(["look", *normalized, *small, "--model.network.widht", "4"]) == 2
    error = capsys.readouterr().err
    assert "model.network" in error and "widht" in error and error.count("\n") == 1
