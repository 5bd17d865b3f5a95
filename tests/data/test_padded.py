"""Windows of padded images: exactly the shifted and mirrored images."""

import pytest
import torch
from torch.nn import functional as F

from project.support.errors import UserError
from project.support.padded_images import PaddedImages

IMAGES = torch.randint(0, 256, (6, 9, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mirrors", [False, True])
@pytest.mark.parametrize("margin", [0, 1, 4, 6])
def test_every_window_is_the_shifted_image(margin, mirrors):
    padded = PaddedImages(IMAGES, margin, mirrors)
    around = F.pad(IMAGES.permute(0, 3, 1, 2).float(), (margin,) * 4, mode="reflect").permute(0, 2, 3, 1).byte()
    for rows in range(-margin, margin + 1, 2):
        for columns in range(-margin, margin + 1, 3):
            for side in range(1 + mirrors):
                shift_2N = torch.tensor([[rows], [columns]]).expand(2, 6)
                got = padded.gather(torch.arange(6), shift_2N, torch.full((6,), side))
                expected = around.flip(2) if side else around
                top, left = margin + rows, margin + columns
                assert torch.equal(got, expected[:, top : top + 9, left : left + 7])


def test_images_that_lie_in_another_order_in_memory_are_taken_as_they_are():
    transposed = IMAGES.permute(0, 2, 1, 3)
    still = torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    assert torch.equal(PaddedImages(transposed).gather(torch.tensor([4, 1]), *still), transposed[[4, 1]])
    assert torch.equal(PaddedImages(IMAGES[2:]).gather(torch.tensor([0, 3]), *still), IMAGES[[2, 5]])


def test_without_margin_and_mirrors_nothing_is_copied():
    assert PaddedImages(IMAGES).windows.data_ptr() == IMAGES.data_ptr()


def test_a_margin_as_large_as_the_image_is_told():
    with pytest.raises(UserError, match="RandomCrop"):
        PaddedImages(IMAGES, 7)
