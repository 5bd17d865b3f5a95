"""Unit 2: what each strategy does to the network, the batch, the loss, the gradient and the update."""

import functools

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth as DropBranch

from project.classifier import Classifier
from project.networks import MLP, ConvNet, ResNet
from project.regularization import (
    EMA,
    L1,
    L2,
    SWA,
    CutMix,
    Dropout,
    EarlyStopping,
    ElasticNet,
    GradientClipping,
    LabelSmoothing,
    Mixup,
    SpatialDropout,
    StochasticDepth,
    WeightDecay,
)
from project.support.errors import UserError
from project.training.command_line import run


def test_weight_decay_leaves_biases_and_normalization_alone():
    norm, layer = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)
    decay = WeightDecay(0.01).weight_decay
    assert decay(layer.weight) == 0.01
    assert decay(layer.bias) == decay(norm.weight) == decay(norm.bias) == 0
    assert WeightDecay(0.01, biases_too=True).weight_decay(norm.bias) == 0.01


def test_penalties_are_the_lecture_s():
    network = nn.Linear(2, 2)
    network.weight.data = torch.tensor([[1.0, -2.0], [3.0, 0.0]])
    assert L1(0.1).penalty(network).item() == pytest.approx(0.1 * 6)
    assert L2(0.1).penalty(network).item() == pytest.approx(0.1 * 14)
    assert ElasticNet(0.1, l1_ratio=0.25).penalty(network).item() == pytest.approx(0.1 * (0.25 * 6 + 0.75 * 14))


def test_scales_are_not_penalized_whatever_their_shape():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.LayerNorm([4, 8, 8]), nn.RMSNorm([4, 8, 8]))
    nn.utils.parametrizations.weight_norm(network[0])  # g is (4, 1, 1, 1)
    directions = network[0].parametrizations.weight.original1
    assert L2(1.0).penalty(network).item() == pytest.approx(directions.square().sum().item())


def test_for_sgd_an_l2_penalty_is_weight_decay_of_twice_the_factor():
    torch.manual_seed(0)
    batch = torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3])
    moved = []
    for regularizer in (L2(0.05), WeightDecay(0.1)):
        torch.manual_seed(1)
        classifier = Classifier(MLP, functools.partial(torch.optim.SGD, lr=0.1), regularization=[regularizer])
        optimizer = classifier.build_optimizer()
        classifier.training_step(batch, 0).backward()
        optimizer.step()
        moved.append(torch.cat([p.detach().flatten() for p in classifier.network.parameters()]))
    torch.testing.assert_close(*moved)


def test_label_smoothing_is_torch_s():
    logits_NK, labels_N = torch.randn(5, 10), torch.tensor([0, 3, 3, 9, 1])
    _, targets_NK = LabelSmoothing(0.2).change_batch(None, F.one_hot(labels_N, 10).float())
    expected = F.cross_entropy(logits_NK, labels_N, label_smoothing=0.2)
    torch.testing.assert_close(F.cross_entropy(logits_NK, targets_NK), expected)


@pytest.mark.parametrize("mixing", [Mixup(1.0), CutMix(1.0)])
def test_what_is_mixed_into_the_images_is_mixed_into_the_targets(mixing):
    """Image i is filled with the number i, so that the share of each image in a mixture can be read off it."""
    torch.manual_seed(0)
    n, drawn = 4, set()
    for _ in range(20):
        images_NCHW, targets_NK = torch.arange(n).float().view(n, 1, 1, 1).expand(n, 3, 16, 16), torch.eye(n)
        mixed_NCHW, mixed_NK = mixing.change_batch(images_NCHW, targets_NK)
        torch.testing.assert_close(mixed_NK.sum(1), torch.ones(n))
        torch.testing.assert_close(mixed_NCHW.mean((1, 2, 3)), mixed_NK @ torch.arange(n).float())
        drawn.add(round(mixed_NK[0, 0].item(), 4))
        assert isinstance(mixing, CutMix) == (mixed_NCHW.frac().abs().max() == 0) or mixed_NK[0, 0] in (0, 1)
    assert len(drawn) > 10


