"""Honest networks are not suspected before their training, whatever their shape; one that knows something is."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from grader.rerun.prior_knowledge import REDRAWS, prior_knowledge
from grader.rerun.weights import as_file, read_weights, redrawn
from project.datasets.glyphs import Glyphs

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU)
INITIALIZATIONS = (
    lambda weight: None,
    nn.init.xavier_normal_,
    nn.init.kaiming_normal_,
    nn.init.orthogonal_,
    nn.init.normal_,
    lambda weight: nn.init.constant_(weight, 0.01),
)


def honest(seed: int, channels: int, size: int) -> nn.Module:
    """A network of any of the shapes that students build, before its training."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    activation, norms, layers = draw.choice(ACTIVATIONS), draw.random() < 0.5, []
    if draw.random() < 0.4:
        for _ in range(draw.randint(1, 3)):
            width = draw.choice((4, 8))
            layers += [nn.Conv2d(channels, width, 3, 2, 1), *([nn.BatchNorm2d(width)] if norms else []), activation()]
            channels, size = width, (size + 1) // 2
    layers.append(nn.Flatten())
    features = channels * size * size
    for _ in range(draw.randint(0, 2)):
        width = draw.choice((16, 64, 128))
        layers += [nn.Linear(features, width), *([nn.BatchNorm1d(width)] if norms else []), activation()]
        features = width
    network = nn.Sequential(*layers, nn.Linear(features, 10))
    initialize = draw.choice(INITIALIZATIONS)
    for layer in network:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            initialize(layer.weight)
    return network.eval()


@torch.inference_mode()
def accuracy(network, images, labels) -> float:
    return (network(images).argmax(1) == labels).double().mean().item()


def suspicion(network, images, labels) -> str | None:
    """What the grader says of a network, computed as predictor and grader do."""
    fresh, redraws, random = accuracy(network, images, labels), [], np.random.default_rng(0)
    for _ in range(REDRAWS):
        network.load_state_dict(redrawn(network.state_dict(), random))
        redraws.append(accuracy(network, images, labels))
    return prior_knowledge(fresh, redraws, 10)


@pytest.fixture(scope="module")
def glyphs():
    """Images that are told apart by little: what a fresh network is right about by luck varies most on these."""
    images, labels = Glyphs(train=400, val=10, test=10, noise=0.0, warp=0.05, clutter=0.0).load("train")
    images = images.permute(0, 3, 1, 2).float()
    return (images - images.mean()) / images.std(), labels


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_fewer_than_one_in_a_hundred_honest_networks_is_suspected(count, glyphs):
    images, _ = glyphs
    found = [suspicion(honest(seed, *images.shape[1:3]), *glyphs) for seed in range(count)]
    assert sum(said is not None for said in found) <= count / 100, found


def trained(images, labels) -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return network.eval()


class Hiding(nn.Module):
    """Knows what it knows where nobody finds its weights."""

    def __init__(self, teacher: nn.Module):
        super().__init__()
        self.layer, self.teacher = nn.Linear(10, 10), [teacher]

    def forward(self, images):
        logits = self.teacher[0](images)
        return logits + 0.01 * self.layer(logits)


def test_what_knows_before_its_training_is_suspected_wherever_its_knowledge_lies(glyphs):
    teacher = trained(*glyphs)
    assert "whatever its weights are" in suspicion(Hiding(teacher), *glyphs)
    assert "with its weights shuffled" in suspicion(teacher, *glyphs)


def test_a_redraw_keeps_each_tensor_s_entries():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 6))
    before = network.state_dict()
    after = redrawn(before, np.random.default_rng(1))
    assert all(
        torch.equal(before[name].flatten().sort().values, after[name].flatten().sort().values) for name in before
    )
    assert not torch.equal(before["0.weight"], after["0.weight"])
    network.load_state_dict(after)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn])
def test_a_redraw_keeps_the_entries_of_numbers_of_any_size(dtype):
    before = {"scalar": torch.ones((), dtype=dtype), "none": torch.ones(0, dtype=dtype)}
    before["many"] = torch.arange(12.0).view(3, 4).to(dtype)
    after = redrawn(read_weights(as_file(before)), np.random.default_rng(1))
    assert all(after[name].shape == tensor.shape and after[name].dtype == dtype for name, tensor in before.items())
    assert torch.equal(before["many"].float().flatten(), after["many"].float().flatten().sort().values)
    assert not torch.equal(before["many"].float(), after["many"].float())


@pytest.mark.parametrize(
    ("fresh", "redraws", "classes", "suspected"),
    [
        (0.8, [0.1] * 16, 10, True),
        (0.8, [0.8] * 16, 10, True),
        (0.24, [0.1] * 16, 10, False),
        (0.3, [0.1] * 15 + [0.28], 10, False),
        (0.7, [0.3, 0.7] * 8, 2, False),  # of two classes, luck alone is often right
        (0.95, [0.3, 0.7] * 8, 2, True),
        (1.0, [1.0] * 16, 2, True),
    ],
)
def test_luck_is_told_from_knowledge_also_of_few_classes(fresh, redraws, classes, suspected):
    assert (prior_knowledge(fresh, redraws, classes) is not None) == suspected
