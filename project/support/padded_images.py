"""Images with mirrored margins, from which shifted and flipped images are gathered in one operation."""

import torch
from torch import Tensor

from project.support.errors import UserError


class PaddedImages:
    """Holds uint8 images (N, H, W, C) with a margin on each side and, if they are to be flipped, their mirror images.

    A shifted image is then a window of what lies in memory, and a flipped one a window of the mirror image: pixels are only
    copied. It takes (1 + 2 margin / H)(1 + 2 margin / W) times the images' memory, twice that with mirror images.

    Args:
        images_NHWC: On any device; their copy lies there, too.
        margin: Largest shift in pixels, >= 0. The margin mirrors the image without repeating the edge itself.
        mirrors: Whether images are to be flipped left to right.

    Raises:
        UserError: The margin is not smaller than the image.
    """

    def __init__(self, images_NHWC: Tensor, margin: int = 0, mirrors: bool = False):
        n, h, w, c = images_NHWC.shape
        if margin >= min(h, w):
            raise UserError(f"data.augmentation: RandomCrop's padding {margin} is not smaller than images of {h}x{w}")
        self.margin, self.row_shape = margin, (w, c)
        rows, columns = h + 2 * margin, w + 2 * margin
        if margin or mirrors or not images_NHWC.is_contiguous():
            sides = torch.empty(1 + mirrors, n, rows, columns, c, dtype=torch.uint8, device=images_NHWC.device)
            fill_with_margin(sides[0], images_NHWC, margin)
            if mirrors:
                sides[1] = sides[0].flip(2)
        else:
            sides = images_NHWC[None]
        # windows[mirrored, image, row, column] is the image whose upper left corner lies there, each row of its pixels in
        # one piece.
        self.windows = sides.as_strided(
            (1 + mirrors, n, 2 * margin + 1, 2 * margin + 1, h, w * c),
            (n * rows * columns * c, rows * columns * c, columns * c, c, columns * c, 1),
            sides.storage_offset(),
        )

    def gather(self, numbers_N: Tensor, shift_2N: Tensor, mirrored_N: Tensor) -> Tensor:
        """Images of these numbers (N, H, W, C), uint8; shifts (rows, columns) in [-margin, margin], mirrored 0 or 1."""
        row_N, column_N = shift_2N + self.margin
        return self.windows[mirrored_N, numbers_N, row_N, column_N].unflatten(2, self.row_shape)


def fill_with_margin(padded_NHWC: Tensor, images_NHWC: Tensor, margin: int) -> None:
    """Copy images into the middle of larger ones, and surround them with their mirrored edges."""
    _, h, w, _ = images_NHWC.shape
    padded_NHWC[:, margin : margin + h, margin : margin + w] = images_NHWC
    for dimension, length in ((1, h), (2, w)):
        first, last = margin, margin + length - 1
        for distance in range(1, margin + 1):
            padded_NHWC.select(dimension, first - distance).copy_(padded_NHWC.select(dimension, first + distance))
            padded_NHWC.select(dimension, last + distance).copy_(padded_NHWC.select(dimension, last - distance))