def test_several_at_once_accumulate():
    regularizers = [LabelSmoothing(0.1), Mixup(1.0), L1(0.1), L2(0.1)]
    classifier = Classifier(MLP, functools.partial(torch.optim.SGD, lr=0.1), regularization=regularizers)
    images_NCHW, labels_N = torch.randn(8, 3, 32, 32), torch.arange(8)
    torch.manual_seed(3)
    loss = classifier.training_step((images_NCHW, labels_N), 0)
    torch.manual_seed(3)
    targets_NK = F.one_hot(labels_N, 10) * 0.9 + 0.01
    mixed_NCHW, mixed_NK = regularizers[1].change_batch(images_NCHW, targets_NK)
    weights = [p for p in classifier.network.parameters() if p.ndim > 1]
    penalties = sum(0.1 * w.abs().sum() + 0.1 * w.square().sum() for w in weights)
    torch.testing.assert_close(loss, F.cross_entropy(classifier(mixed_NCHW), mixed_NK) + penalties)
    shown = classifier.train_metrics.compute()["loss"]
    torch.testing.assert_close(shown, F.cross_entropy(classifier(mixed_NCHW), labels_N))


@pytest.mark.parametrize(("strategy", "whole_channels"), [(Dropout(0.3), False), (SpatialDropout(0.3), True)])
def test_dropout_keeps_the_mean_in_training_and_does_nothing_at_evaluation(strategy, whole_channels):
    torch.manual_seed(0)
    network = ConvNet(width=8)
    strategy.prepare(network)
    (drop, *_) = [m for m in network.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    ones_NCHW = torch.ones(500, 64, 2, 2)
    dropped = drop(ones_NCHW)
    assert abs(dropped.mean().item() - 1) < 0.02
    assert abs((dropped == 0).float().mean().item() - 0.3) < 0.02
    same = (dropped.amax((2, 3)) == dropped.amin((2, 3))).float().mean().item()
    assert (same == 1) == whole_channels
    network.eval()
    assert torch.equal(drop(ones_NCHW), ones_NCHW)


def test_dropout_suits_networks_that_read_their_layers_weights():
    """Attention computes with its last layer's weights and never calls the layer."""
    images_NCHW = torch.randn(2, 3, 32, 32)
    torch.manual_seed(0)
    network = torchvision.models.VisionTransformer(32, 8, 1, 2, 16, 32, num_classes=10)
    nn.init.normal_(network.heads.head.weight)
    names = list(network.state_dict())
    Dropout(0.5).prepare(network)
    assert list(network.state_dict()) == names
    assert not torch.equal(network(images_NCHW), network(images_NCHW))
    assert torch.equal(network.eval()(images_NCHW), network(images_NCHW))


@pytest.mark.parametrize("network", [ResNet, torchvision.models.resnet18, torchvision.models.resnet50])
def test_stochastic_depth_leaves_out_deeper_branches_more_often(network):
    built = network(num_classes=10)
    StochasticDepth(0.4).prepare(built)
    shares = [m.p for m in built.modules() if isinstance(m, DropBranch)]
    count = {ResNet: 3, torchvision.models.resnet18: 8, torchvision.models.resnet50: 16}[network]
    assert shares == pytest.approx([0.4 * l / count for l in range(1, count + 1)])  # noqa: E741
    built(torch.randn(2, 3, 32, 32))


def test_a_left_out_branch_leaves_the_shortcut():
    network = ResNet(width=4, stages=1)
    StochasticDepth(1.0).prepare(network)
    block, x_NCHW = network.stages[0], torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x_NCHW), x_NCHW.relu())
    assert not torch.equal(block.eval()(x_NCHW), x_NCHW.relu())


def test_what_cannot_apply_is_said_in_one_line(capsys):
    StochasticDepth().prepare(ConvNet())
    said = capsys.readouterr().err
    assert said.startswith("note: StochasticDepth") and said.count("\n") == 1


def test_clipping_shortens_a_long_gradient_and_leaves_a_short_one():
    for length in (5.0, 0.5):
        parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter) * length / 5**0.5
        GradientClipping(1.0).change_gradients(parameters)
        norm = torch.cat([p.grad for p in parameters]).norm().item()
        assert norm == pytest.approx(min(length, 1.0), rel=1e-4)


