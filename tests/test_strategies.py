"""The census: it names what a classifier uses, and nothing that is only claimed."""

import functools
import json

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from main import main
from project.augmentation import RandomCrop
from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization
from project.optimization import Cosine, CosineRestarts, Cyclic, OneCycle, Polynomial, WarmupCosine
from project.regularization import Dropout, WeightDecay
from project.strategies import census, optimization

SGD = functools.partial(torch.optim.SGD, lr=0.1)


@pytest.fixture(scope="module")
def data():
    return prepared()


def prepared(**settings):
    data = ImageData(Glyphs(train=100, val=10, test=10), batch_size=20, **settings)
    data.setup("fit")
    return data


def names(data, epochs=15, network=ConvNet, optimizer=SGD, **families):
    found = census(Classifier(network, optimizer, **families), data, epochs, steps=5 * epochs).strategies
    assert all(strategy.evidence for strategies in found.values() for strategy in strategies)
    return {family: [strategy.name for strategy in strategies] for family, strategies in found.items() if strategies}


def test_the_base_uses_nothing(data):
    assert names(data) == {}


@pytest.mark.parametrize(
    ("arguments", "family", "expected"),
    [
        (
            {"optimizer": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)},
            "optimization",
            ["SGD with momentum"],
        ),
        (
            {"optimizer": functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True)},
            "optimization",
            ["SGD with Nesterov momentum"],
        ),
        ({"optimizer": functools.partial(torch.optim.Adam, lr=0.1)}, "optimization", ["Adam"]),
        ({"scheduler": functools.partial(OneCycle, total_steps=None)}, "optimization", ["OneCycle schedule"]),
        ({"scheduler": functools.partial(Cosine, total_steps=None)}, "optimization", ["Cosine schedule"]),
        (
            {"scheduler": functools.partial(lr_scheduler.StepLR, step_size=5)},
            "optimization",
            ["StepLR schedule"],
        ),
        (
            {"scheduler": functools.partial(lr_scheduler.ReduceLROnPlateau, factor=0.5)},
            "optimization",
            ["ReduceLROnPlateau schedule"],
        ),
        (
            {"optimizer": functools.partial(torch.optim.SGD, lr=0.1, weight_decay=0.01)},
            "regularization",
            ["weight decay"],
        ),
        ({"regularization": [WeightDecay(0.01)]}, "regularization", ["weight decay"]),
        ({"regularization": [Dropout(0.2)]}, "regularization", ["dropout"]),
        ({"initialization": He()}, "initialization", ["He"]),
        ({"normalization": BatchNormalization()}, "normalization", ["batch normalization"]),
    ],
)
def test_each_strategy_is_named_under_its_family(arguments, family, expected, data):
    assert names(data, **arguments) == {family: expected}


@pytest.mark.parametrize(
    "arguments",
    [
        {"scheduler": functools.partial(lr_scheduler.StepLR, step_size=30)},  # never reached in 15 epochs
        {"scheduler": functools.partial(lr_scheduler.ExponentialLR, gamma=1.0)},
        {"regularization": [WeightDecay(0.0)]},
        {"regularization": [Dropout(0.0)]},
        {"regularization": [WeightDecay(0.1), WeightDecay(0.0)]},
    ],
)
def test_what_has_no_effect_does_not_count(arguments, data):
    assert names(data, **arguments) == {}


@pytest.mark.parametrize(("epochs", "expected"), [(10, {}), (11, {"optimization": ["StepLR schedule"]})])
def test_a_schedule_counts_where_the_run_is_long_enough_for_it(epochs, expected, data):
    assert names(data, epochs, scheduler=functools.partial(lr_scheduler.StepLR, step_size=10)) == expected


def test_a_schedule_that_breaks_off_counts_by_what_it_did(data):
    too_short = functools.partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=5, cycle_momentum=False)
    assert names(data, scheduler=too_short) == {"optimization": ["OneCycleLR schedule"]}


ONE_CYCLE = "--model.scheduler=torch.optim.lr_scheduler.OneCycleLR --model.scheduler.max_lr=0.1".split()
ONE_CYCLE += ["--model.scheduler.cycle_momentum=false"]


def fit(tmp_path, *options):
    """A run of ten batches an epoch."""
    small = "--data.source.train=50 --data.source.val=10 --data.source.test=10 --data.batch_size=5".split()
    quiet = (
        "--run.wandb=disabled --run.diagnostics=false --run.figures=false --trainer.enable_checkpointing=false".split()
    )
    return main(["fit", "--config", "configs/base.yaml", *small, *quiet, f"--run.folder={tmp_path}", *options])


