"""Glyphs: the same on every machine, balanced, fresh for a new seed."""

import hashlib

import pytest
import torch

from project.datasets.glyphs import FONTS, LETTERS, ONE, Glyphs, letter_stencils
from project.support.errors import UserError


def digest(tensor):
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()[:16]


def test_the_images_are_the_same_on_every_machine():
    """A change of these digests changes everybody's dataset."""
    assert digest(letter_stencils()) == "a947ecd431229dad"
    images_NHWC, labels_N = Glyphs(train=600, warp=0.7, clutter=0.5, noise=0.5, dark=0.3).load("train")
    assert digest(images_NHWC) == "28bdcdda50d8154f"
    assert digest(labels_N) == "eec8664f805bbfb8"


def test_shapes_and_balance():
    source = Glyphs(train=105, val=30, test=20)
    assert source.splits == ("train", "val", "test") and source.classes == list("ABCDEFGHIJ")
    images_NHWC, labels_N = source.load("train")
    assert images_NHWC.shape == (105, 32, 32, 3) and images_NHWC.dtype == torch.uint8
    counts = labels_N.bincount()
    assert counts.min() == 10 and counts.max() == 11


def test_every_draw_is_another_one():
    """No image comes twice, neither in a split, nor in another, nor with another seed."""
    drawn = [Glyphs(train=600, val=100, test=100, seed=seed) for seed in (0, 1, 2**40)]
    images = [image.numpy().tobytes() for source in drawn for split in source.splits for image in source.load(split)[0]]
    assert len(set(images)) == len(images) == 2400


def test_loading_twice_gives_the_same():
    source = Glyphs(train=50, val=50, test=50)
    assert torch.equal(source.load("val").images_NHWC, source.load("val").images_NHWC)


def test_every_font_has_ten_different_letters():
    stencils = letter_stencils()
    assert stencils.shape == (len(LETTERS) * len(FONTS), 32, 32)
    assert stencils.min() == 0 and stencils.max() == ONE
    for font in range(len(FONTS)):
        assert len({stencil.numpy().tobytes() for stencil in stencils[font :: len(FONTS)]}) == len(LETTERS)
    filled = stencils.sum((1, 2)) / ONE / 32**2
    assert filled.min() > 0.04 and filled.max() < 0.75


def test_without_warp_clutter_and_noise_the_letter_is_all_there_is():
    """Then a pixel has the ground's colour or the letter's, but for the ground's slope and the letter's edge."""
    images_NHWC, _ = Glyphs(train=10, warp=0, clutter=0, noise=0).load("train")
    for image_HWC in images_NHWC:
        corner, centre = image_HWC[0, 0].int(), image_HWC[8:24, 8:24].int()
        assert (centre - corner).abs().amax() > 40


@pytest.mark.parametrize("dark", [0.0, 0.3, 1.0])
def test_so_many_letters_are_darker_than_their_ground(dark):
    images_NHWC, _ = Glyphs(train=500, warp=0, clutter=0, noise=0, dark=dark).load("train")
    grey_NHW = images_NHWC.float().mean(-1)
    ground_N, centre_NHW = grey_NHW[:, 0, 0], grey_NHW[:, 8:24, 8:24]
    darker_N = ground_N - centre_NHW.amin((1, 2)) > centre_NHW.amax((1, 2)) - ground_N
    assert darker_N.float().mean().item() == pytest.approx(dark, abs=0.07)


@pytest.mark.parametrize("arguments", [{"train": 3}, {"noise": 1.5}, {"warp": -0.1}, {"dark": 2}, {"seed": -1}])
def test_values_out_of_range_are_told(arguments):
    with pytest.raises(UserError, match=f"data.source.{next(iter(arguments))}"):
        Glyphs(**arguments)
