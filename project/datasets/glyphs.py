"""Glyphs, the embedded dataset: the letters A to J in 21 fonts, drawn on 32x32 colour images. Nothing is downloaded.

Everything is drawn in integers, from a random stream that numpy never changes: a seed gives the same images everywhere.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from project.datasets.source import Source, Split
from project.support.errors import UserError

LETTERS = "ABCDEFGHIJ"
FONTS = (  # that matplotlib ships
    *(f"DejaVu{kind}" for kind in ("Sans", "Sans-Bold", "Sans-Oblique", "Sans-BoldOblique")),
    *(f"DejaVu{kind}" for kind in ("SansMono", "SansMono-Bold", "SansMono-Oblique", "SansMono-BoldOblique")),
    *(f"DejaVu{kind}" for kind in ("Serif", "Serif-Bold", "Serif-Italic", "Serif-BoldItalic")),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmmi10", "cmss10", "cmtt10"),
)
SIZE = 32  # pixels of an image's side, and of a stencil's
ONE = 256  # 1.0 in fixed point
CHUNK = 500  # images drawn at once: what fits a processor's cache


class Glyphs(Source):
    """Each image shows one letter: warped, in random colours, in front of a part of another letter, under noise.

    Args:
        train: Number of training images.
        val: Number of validation images.
        test: Number of test images.
        seed: Another seed draws other images of the same kind, >= 0.
        warp: How far letters are scaled, sheared, turned and shifted, in [0, 1].
        clutter: Contrast of the letter behind, as a share of the contrast of the one that counts, in [0, 1].
        noise: Amplitude of each pixel's noise, as a share of half the range of values, in [0, 1].
        dark: Share of the letters that are darker than their ground, in [0, 1]; the others are lighter.
    """

    classes = list(LETTERS)
    splits = ("train", "val", "test")

    def __init__(
        self,
        train: int = 2000,
        val: int = 1000,
        test: int = 2000,
        seed: int = 0,
        warp: float = 1.0,
        clutter: float = 0.5,
        noise: float = 0.2,
        dark: float = 0.0,
    ):
        self.sizes = {"train": train, "val": val, "test": test}
        for name, value in {**self.sizes, "seed": seed}.items():
            if value < (least := 0 if name == "seed" else len(LETTERS)):
                raise UserError(f"data.source.{name}: {value} is too few; take {least} or more")
        for name, share in {"warp": warp, "clutter": clutter, "noise": noise, "dark": dark}.items():
            if not 0 <= share <= 1:
                raise UserError(f"data.source.{name}: {share} is not between 0 and 1")
        self.seed, self.warp, self.clutter, self.noise, self.dark = seed, warp, clutter, noise, dark

    def load(self, split: str) -> Split:
        number = self.splits.index(split)
        random = np.random.RandomState([self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, number])
        labels_N = random.permutation(np.arange(self.sizes[split]) % len(LETTERS))
        chunks = [labels_N[start : start + CHUNK] for start in range(0, len(labels_N), CHUNK)]
        return Split(torch.cat([self.draw(labels, random) for labels in chunks]), torch.from_numpy(labels_N).long())

    def draw(self, labels_N: np.ndarray, random: np.random.RandomState) -> Tensor:
        """Images (N, 32, 32, 3), uint8, of letters (N,)."""
        n = len(labels_N)

        def uniform(low: int, high: int, *shape: int) -> Tensor:
            return torch.from_numpy(random.randint(low, high + 1, (n, *shape), dtype=np.int32))

        def stencils(letters_N: Tensor, shift: int) -> Tensor:
            """Coverage (N, 32, 32), 0 to ONE, of letters in random fonts, each under a warp of its own."""
            fonts_N = uniform(0, len(FONTS) - 1).long()
            spread = round(self.warp * 0.45 * ONE)
            matrix_N22 = uniform(-spread, spread, 2, 2) + torch.tensor([[ONE, 0], [0, ONE]], dtype=torch.int32) * 7 // 5
            return warped(letter_stencils()[letters_N * len(FONTS) + fonts_N], matrix_N22, uniform(-shift, shift, 2))

        reach = round(self.warp * 6 * ONE)
        letters_NHW = stencils(torch.from_numpy(labels_N), reach)
        behind_NHW = stencils(uniform(0, len(LETTERS) - 1).long(), 10 * ONE)

        ground_N3 = uniform(70, 185, 3)
        darker_N = uniform(0, ONE - 1) < round(self.dark * ONE)
        contrast_N3 = (1 - 2 * darker_N.int())[:, None] * (uniform(50, 110)[:, None] + uniform(-30, 30, 3))
        other_N3 = (uniform(0, 1) * 2 - 1)[:, None] * (uniform(50, 110)[:, None] + uniform(-30, 30, 3))
        other_N3 = other_N3 * round(self.clutter * ONE) // ONE
        slope_N113, slant_N113 = uniform(-2, 2, 2, 3)[:, :, None, None].unbind(1)  # of the ground, down and across

        ramp = torch.arange(SIZE, dtype=torch.int32) - SIZE // 2
        images_NHW3 = ground_N3[:, None, None] + ramp[:, None, None] * slope_N113 + ramp[:, None] * slant_N113
        images_NHW3 += behind_NHW[..., None] * other_N3[:, None, None] // ONE
        images_NHW3 += letters_NHW[..., None] * contrast_N3[:, None, None] // ONE
        grain = torch.frombuffer(bytearray(random.bytes(images_NHW3.numel())), dtype=torch.uint8).view_as(images_NHW3)
        images_NHW3 += (grain.int() - 128) * round(self.noise * ONE) // ONE
        return images_NHW3.clamp_(0, 255).to(torch.uint8)


def warped(stencils_NHW: Tensor, matrix_N22: Tensor, shift_N2: Tensor) -> Tensor:
    """Stencils seen through an affine map, bilinear, in fixed point.

    Args:
        stencils_NHW: Coverage, int32 (N, 32, 32).
        matrix_N22: Steps in the stencil for a step in the image (rows x, y), in units of 1 / ONE.
        shift_N2: Shift of the stencil (x, y) in its pixels, in units of 1 / ONE.
    """
    padded = torch.nn.functional.pad(stencils_NHW, (1, 2, 1, 2))
    side = padded.shape[-1]
    pixel = torch.arange(SIZE, dtype=torch.int32) * 2 - (SIZE - 1)  # twice the distance from the centre
    across, down = pixel.view(1, 1, SIZE), pixel.view(1, SIZE, 1)
    weights, index = [], torch.arange(len(padded), dtype=torch.int32).view(-1, 1, 1) * side**2
    for axis, stride in ((0, 1), (1, side)):
        step_x, step_y = matrix_N22[:, axis, :, None, None].unbind(1)
        position = (across * step_x + down * step_y) // 2 + shift_N2[:, axis, None, None]
        position = (position + (SIZE + 1) * ONE // 2).clamp_(0, (side - 2) * ONE)
        weights.append(position & (ONE - 1))
        index = index + (position >> 8) * stride
    right, low = weights
    flat, index = padded.view(-1), index.long()
    top = flat[index] * (ONE - right) + flat[index + 1] * right
    bottom = flat[index + side] * (ONE - right) + flat[index + side + 1] * right
    return (top * (ONE - low) + bottom * low) // ONE**2


@cache
def letter_stencils() -> Tensor:
    """Coverage of every letter in every font, int32 (letters * fonts, 32, 32), 0 to ONE; row letter * fonts + font."""
    import matplotlib
    from matplotlib.ft2font import FT2Font, LoadFlags

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    # Before 3.11, matplotlib squeezes outlines to an eighth of their width.
    unsqueezed: dict[str, Any] = {"hinting_factor": 1} if matplotlib.__version_info__ < (3, 11) else {}
    fonts = [FT2Font(str(folder / f"{name}.ttf"), **unsqueezed) for name in FONTS]
    drawn = []
    for letter in LETTERS:
        for font in fonts:
            font.load_char(ord(letter), LoadFlags.NO_SCALE)
            drawn.append(filled(*font.get_path()))
    return torch.from_numpy(np.stack(drawn))


def filled(vertices: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The inside of an outline, fitted to a square of SIZE pixels: coverage (SIZE, SIZE), int32, 0 to ONE."""
    samples = 4 * SIZE
    edges = segments(vertices, codes)
    low, high = edges.min((0, 1)), edges.max((0, 1))
    edges = (edges - (low + high) / 2) / (high - low).max() * samples * 0.999 + samples / 2
    (x0, y0), (x1, y1) = edges[:, 0].T, edges[:, 1].T
    rows = np.arange(samples)[:, None] + 0.5
    crossed = (np.minimum(y0, y1) <= rows) & (rows < np.maximum(y0, y1))
    row, edge = np.nonzero(crossed)
    column = x0[edge] + (row + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    winding = np.zeros((samples, samples + 1), np.int32)
    first_right = np.ceil(column - 0.5).astype(int).clip(0, samples)
    np.add.at(winding, (row, first_right), np.sign(y1 - y0).astype(np.int32)[edge])
    inside = winding.cumsum(1)[::-1, :samples] != 0  # outlines have y upwards
    return inside.reshape(SIZE, 4, SIZE, 4).sum((1, 3), dtype=np.int32) * ONE // 16


def segments(vertices: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """An outline of lines and quadratic curves as straight segments (S, 2 ends, 2 coordinates)."""
    from matplotlib.path import Path as Outline

    found = []
    curves: Iterable[Any] = Outline(vertices, codes).iter_bezier(simplify=False)  # pairs, unlike what its stub says
    for curve, code in curves:
        if code != Outline.MOVETO:
            points = curve(np.linspace(0, 1, 2 if code in (Outline.LINETO, Outline.CLOSEPOLY) else 9))
            found.append(np.stack([points[:-1], points[1:]], 1))
    return np.concatenate(found)
