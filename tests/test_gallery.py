"""The gallery: every figure is drawn, from what the code really does."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from main import main
from project.studies import gallery_figures as figures
from project.studies import gallery_regularizers
from project.studies.gallery import GALLERY
from project.studies.gallery_figures import SCHEDULES, configured
from project.studies.gallery_regularizers import draw, planned, wins
from project.studies.one_training import RunResult
from project.studies.study_result import ArmResult, StudyResult, answer
from project.studies.study_trainings import completed_arms
from project.training.configuration import merged


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GALLERY if name != "regularizers"])
def test_a_figure_is_drawn(name, tmp_path, capsys):
    assert main(["gallery", "--out", str(tmp_path), "--only", name]) == 0
    with Image.open(tmp_path / f"{name}.png") as drawn:
        assert drawn.width >= 900 and len(drawn.convert("RGB").getcolors(10**6)) > 20
    assert f"[1/1] {tmp_path / name}.png" in capsys.readouterr().out


def of_a_study(tmp_path, higher, seeds=5):
    """The regularizers' study with invented losses: the first arm's, and the others' higher by so much, in their order."""
    plan = planned(tmp_path)
    runs = [
        [
            RunResult(seed=seed, accuracy=0.5, loss=2 + more + seed / 100, train_loss=0.1, val_loss=2 + more + seed / 100,
                      curves={"train/loss": [1.0, 0.1], "val/loss": [2.2, 2.0]}, remarks=[], seconds=1.0)
            for seed in range(seeds)
        ]
        for more in (0, *higher)
    ]  # fmt: skip
    arms = [ArmResult(name=arm.name, overlay=arm.text, runs=own) for arm, own in zip(plan.arms, runs)]
    images = plan.base["data"]["source"]
    return answer(
        StudyResult(name="s", question="", base=[], images=images, metric="loss", seeds=seeds, target=0.8, arms=arms)
    )


def test_the_regularizers_figure_marks_those_that_lower_the_validation_loss(tmp_path, monkeypatch):
    study = of_a_study(tmp_path, [-1, 1, -0.01, *[0] * 8])
    assert [arm.name for arm in study.arms if wins(arm)] == [study.arms[1].name]
    drawn = []
    monkeypatch.setattr(gallery_regularizers, "finish", lambda figure, title, sentence, path: drawn.append(figure))
    draw(study, tmp_path / "regularizers.png")
    _, ends, gains = drawn[0].axes
    labels = [(label.get_text(), label.get_fontweight()) for label in ends.get_yticklabels()]
    assert labels[:2] == [("none", "normal"), (study.arms[1].name, "bold")] and labels[-1][0] == study.arms[2].name
    assert "1.92" in [text.get_text() for text in ends.texts], "the gap without a regularizer"
    assert ends.get_xlim()[0] < 0, "dots at 0 are not cut"
    told = study.arms[1].found["loss"].difference
    lines = [[*line.get_xdata()] for line in gains.lines]
    assert [told.low, told.high] in lines and told.high < 0, "the bold one's interval, on which the verdict rests"
    assert gains.get_yticklabels()[1].get_fontweight() == "bold"


