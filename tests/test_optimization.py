"""Unit 1: the schedules against their closed forms."""

import math

import pytest
import torch
from torch.optim import SGD, Adam, AdamW

from project.optimization import Cosine, OneCycle

STEPS = 200


def rates(schedule, optimizer_class=SGD, lr=0.1, **arguments):
    optimizer = optimizer_class([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule(optimizer, total_steps=STEPS, **arguments)
    found = []
    for _ in range(STEPS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found, optimizer


@pytest.mark.parametrize("optimizer_class", [SGD, Adam, AdamW])
def test_cosine_is_half_a_cosine(optimizer_class):
    found, optimizer = rates(Cosine, optimizer_class, final_lr=0.01)
    expected = [0.01 + 0.09 * (1 + math.cos(math.pi * t / STEPS)) / 2 for t in range(STEPS)]
    assert found == pytest.approx(expected, rel=1e-6)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("optimizer_class", [SGD, Adam, AdamW])
def test_one_cycle_peaks_at_the_optimizers_rate_and_ends_near_nothing(optimizer_class):
    found, _ = rates(OneCycle, optimizer_class, pct_start=0.25)
    assert found[0] == pytest.approx(0.1 / 25)
    assert max(found) == pytest.approx(0.1)
    assert found.index(max(found)) == pytest.approx(0.25 * STEPS, abs=1)
    assert found[-1] == pytest.approx(0.1 / 25 / 1e4)


def test_one_cycle_adds_no_momentum():
    _, optimizer = rates(OneCycle)
    assert optimizer.param_groups[0]["momentum"] == 0
