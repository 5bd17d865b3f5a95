"""The images on the pages: each a file of the site's, once, however many submissions mistake it."""

from pathlib import Path

from PIL import Image
from safetensors import safe_open

from grader.secret import Secret


def write_picture(folder: Path, images: Path, secret: Secret, scoring: str, index: int) -> str:
    """Write one of the `images` that scored as a PNG into a folder, unless it is there, and return its file's name.

    Only this one is read, without torch, from what project.datasets.tensor_folder.TensorFolder wrote.
    """
    name = f"{drawn_name(secret, scoring, index)}.png"
    if not (folder / name).exists():
        with safe_open(images, "numpy") as file:
            image_HWC = file.get_slice("images")[index : index + 1][0]
        image = image_HWC[:, :, 0] if image_HWC.shape[2] == 1 else image_HWC
        Image.fromarray(image).save(folder / name, compress_level=1)
    return name


def drawn_name(secret: Secret, scoring: str, index: int) -> str:
    """A name that tells nothing of the image's place: students' programs are shown the images in that order."""
    return secret.digest("picture", scoring, index)[:8].hex()
