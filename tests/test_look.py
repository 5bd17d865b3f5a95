"""A look at the data: numbers that can be counted by hand, and a picture of every class."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from main import main
from project.datasets.source import Split
from project.datasets.tensor_folder import TensorFolder
from project.studies.look import CLASSES, COLUMNS, GAP, mosaic, repetitions
from tests.data.test_tables import drawn, folder_of, written


@pytest.fixture
def known(tmp_path):
    """Ten images each of cat and dog to train, of which the last is the first again, called a dog; two to validate."""
    images_NHWC = torch.arange(20, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 4, 4, 1)
    images_NHWC[19] = images_NHWC[0]
    train = Split(images_NHWC, torch.tensor([0] * 10 + [1] * 10))
    val = Split(torch.stack([images_NHWC[3], images_NHWC[3] + 100]), torch.tensor([0, 1]))
    TensorFolder.write(tmp_path, ["cat", "dog"], {"train": train, "val": val, "test": (val.images_NHWC, None)})
    return ["--data.source", "TensorFolder", "--data.source.path", str(tmp_path), "--out", str(tmp_path / "look")]


def test_the_numbers_are_what_can_be_counted(known, tmp_path, capsys):
    assert main(["look", *known]) == 0
    said = capsys.readouterr().out
    numbers = json.loads((tmp_path / "look" / "numbers.json").read_text())
    train, val = numbers["splits"]["train"], numbers["splits"]["val"]
    assert numbers["shape"] == [4, 4, 1] and "2 classes, images 4x4 grey" in said
    assert (train["images"], train["by_class"]) == (20, {"cat": 10, "dog": 10})
    pixels = np.array([*range(19), 0]) / 255
    assert train["mean"] == pytest.approx([pixels.mean()]) and train["std"] == pytest.approx([pixels.std()])
    assert (train["repeated"], train["repeated_otherwise"], val["repeated"]) == (1, 1, 0)
    assert numbers["shared"] == {"train, val": 1, "train, test": 1, "val, test": 2}
    assert "1 of the val images are in train, too" in said and numbers["splits"]["test"]["by_class"] == {}


def test_every_image_that_comes_again_is_counted():
    assert repetitions([b"a", b"b", b"a", b"a", b"c", b"b"], [0, 1, 0, 1, 2, 1]) == (3, 1)
    assert repetitions([], []) == (0, 0)


def test_the_picture_has_a_row_for_each_class_and_a_block_for_augmentation(known, tmp_path):
    assert main(["look", *known]) == 0
    with Image.open(tmp_path / "look" / "images.png") as plain:
        alone = plain.size
    assert main(["look", *known, "--data.augmentation", "Cutout"]) == 0
    with Image.open(tmp_path / "look" / "images.png") as both:
        assert both.width > 1.5 * alone[0] and both.height == alone[1]


def test_a_mosaic_shows_each_image_in_its_class_s_row():
    images_NHWC = torch.arange(5, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 3)
    picture = mosaic(images_NHWC, [2, 3])
    assert picture.shape == (2 * 3 + GAP, COLUMNS * 2 + (COLUMNS - 1) * GAP, 3)
    at = [[int(picture[row * (3 + GAP), column * (2 + GAP), 0]) for column in range(COLUMNS)] for row in range(2)]
    assert at == [[0, 1, 255, 255, 255, 255], [2, 3, 4, 255, 255, 255]]


def test_a_table_with_many_classes_is_looked_at_with_the_configuration_s_augmentation(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FIFTEEN_EPOCHS_CACHE", str(tmp_path / "cache"))
    folder = folder_of(tmp_path, train=written(*drawn(120, 64, CLASSES + 4)))
    config = ["--config", "configs/recipes/photographs.yaml", "--config", "configs/data/table.yaml"]
    assert main(["look", *config, "--data.source.path", str(folder), "--out", str(tmp_path / "look")]) == 0
    assert "24 classes, images 8x8 grey" in capsys.readouterr().out
    assert json.loads((tmp_path / "look" / "numbers.json").read_text())["splits"]["val"]["images"] == 24


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no data named"),
        (["--data.source", "ImageTable"], "name the folder of the tables"),
        (["--data.source", "Glyph"], "data.source"),
        (["--data.source", "Glyphs", "--data.batch_size", "zero"], "batch_size"),
        (["--config", "absent.yaml"], "absent.yaml: no such file"),
        (
            ["--data.source", "Glyphs", "--data.source.train", "20", "--out", "main.py"],
            "--out main.py: cannot be written",
        ),
    ],
)
def test_what_is_wrong_is_one_line(arguments, said, capsys):
    assert main(["look", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