TINY = [
    *("--data.source.train=60", "--data.source.val=20", "--data.source.test=10", "--data.batch_size=20"),
    *("--model.network.width=2", "--run.wandb=disabled", "--trainer.max_epochs=4"),
]


def weights_of_a_run(tmp_path, monkeypatch, *regularization):
    """The weights after each step, and those that the run ends with."""
    from project.training.summary import Record

    seen = []
    flat = lambda module: torch.cat([p.detach().flatten() for p in module.network.parameters()])  # noqa: E731
    monkeypatch.setattr(Record, "on_train_batch_end", lambda self, t, module, *rest: seen.append(flat(module)))
    options = [f"--model.regularization+={regularizer}" for regularizer in regularization]
    cli = run(["fit", "--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}", *options])
    return seen, flat(cli.model), cli


def test_swa_ends_with_the_mean_of_the_last_epochs_weights(tmp_path, monkeypatch):
    seen, ended, cli = weights_of_a_run(
        tmp_path, monkeypatch, '{"class_path": "project.regularization.SWA", "init_args": {"first_epoch": 3}}'
    )
    torch.testing.assert_close(
        ended, (seen[8] + seen[11]) / 2
    )  # three steps an epoch: the ends of the third and fourth
    checkpoint = torch.load(cli.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    kept = torch.cat([checkpoint[f"network.{name}"].flatten() for name, _ in cli.model.network.named_parameters()])
    torch.testing.assert_close(kept, ended)


def test_ema_is_the_running_mean_of_its_formula(tmp_path, monkeypatch):
    seen, ended, _ = weights_of_a_run(
        tmp_path, monkeypatch, '{"class_path": "project.regularization.EMA", "init_args": {"decay": 0.8}}'
    )
    average = seen[0]
    for weights in seen[1:]:
        average = 0.8 * average + 0.2 * weights
    torch.testing.assert_close(ended, average)


def test_swa_validates_the_weights_themselves_until_there_is_a_mean(tmp_path, monkeypatch):
    import csv

    rows = []
    for late in (3, 99):
        option = f'{{"class_path": "project.regularization.SWA", "init_args": {{"first_epoch": {late}}}}}'
        _, _, cli = weights_of_a_run(tmp_path, monkeypatch, option)
        rows.append(list(csv.DictReader((cli.folder / "metrics.csv").read_text().splitlines())))
    assert [row["val/loss"] for row in rows[0][:2]] == [row["val/loss"] for row in rows[1][:2]]
    assert rows[0][3]["val/loss"] != rows[1][3]["val/loss"]


OWN_AVERAGE = '{"class_path": "project.support.weight_averaging.EpochAveraging", "init_args": {"first_epoch": 1}}'


@pytest.mark.parametrize("second", ["--model.regularization+=SWA", f"--trainer.callbacks+={OWN_AVERAGE}"])
def test_of_two_averages_only_one_can_be_evaluated(second, tmp_path):
    settings = ["--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}", "--model.regularization+=EMA"]
    with pytest.raises(UserError, match="only one average of the weights can be evaluated; leave one of EMA"):
        run(["fit", *settings, second])
    assert not any(tmp_path.iterdir())


def test_early_stopping_stops(tmp_path, monkeypatch):
    stopping = '{"class_path": "project.regularization.EarlyStopping", "init_args": {"patience": 1}}'
    still = "--model.optimizer.lr=1e-30"  # the loss stays the same, to the last digit
    cli = run(["fit", "--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}", still,
               f"--model.regularization+={stopping}"])  # fmt: skip
    assert cli.trainer.current_epoch == 2, "the first epoch without an improvement ends it"


@pytest.mark.parametrize(
    "wrong",
    [lambda: L1(-1), lambda: Dropout(1.5), lambda: Mixup(0), lambda: SWA(0), lambda: EMA(2), lambda: EarlyStopping(0)],
)
def test_values_out_of_range_are_told(wrong):
    with pytest.raises(UserError, match="model.regularization"):
        wrong()