@pytest.mark.parametrize(
    ("options", "evidence"),
    [
        (
            [*ONE_CYCLE, "--trainer.accumulate_grad_batches=4", "--model.scheduler.total_steps=6"],
            "lr 0.004 first, 0.099 highest, 4e-07 last",
        ),
        (["--config", "configs/optimization/step.yaml", "--trainer.max_steps=15", "--trainer.max_epochs=15"], None),
    ],
)
def test_a_run_s_steps_are_those_of_its_optimizer(options, evidence, tmp_path):
    """Batches come together to steps; and a limit of steps may end a run before its epochs are over."""
    assert fit(tmp_path, "--trainer.max_epochs=2", *options) == 0
    (found,) = [json.loads(path.read_text()) for path in tmp_path.glob("*/summary.json")]
    assert [strategy["evidence"] for strategy in found["strategies"]["optimization"]] == [evidence] * bool(evidence)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([*ONE_CYCLE, "--model.scheduler.total_steps=0"], "model.scheduler: "),
        (
            [*ONE_CYCLE, "--model.scheduler.total_steps=6", "--trainer.max_epochs=1"],
            "model.scheduler: OneCycleLR ends after 6 steps, and the run has 10; leave its total_steps out",
        ),
        (["--trainer.max_epochs=-1"], "trainer.max_epochs: "),
    ],
)
def test_a_schedule_that_cannot_be_is_one_line(options, said, tmp_path, capsys):
    assert fit(tmp_path, *options) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {said}") and told.count("\n") == 1


@pytest.mark.parametrize(("name", "goes_on"), [("OneCycle", False), ("Cosine", False), ("WarmupCosine", True)])
def test_a_run_that_goes_on_for_longer_than_its_schedule_was_made_for_is_one_line(name, goes_on, tmp_path, capsys):
    schedule = [f"--model.scheduler={name}", "--trainer.enable_checkpointing=true"]
    assert fit(tmp_path, *schedule, "--trainer.max_epochs=1", "--run.name=first") == 0
    checkpoint = f"--ckpt_path={tmp_path / 'first' / 'checkpoints' / 'last.ckpt'}"
    capsys.readouterr()
    assert fit(tmp_path, *schedule, checkpoint, "--trainer.max_epochs=1") == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "no epoch is left to train; " in told and ("train anew" in told) == (not goes_on)
    assert fit(tmp_path, *schedule, checkpoint, "--trainer.max_epochs=2") == (0 if goes_on else 2)
    if not goes_on:
        said = f"error: model.scheduler: {name} was made for 10 steps in this checkpoint, and this run asks for 20; "
        told = capsys.readouterr().err.splitlines()[-1]
        assert told == f"{said}train anew, without --ckpt_path, or keep the length of the run"


def test_a_schedule_that_was_given_its_length_goes_on_with_it(tmp_path):
    """Nothing is amiss where the length in the settings was no other when the checkpoint was written."""
    schedule = ["--model.scheduler=Cosine", "--model.scheduler.total_steps=30", "--trainer.enable_checkpointing=true"]
    assert fit(tmp_path, *schedule, "--trainer.max_epochs=1", "--run.name=first") == 0
    checkpoint = f"--ckpt_path={tmp_path / 'first' / 'checkpoints' / 'last.ckpt'}"
    assert fit(tmp_path, *schedule, "--trainer.max_epochs=2", checkpoint) == 0


@pytest.mark.parametrize(
    ("length", "said"),
    [(None, None), (30, "made for 30 steps, but the run has 75: it ends before the run"), (90, "it breaks off")],
)
def test_a_schedule_of_another_length_than_the_run_is_told(length, said):
    for schedule in (Cosine, CosineRestarts, Cyclic, Polynomial, WarmupCosine):
        remarks = []
        chosen = functools.partial(schedule, total_steps=length)
        linear = Classifier(functools.partial(MLP, depth=0), SGD, scheduler=chosen)
        assert [found.name for found in optimization(linear, epochs=15, steps=75, remarks=remarks)]
        assert [remark.endswith(said) for remark in remarks] == ([True] if said else []), schedule


def test_augmentation_counts():
    assert names(prepared(augmentation=[RandomCrop(2)])) == {"regularization": ["RandomCrop"]}


def test_a_network_of_one_s_own_is_looked_into(data):
    class Mine(nn.Module):
        def __init__(self, num_classes):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(3072, 8), nn.LayerNorm(8), nn.Dropout(0.5), nn.Linear(8, num_classes)
            )

        def forward(self, images):
            return self.layers(images)

    assert names(data, network=Mine) == {"regularization": ["dropout"], "normalization": ["layer normalization"]}


def test_taking_the_census_moves_nothing(data):
    classifier = Classifier(ConvNet, SGD, functools.partial(OneCycle, total_steps=None), [WeightDecay(0.1)])
    before = [parameter.clone() for parameter in classifier.network.parameters()]
    state = torch.get_rng_state()
    census(classifier, data, 15, 75)
    assert all(torch.equal(*pair) for pair in zip(before, classifier.network.parameters()))
    assert torch.equal(state, torch.get_rng_state())
