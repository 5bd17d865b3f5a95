"""The gallery: every figure is drawn, from what the code really does."""

import pytest
from PIL import Image
from torch import nn

from main import main
from project.studies import gallery_figures as figures
from project.studies.gallery import GALLERY
from project.studies.gallery_figures import SCHEDULES, configured


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GALLERY if name != "regularizers"])
def test_a_figure_is_drawn(name, tmp_path, capsys):
    assert main(["gallery", "--out", str(tmp_path), "--only", name]) == 0
    with Image.open(tmp_path / f"{name}.png") as drawn:
        assert drawn.width >= 900 and len(drawn.convert("RGB").getcolors(10**6)) > 20
    assert f"[1/1] {tmp_path / name}.png" in capsys.readouterr().out


@pytest.mark.slow
def test_the_regularizers_figure_trains_with_each_of_them(tmp_path, monkeypatch):
    train, losses = figures.train, []

    def train_for_an_epoch(classifier, data, epochs):
        losses.append(train(classifier, data, 1))
        return losses[-1]

    monkeypatch.setattr(figures, "train", train_for_an_epoch)
    figures.regularizers(tmp_path / "regularizers.png")
    assert len(losses) == 12 * figures.REGULARIZED_SEEDS and all(
        len(training) == len(validation) == 1 for training, validation in losses
    )
    assert len({training[0] for training, _ in losses}) >= 10, "each of them changes something"
    with Image.open(tmp_path / "regularizers.png") as drawn:
        assert drawn.width >= 900


def test_the_row_called_xavier_is_the_formula_and_the_other_has_its_gain():
    """A deep tanh network's signal: 0.23 at the tenth layer by the formula alone."""
    images_NCHW, labels_N = figures.labelled_images(50)
    tenth = {
        type(start): figures.fresh_layers(images_NCHW, labels_N, nn.Tanh, start, 10, 256).signals()[9]
        for start in (figures.PlainXavier(), figures.Xavier())
    }
    assert 0.18 < tenth[figures.PlainXavier] < 0.28 and 0.6 < tenth[figures.Xavier] < 0.7


def test_a_spread_is_one_number_where_there_is_no_other_to_tell():
    assert figures.spread([0.971, 0.969]) == "0.97" and figures.spread([0.29, 0.304]) == "0.29 to 0.3"


def test_every_schedule_is_shown():
    from pathlib import Path

    import yaml

    overlays = [path for path in Path("configs/optimization").glob("*.yaml") if path.stem != "default"]
    scheduling = {path.stem for path in overlays if "scheduler" in yaml.safe_load(path.read_text())["model"]}
    assert scheduling == set(SCHEDULES)
    assert configured("constant").scheduler is None
    assert configured("step").scheduler.keywords.items() >= {"step_size": 5, "gamma": 0.33}.items()


def test_an_unknown_figure_is_one_line(tmp_path, capsys):
    assert main(["gallery", "--out", str(tmp_path), "--only", "nothing"]) == 2
    said = capsys.readouterr().err
    assert "--only nothing: no such figure" in said and said.count("\n") == 1
