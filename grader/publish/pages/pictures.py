"""The images on the pages: each a file of the site's, once, however many submissions mistake it."""

import hashlib
import hmac
import io
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open


class Pictures:
    """Images that scored, as PNG files in one folder.

    Args:
        results: The results folder.
        folder: Where the files go; there already.
        secret: Of the results folder; names are drawn from it.
    """

    def __init__(self, results: Path, folder: Path, secret: int):
        self.results, self.folder, self.secret = results, folder, secret
        self.names: dict[tuple[str, int], str] = {}

    def name(self, scoring: str, index: int) -> str | None:
        """Write an image, if that is not done yet, and return its file's name; None where the images are gone.

        Args:
            scoring: The folder of the images that scored, below the results folder.
            index: The image's place among them.
        """
        if (scoring, index) not in self.names:
            images = self.results / scoring / "test.safetensors"
            if not images.exists():
                return None
            self.names[scoring, index] = name = f"{drawn_name(self.secret, scoring, index)}.png"
            if not (self.folder / name).exists():  # else by another process that writes pages
                (self.folder / name).write_bytes(as_png(read_image(images, index)))
        return self.names[scoring, index]


def drawn_name(secret: int, scoring: str, index: int) -> str:
    """A name that tells nothing of the place, for in this order students' programs are shown the images."""
    return hmac.digest(str(secret).encode(), f"{scoring} {index}".encode(), hashlib.sha256)[:8].hex()


def read_image(images: Path, index: int) -> np.ndarray:
    """One image (H, W, C), uint8, of a file that project.datasets.tensor_folder.TensorFolder wrote; without torch, and without the others."""
    with safe_open(images, "numpy") as file:
        return file.get_slice("images")[index : index + 1][0]


def as_png(image_HWC: np.ndarray) -> bytes:
    """A PNG of an image (H, W, C), uint8, C 1 or 3."""
    file = io.BytesIO()
    Image.fromarray(image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC).save(file, "PNG", compress_level=1)
    return file.getvalue()
