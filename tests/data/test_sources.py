"""Stratified splits, tensor folders, and torchvision's datasets without a network."""

import pytest
import torch

from project.datasets.downloaded import CIFAR10, FashionMNIST
from project.datasets.source import Split, stratified_split
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError


def test_a_stratified_split_has_every_class_in_its_share():
    labels_N = torch.tensor([0] * 500 + [1] * 300 + [2] * 200)[
        torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    ]
    rest, part = stratified_split(labels_N, 100, seed=3)
    assert labels_N[part].bincount().tolist() == [50, 30, 20]
    assert sorted(torch.cat([rest, part]).tolist()) == list(range(1000))
    assert torch.equal(part, stratified_split(labels_N, 100, seed=3)[1])
    assert not torch.equal(part, stratified_split(labels_N, 100, seed=4)[1])


@pytest.mark.parametrize("size", [1, 7, 50, 99])
def test_a_stratified_split_has_the_size_asked_for(size):
    labels_N = torch.arange(100) % 7
    assert len(stratified_split(labels_N, size, seed=0)[1]) == size


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_class_of_several_is_on_both_sides_of_a_split_where_its_size_allows(share):
    labels_N = torch.tensor([0] * 80 + [1, 1, 2, 2, 3, 3, 4])
    rest, part = stratified_split(labels_N, round(share * len(labels_N)), seed=3)
    assert {0, 1, 2, 3} <= set(labels_N[part].tolist()) and {0, 1, 2, 3} <= set(labels_N[rest].tolist())
    assert len(part) == round(share * len(labels_N)) and len(rest) + len(part) == len(labels_N)


def test_tensor_folder_gives_back_what_was_written(tmp_path):
    split = Split(torch.randint(0, 256, (5, 4, 4, 3), dtype=torch.uint8), torch.arange(5))
    TensorFolder.write(tmp_path, ["a", "b"], {"train": split, "test": (split.images_NHWC, None)})
    source = TensorFolder(str(tmp_path))
    assert source.classes == ["a", "b"] and source.splits == ("train", "test")
    assert all(torch.equal(*pair) for pair in zip(source.load("train"), split))
    assert source.load("test").labels_N.tolist() == [-1] * 5
    with pytest.raises(UserError, match="no folder of tensors"):
        TensorFolder(str(tmp_path / "absent"))


class Torchvision:
    """Stands in for a dataset of torchvision that is already there."""

    def __init__(self, grey):
        self.data = torch.randint(0, 256, (40, 28, 28) if grey else (40, 32, 32, 3), dtype=torch.uint8)
        self.targets = [i % 10 for i in range(40)]


@pytest.mark.parametrize(("source", "grey"), [(CIFAR10, False), (FashionMNIST, True)])
def test_torchvision_s_test_images_are_halved_by_class(source, grey, monkeypatch):
    there = Torchvision(grey)
    monkeypatch.setattr(source, "open", lambda self, train: there)
    made = source()
    assert made.load("train").images_NHWC.shape == ((40, 28, 28, 1) if grey else (40, 32, 32, 3))
    val, test = made.load("val"), made.load("test")
    assert val.labels_N.bincount().tolist() == test.labels_N.bincount().tolist() == [2] * 10
    images = {image.numpy().tobytes() for split in (val, test) for image in split.images_NHWC}
    assert len(images) == 40, "no image is in both"


@pytest.mark.parametrize("source", [CIFAR10, FashionMNIST])
def test_without_a_network_one_line_says_what_to_do(source, monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise OSError("Name or service\nnot known")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(UserError) as error:
        source(root=str(tmp_path)).load("train")
    said = str(error.value)
    assert "\n" not in said and str(tmp_path) in said and source.files in said and "Glyphs" in said
