"""The rate range test: what a curve tells, and that a test trains as the configuration says, at rates that grow."""

import math

import pytest
from PIL import Image

from main import main
from project.studies import rate_range
from project.studies.rate_range import HIGHEST, LOWEST, STEPS, Point, rate_of, read, swept, without_schedule
from project.training.command_line import made
from project.training.configuration import merged, read_arguments

TINY = [
    *("--config", "configs/base.yaml", "--data.source.train=200", "--data.source.val=50", "--data.source.test=50"),
    *("--model.network.width=4", "--data.batch_size=50", "--trainer.accelerator=cpu"),
    *("--config", "configs/normalization/batch.yaml"),
]


def curve(loss):
    return [Point(rate_of(step), loss(rate_of(step))) for step in range(STEPS)]


def test_the_rates_grow_by_the_same_factor_from_the_lowest_to_the_highest():
    assert rate_of(0) == pytest.approx(LOWEST) and rate_of(STEPS - 1) == pytest.approx(HIGHEST)
    assert rate_of(8) / rate_of(7) == pytest.approx(rate_of(101) / rate_of(100))


def test_a_tenth_of_the_rate_with_the_least_loss_is_suggested_whatever_a_single_step_does():
    found = read(curve(lambda rate: 2 + abs(math.log10(rate / 0.1)) / 4))
    assert found.suggested == pytest.approx(0.01, rel=0.1) and found.diverged is None
    leaps = curve(lambda rate: 2 + abs(math.log10(rate / 0.1)) / 4)
    leaps[60], leaps[150] = leaps[60]._replace(loss=1.5), leaps[150]._replace(loss=11)
    assert read(leaps).suggested == pytest.approx(0.01, rel=0.5)


@pytest.mark.parametrize("high", [20.0, math.inf, math.nan])
def test_where_it_diverges_it_ends(high):
    found = read(curve(lambda rate: 2 - rate / 2 if rate < 1 else high))
    assert 1 <= found.diverged < 2 and 0.03 < found.suggested < 0.1


@pytest.mark.parametrize("loss", [lambda rate: 2.3, lambda rate: 2.3 + rate, lambda rate: math.nan])
def test_nothing_is_suggested_where_the_loss_never_falls(loss):
    assert read(curve(loss)).suggested is None


@pytest.mark.parametrize("accumulated", [1, 2])
def test_every_group_s_rate_grows_by_the_same_factor_and_nothing_is_validated(accumulated, monkeypatch):
    monkeypatch.setattr(rate_range, "STEPS", 6)
    muon = ["--config", "configs/optimization/muon.yaml", "--config", "configs/optimization/onecycle.yaml"]
    stopping = ["--config", "configs/regularization/early_stopping.yaml"]
    more = [*muon, *stopping, f"--trainer.accumulate_grad_batches={accumulated}", "--trainer.max_epochs=1"]
    command_line = made(without_schedule(merged(read_arguments([*TINY, *more]).overlays)), "fit --find-lr")
    points = swept(command_line)
    assert [rate for rate, _ in points] == pytest.approx([rate_range.rate_of(step) for step in range(6)])
    assert points[0].loss > 1.8, "that of guesses among ten classes, ln 10, also where it is of several batches"
    ratios = {group["lr"] / HIGHEST for group in command_line.trainer.optimizers[0].param_groups}
    assert sorted(ratios) == pytest.approx([0.1, 1])  # adam_lr 0.002, lr 0.02
    assert not any(name.startswith("val") for name in command_line.trainer.callback_metrics)


def test_the_command_writes_a_picture_and_says_how_to_use_what_it_found(tmp_path, capsys):
    args = ["fit", *TINY, "--find-lr", "--run.folder", str(tmp_path), "--run.name", "rates"]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert "--model.optimizer.lr 0." in said and "rates/rate_range.png" in said
    assert [path.name for path in tmp_path.rglob("*")] == [
        "rates",
        "rate_range.png",
    ]  # no run that anybody mistakes for one
    with Image.open(tmp_path / "rates" / "rate_range.png") as picture:
        assert picture.width > 600


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--ckpt_path", "last.ckpt"], "goes with neither --ckpt_path"),
        (["--model.optimizer.lr", "0"], "no learning rate above 0"),
        (["--model.optimizer", "LBFGS"], "--find-lr: "),
        (["--seeds", "3"], "seeds"),
        (["--trainer.limit_train_batches", "0"], "nothing is left to train on"),
        (["--model.network.widht", "3"], "widht"),
        (["--run.name", "a/b"], "not a plain name"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(more, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(rate_range, "STEPS", 2)
    assert main(["fit", "--find-lr", *TINY, *more, "--run.folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not any(tmp_path.iterdir())
