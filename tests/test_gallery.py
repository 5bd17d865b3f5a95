"""The gallery: every figure is drawn, from what the code really does."""

import pytest
from PIL import Image

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
    assert len(losses) == 12 and all(len(training) == len(validation) == 1 for training, validation in losses)
    assert len({training[0] for training, _ in losses}) >= 10, "each of them changes something"
    with Image.open(tmp_path / "regularizers.png") as drawn:
        assert drawn.width >= 900


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
