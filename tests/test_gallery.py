"""The gallery: every figure is drawn, from what the code really does."""

import pytest
from PIL import Image

from main import main
from project.studies.gallery import GALLERY, SCHEDULES, configured


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GALLERY if name != "regularizers"])
def test_a_figure_is_drawn(name, tmp_path, capsys):
    assert main(["gallery", "--out", str(tmp_path), "--only", name]) == 0
    with Image.open(tmp_path / f"{name}.png") as drawn:
        assert drawn.width >= 900 and len(drawn.convert("RGB").getcolors(10**6)) > 20
    assert f"[1/1] {tmp_path / name}.png" in capsys.readouterr().out


@pytest.mark.slow
def test_the_regularizers_figure_trains_with_each_of_them(tmp_path, monkeypatch):
    import project.studies.gallery as gallery

    seen = {}
    monkeypatch.setattr(gallery.figures, "draw_regularizers", lambda curves, path: seen.update(curves))
    train = gallery.train
    monkeypatch.setattr(gallery, "train", lambda classifier, data, epochs: train(classifier, data, 1))
    gallery.regularizers(tmp_path)
    assert len(seen) == 12 and all(len(train) == len(val) == 1 for train, val in seen.values())
    assert len({train[0] for train, _ in seen.values()}) >= 10, "each of them changes something"


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
