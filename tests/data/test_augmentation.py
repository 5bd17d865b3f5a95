"""Augmentations: each image gets a draw of its own, and each draw is what the formula says."""

import math

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from project.augmentation import (
    ColorJitter,
    Cutout,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomRotation,
)
from project.support.errors import UserError

ALL = [RandomCrop, RandomHorizontalFlip, RandomAffine, RandomRotation, ColorJitter, Cutout]
NOTHING = [
    RandomCrop(0),
    RandomHorizontalFlip(0.0),
    RandomAffine(0.0),
    RandomRotation(0.0),
    ColorJitter(0.0),
    Cutout(0),
]


def photographs(n):
    """Smooth images of many colors."""
    noise_NCHW = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    smooth_NCHW = torch.nn.functional.interpolate(noise_NCHW, 32, mode="bicubic").clamp(0, 1)
    return (smooth_NCHW * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("augmentation", ALL)
def test_copies_of_one_image_become_different_images(augmentation):
    copies_NHWC = photographs(1).expand(64, -1, -1, -1)
    changed_NHWC = augmentation()(copies_NHWC, seeded())
    assert changed_NHWC.shape == copies_NHWC.shape and changed_NHWC.dtype == torch.uint8
    kinds = len({image.numpy().tobytes() for image in changed_NHWC})
    assert kinds == 2 if augmentation is RandomHorizontalFlip else kinds > 20


@pytest.mark.parametrize("augmentation", ALL)
def test_the_generator_decides_alone(augmentation):
    images_NHWC = photographs(16)
    state = torch.get_rng_state()
    first = augmentation()(images_NHWC, seeded())
    assert torch.equal(state, torch.get_rng_state()), "the global generator is left as it was"
    torch.manual_seed(99)
    assert torch.equal(first, augmentation()(images_NHWC, seeded()))
    assert not torch.equal(first, augmentation()(images_NHWC, seeded(1)))
    assert torch.equal(images_NHWC, photographs(16)), "the images themselves are not touched"


@pytest.mark.parametrize("augmentation", NOTHING)
def test_at_strength_0_nothing_changes(augmentation):
    images_NHWC = photographs(8)
    changed = augmentation(images_NHWC, seeded()).int()
    assert (changed - images_NHWC.int()).abs().max() <= 1  # rounding


def test_rotation_turns_by_an_angle_as_torchvision_does():
    images_NHWC = photographs(12)
    turned_NHWC = RandomRotation(20)(images_NHWC, seeded())
    angles_N = (torch.rand(12, generator=seeded()) * 2 - 1) * 20
    inner = slice(8, 24)  # away from the corners, which mirror here and are black there
    for image_HWC, turned_HWC, angle in zip(images_NHWC, turned_NHWC, angles_N.tolist()):
        expected = v2.rotate(image_HWC.permute(2, 0, 1), angle, InterpolationMode.BILINEAR).permute(1, 2, 0)
        difference = (turned_HWC.int() - expected.int())[inner, inner].abs().float().mean()
        assert difference < 1.5, angle
    assert angles_N.abs().max() > 10


def test_what_is_turned_keeps_its_shape_also_in_images_that_are_not_square():
    """The middle of a tall image is turned as the same square alone is."""
    square_NHWC = photographs(6)
    n, side = square_NHWC.shape[:2]
    tall_NHWC = torch.nn.functional.pad(square_NHWC, (0, 0, 0, 0, side // 2, side // 2))
    turned, expected = (RandomRotation(40)(images, seeded()).int() for images in (tall_NHWC, square_NHWC))
    inner, below = slice(12, 20), slice(side // 2 + 12, side // 2 + 20)
    assert (turned[:, below, inner] - expected[:, inner, inner]).abs().max() <= 1


def test_color_jitter_changes_brightness_contrast_and_saturation():
    grey_N111 = torch.tensor([100.0, 150.0]).view(2, 1, 1, 1)
    flat_NHWC = grey_N111.expand(2, 4, 4, 3).to(torch.uint8)
    changed = ColorJitter(0.3)(flat_NHWC, seeded())
    factors_3N = 1 + (torch.rand(3, 2, generator=seeded()) * 2 - 1) * 0.3
    assert changed[:, 0, 0, 0].tolist() == [round(v) for v in (factors_3N[0] * grey_N111.flatten()).tolist()]

    images_NHWC = photographs(32)
    changed = ColorJitter(0.3)(images_NHWC, seeded()).float()
    brightness, contrast, saturation = 1 + (torch.rand(3, 32, generator=seeded()) * 2 - 1) * 0.3
    grey = lambda x: x.float().mean(3)  # noqa: E731
    spread = grey(changed).std((1, 2)) / grey(images_NHWC).std((1, 2))
    assert (spread / (brightness * contrast) - 1).abs().median() < 0.02
    colorful = lambda x: (x.float() - x.float().mean(3, keepdim=True)).square().mean((1, 2, 3)).sqrt()  # noqa: E731
    assert (colorful(changed) / colorful(images_NHWC) / (brightness * contrast * saturation) - 1).abs().median() < 0.03


def test_cutout_fills_a_square_with_the_mean_color():
    image_HWC = torch.zeros(32, 32, 3, dtype=torch.uint8)
    image_HWC[::2] = 200
    changed = Cutout(8)(image_HWC.expand(500, -1, -1, -1), seeded())
    filled_NHW = (changed == 100).all(3)
    areas = filled_NHW.sum((1, 2))
    assert areas.max() == 64 and areas.min() >= 16, "a quarter of the square at least is in the image"
    assert areas.float().mean().item() == pytest.approx(7.5**2, rel=0.03)  # the mean overlap along a side
    assert torch.equal(changed[~filled_NHW], image_HWC.expand(500, -1, -1, -1)[~filled_NHW])


@pytest.mark.parametrize(
    "wrong",
    [
        *(lambda: RandomRotation(200), lambda: ColorJitter(1.5), lambda: Cutout(-1), lambda: RandomAffine(1.0)),
        *(lambda: RandomCrop(-1), lambda: RandomHorizontalFlip(math.inf)),
    ],
)
def test_values_out_of_range_are_told(wrong):
    with pytest.raises(UserError, match="data.augmentation"):
        wrong()