def test_the_regularizers_figure_is_drawn_where_it_is_asked_for(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(gallery_regularizers, "planned", lambda folder: SimpleNamespace(folder=folder))
    monkeypatch.setattr(gallery_regularizers, "run", lambda plan: plan)
    monkeypatch.setattr(gallery_regularizers, "answer", lambda study: study)
    monkeypatch.setattr(gallery_regularizers, "draw", lambda study, path: drawn.append((study.folder, path)))
    monkeypatch.chdir(tmp_path)
    gallery_regularizers.regularizers(Path("regularizers.png"))
    assert drawn == [(tmp_path / "studies", tmp_path / "regularizers.png")]


@pytest.mark.slow
def test_the_regularizers_figure_is_drawn_from_a_study_whose_runs_are_kept(tmp_path, monkeypatch):
    plan = planned(tmp_path / "studies")
    short = merged([plan.base, {"trainer": {"max_epochs": 2}}])
    monkeypatch.setattr(
        gallery_regularizers, "planned", lambda folder: plan._replace(base=short, arms=plan.arms[:2], seeds=2)
    )
    gallery_regularizers.regularizers(tmp_path / "regularizers.png")
    assert len([*(tmp_path / "studies" / "runs").glob("*/result.json")]) == 4
    with Image.open(tmp_path / "regularizers.png") as drawn:
        assert drawn.width >= 900


def test_each_regularizer_of_the_figure_is_another_one_and_says_its_strength(tmp_path):
    arms, _ = completed_arms(planned(tmp_path))
    chosen = [(each["model"]["regularization"], each["data"]["augmentation"]) for each in arms.values()]
    assert len(arms) == 12 and chosen[0] == ([], []) and all(len(one) + len(other) == 1 for one, other in chosen[1:])
    for name, (one, other) in [*zip(arms, chosen)][1:]:
        assert float(name.split()[-1]) in [*(one or other)[0]["init_args"].values()], name


def test_saturated_are_outputs_where_the_function_is_flat():
    inputs = torch.tensor([[0.0], [1.0], [4.5], [-9.0]])
    assert figures.saturated(inputs.sigmoid(), nn.Sigmoid) == figures.saturated(inputs.tanh(), nn.Tanh) == 0.5


def test_small_and_large_numbers_are_told_by_their_power_of_ten():
    assert figures.scaled([5.5e-7, 5.7e-7]) == "(5.5 to 5.7)·10⁻⁷" and figures.scaled([6e-16]) == "6·10⁻¹⁶"
    assert figures.scaled([24508, 26238]) == "(2.5 to 2.6)·10⁴" and figures.scaled([5716, 6076]) == "5716 to 6076"
    assert figures.scaled([0.031]) == "0.031" and figures.spread([199.6, 201]) == "200 to 201"


def test_the_typical_unit_is_the_one_that_changes_like_most():
    lows, moves, widths = (
        torch.tensor([0.0, 1, 2, 3, 4]),
        torch.tensor([0.0, 0.1, 0.2, 0.3, 5]),
        torch.tensor([1.0, 1, 2, 3, 3]),
    )
    quantiles_T3U = torch.stack(
        [torch.stack([lows, lows + 0.5, lows + 1]), torch.stack([lows, lows + 0.5 + moves, lows + widths])]
    )
    assert figures.typical(quantiles_T3U) == 2


def test_the_row_called_xavier_is_the_formula_and_the_other_has_its_gain():
    """A deep tanh network's signal: 0.23 at the tenth layer by the formula alone."""
    images_NCHW, labels_N = figures.labelled_images(50)
    tenth = {
        type(start): figures.fresh_layers(images_NCHW, labels_N, nn.Tanh, start, 10, 256).signals()[9]
        for start in (figures.PlainXavier(), figures.Xavier())
    }
    assert 0.18 < tenth[figures.PlainXavier] < 0.28 and 0.6 < tenth[figures.Xavier] < 0.7


def test_what_the_captions_of_the_activations_say_of_gradients_and_of_he():
    """Saturated units pass little on, but weights with a deviation of 1 make up for that (sigmoid) and more (tanh)."""
    images_NCHW, labels_N = figures.labelled_images(200)

    def fresh(activation, start):
        return figures.fresh_layers(images_NCHW, labels_N, activation, start, 10, 256)

    tanh, sigmoid = (fresh(activation, figures.Normal(1.0)) for activation in (nn.Tanh, nn.Sigmoid))
    assert figures.saturated(tanh.outputs[9], nn.Tanh) > 0.8 and tanh.gradients[1] > 1000 * tanh.gradients[9]
    assert figures.saturated(sigmoid.outputs[9], nn.Sigmoid) > 0.6
    assert 0.5 < sigmoid.gradients[1] / sigmoid.gradients[9] < 2
    assert figures.stuck(sigmoid.outputs[9]) > 0.25 and sigmoid.signals()[9] > 0.1, "a needle with a wide foot"
    small = fresh(nn.Tanh, figures.Normal(0.01))
    assert max(small.gradients) < 1e-6, "no layer gets a gradient"
    he, gain = (fresh(nn.Tanh, start) for start in (figures.He(), figures.Xavier()))
    assert he.signals()[9] > 0.95 * he.signals()[5], "it stays"
    assert figures.saturated(he.outputs[9], nn.Tanh) < 0.02 < figures.saturated(gain.outputs[9], nn.Tanh)
    for start in (figures.Normal(0.01), figures.PlainXavier(), figures.He()):
        lost = fresh(nn.Sigmoid, start)
        assert lost.gradients[1] < 0.01 * lost.gradients[9] and lost.signals()[9] < 1e-4


def test_the_flat_part_of_the_default_relu_s_gradients_is_of_images_that_differ():
    images_NCHW, labels_N = figures.labelled_images(200)
    alike_NCHW = images_NCHW.mean(0, keepdim=True).repeat(len(images_NCHW), 1, 1, 1)
    flat, falling = (
        figures.fresh_layers(images, labels_N, nn.ReLU, None, 20, 128).gradients for images in (images_NCHW, alike_NCHW)
    )
    assert 0.3 < flat[1] / flat[5] < 3 and falling[1] / falling[5] < 0.15
    assert flat[11] == pytest.approx(falling[11], rel=0.05), "where nothing is left of the images"


def test_the_plateau_reacts_when_its_caption_says():
    """After the epoch FALLS, and so many more as its patience says."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = configured("plateau").build_scheduler(optimizer, 300)
    rates = []
    for epoch in range(1, 16):
        optimizer.step()
        scheduler.step(figures.made_up_loss(epoch))
        rates.append(optimizer.param_groups[0]["lr"])
    last = figures.FALLS + scheduler.patience
    assert rates[:last] == [0.1] * last and rates[last] < 0.1


def test_the_augmentations_captions_are_true_of_what_is_drawn(monkeypatch, tmp_path):
    """Every augmentation of configs/regularization has a row, and the J that the caption speaks of is there."""
    drawn = []
    monkeypatch.setattr(figures, "finish", lambda figure, title, sentence, path: drawn.append(figure))
    figures.augmentations(tmp_path / "a.png")
    rows = {axes.get_ylabel() for axes in drawn[0].axes} - {""}
    overlays = [yaml.safe_load(path.read_text()) for path in Path("configs/regularization").glob("*.yaml")]
    named = [each for overlay in overlays for each in (overlay.get("data") or {}).get("augmentation+") or []]
    assert {each["class_path"].rpartition(".")[2] for each in named} <= rows
    assert {"Mixup", "CutMix"} < rows and len(drawn[0].axes) == 8 * len(rows)


def test_a_spread_is_one_number_where_there_is_no_other_to_tell():
    assert figures.spread([0.971, 0.969]) == "0.97" and figures.spread([0.29, 0.304]) == "0.29 to 0.3"


def test_every_schedule_is_shown():
    overlays = [path for path in Path("configs/optimization").glob("*.yaml") if path.stem != "default"]
    scheduling = {path.stem for path in overlays if "scheduler" in yaml.safe_load(path.read_text())["model"]}
    assert scheduling == set(SCHEDULES)
    assert configured("constant").scheduler is None
    assert configured("step").scheduler.keywords.items() >= {"step_size": 5, "gamma": 0.33}.items()


def test_an_unknown_figure_is_one_line(tmp_path, capsys):
    assert main(["gallery", "--out", str(tmp_path), "--only", "nothing"]) == 2
    said = capsys.readouterr().err
    assert "--only nothing: no such figure" in said and said.count("\n") == 1
