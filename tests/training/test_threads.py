"""A training on a CPU computes with no more threads than a batch is worth."""

import pytest
import torch
from torch import nn

from project.networks import ConvNet
from project.training.command_line import made
from project.training.configuration import merged, read_arguments
from project.training.threads import multiplications, worthwhile_threads


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("batch_size", "threads"), [(32, 1), (160, 2), (100_000, 3)])
def test_a_thread_has_enough_to_do(batch_size, threads, three_threads):
    network = ConvNet(width=16, stages=2, convs_per_stage=1, pool=4)  # of the quickstart, a million an image
    with pytest.raises(KeyboardInterrupt), worthwhile_threads(network, batch_size, (3, 32, 32)):
        assert torch.get_num_threads() == threads
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 3


def test_multiplications_are_counted_without_a_trace():
    class Counts(nn.Sequential):
        calls = 0

        def forward(self, images_NCHW):
            self.calls += 1
            torch.rand(1)
            return super().forward(images_NCHW)

    network = Counts(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(5 * 64, 10))
    state, draws = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    assert multiplications(network, (3, 8, 8)) == 8 * 8 * 3 * 5 * 9 + 5 * 64 * 10
    assert network.training and network.calls == 0 and torch.equal(torch.get_rng_state(), draws)
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_what_cannot_be_counted_is_worth_all_threads():
    assert multiplications(nn.Linear(3, 10), (3, 8, 9)) == float("inf")
    assert multiplications(nn.Flatten(), (3, 8, 8)) == float("inf")


def test_a_fit_keeps_to_it(tmp_path, three_threads):
    tiny = "--data.source Glyphs --data.source.train 64 --data.source.val 20 --trainer.max_epochs 1".split()
    quiet = ["--run.wandb=disabled", "--run.diagnostics=false", "--run.figures=false", f"--run.folder={tmp_path}"]
    fit = made(merged(read_arguments(["--config", "configs/quickstart.yaml", *tiny, *quiet]).overlays))
    fit.fit()
    assert fit.record.summary["device"] == "cpu (1 thread)" and torch.get_num_threads() == 3
