"""ImageArchive: the folder or archive of images that an instructor hands out, decoded once into a cache.

Archives are read as streams: nothing in one is ever written under a name that it chose.
"""

import errno
import math
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Literal, NoReturn

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from project.datasets.cache import content_key, decoded_once, file_pieces
from project.datasets.damage import DAMAGED, damage
from project.datasets.source import Split, shape_words
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError
from project.support.progress import fraction_shown

SPLITS = ("train", "val", "test")
IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
MAX_IMAGE_BYTES = 100 * 10**6
GREY = ("1", "L", "LA")  # modes of Pillow

Files = Iterator[tuple[float, str, bytes]]  # share of the work that is done, path, content


class ImageArchive(TensorFolder):
    """Images in `train/<class>/*` and `val/<class>/*`, and if you like `test/<class>/*`, in a folder, zip or tar.

    Args:
        path: A folder, or a .zip, .tar, .tar.gz or .tar.xz file. A folder around the splits does no harm.
        image_size: Side of the square that every image is scaled to, in pixels; what is not square is cut at its long sides.
            By default the images keep their own size, which must be the same for all.
        mode: RGB, or L for grey. By default the images' own, which must be the same for all.

    Raises:
        UserError: There is no such file, an image cannot be read, a class is missing from a split, or the like.
    """

    def __init__(self, path: str, image_size: int | None = None, mode: Literal["RGB", "L"] | None = None):
        if image_size is not None and image_size < 1:
            raise UserError(f"data.source.image_size: {image_size} is no size; take 32, or another number of pixels")
        self.path, self.image_size, self.mode = Path(path).expanduser(), image_size, mode
        if not self.path.exists():
            raise UserError(f"data.source.path: {path}: no such file or folder")
        key = content_key(self._content(), image_size, mode)
        super().__init__(str(decoded_once(key, self._decode)))

    def _content(self) -> Iterator[bytes]:
        if not self.path.is_dir():
            yield from file_pieces(self.path)
            return
        for _, name, content in folder_files(self.path):
            yield f"{len(name)} {len(content)} {name}".encode()
            yield content

    def _decode(self, scratch: Path) -> tuple[list[str], dict[str, Split]]:
        """Names of the classes, and every split, mapped from a file in `scratch`: it need not fit in memory."""
        names: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}  # class, file
        first_name, shape = "", (0, 0, 0)
        with ExitStack() as stack:
            pixels = {split: stack.enter_context(open(scratch / split, "wb")) for split in SPLITS}
            show = stack.enter_context(fraction_shown(f"Decoding {self.path} (once)"))
            try:
                for done, name, content in files(self.path):
                    *_, split, class_name, file_name = ("", "", *PurePosixPath(name).parts)
                    if split in SPLITS:
                        image_HWC = self._pixels(name, content)
                        if not first_name:
                            first_name, shape = name, image_HWC.shape
                        if image_HWC.shape != shape:
                            self._differ(first_name, shape, name, image_HWC.shape)
                        pixels[split].write(image_HWC.tobytes())
                        names[split].append((class_name, file_name))
                    show(done)
            except DAMAGED as error:
                if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                    raise  # not the archive's fault
                raise UserError(f"{self.path}: cannot be read: {damage(error)}") from None
        classes = self._classes({split: {name for name, _ in found} for split, found in names.items()})
        return classes, {split: in_order(scratch / split, shape, one, classes) for split, one in names.items() if one}

    def _differ(self, one: str, shape: tuple[int, ...], other: str, different: tuple[int, ...]) -> NoReturn:
        """Refuse images that cannot lie in one tensor."""
        cures = ["image_size: 32, or another number of pixels"] if shape[:2] != different[:2] else []
        cures += ["mode: RGB, or L for grey"] if shape[2] != different[2] else []
        said = f"{one} is {shape_words(shape)}, but {other} is {shape_words(different)}"
        raise UserError(f"{self.path}: {said}; give data.source.{', and data.source.'.join(cures)}")

    def _classes(self, by_split: dict[str, set[str]]) -> list[str]:
        """The names of the classes, the same in every split."""
        for split in ("train", "val"):
            if not by_split[split]:
                expected = "expected train/<class>/* and val/<class>/*"
                raise UserError(f"{self.path}: no images in {split}/<class>/; {expected}")
        for split, names in by_split.items():
            if names and (different := names ^ by_split["train"]):
                name = min(different)
                has, lacks = ("train", split) if name in by_split["train"] else (split, "train")
                raise UserError(f"{self.path}: the class {name} has images in {has}/ but none in {lacks}/")
        return sorted(by_split["train"])

    def _pixels(self, name: str, content: bytes) -> np.ndarray:
        """uint8 (H, W, C) of an image file."""
        try:
            with Image.open(BytesIO(content)) as opened:
                image = ImageOps.exif_transpose(opened)
                if image.mode.startswith("I"):  # 16 bits a pixel: keep the upper 8
                    image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
                if "transparency" in image.info and image.mode == "P":
                    image = image.convert("RGBA")
                image = image.convert(self.mode or ("L" if image.mode in GREY else "RGB"))
                if side := self.image_size:
                    image = ImageOps.fit(image, (side, side), Image.Resampling.BICUBIC)
                return np.asarray(image).reshape(image.height, image.width, -1)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            said = "not an image" if isinstance(error, UnidentifiedImageError) else " ".join(str(error).split())
            raise UserError(f"{self.path}: {name} cannot be read: {said}; replace it or take it out") from None


def in_order(pixels: Path, shape: tuple[int, int, int], names: list[tuple[str, str]], classes: list[str]) -> Split:
    """A split from a file of its images' pixels, by class and file name: the same from every kind of container."""
    order = sorted(range(len(names)), key=names.__getitem__)
    count = len(names) * math.prod(shape)
    images_NHWC = torch.from_file(str(pixels), size=count, dtype=torch.uint8).view(-1, *shape)
    if order != list(range(len(names))):
        ordered = torch.from_file(str(pixels.with_suffix(".ordered")), shared=True, size=count, dtype=torch.uint8)
        ordered_NHWC = ordered.view(-1, *shape)
        for chunk, chosen in zip(ordered_NHWC.split(1000), torch.tensor(order).split(1000)):
            chunk.copy_(images_NHWC[chosen])
        images_NHWC = ordered_NHWC
    return Split(images_NHWC, torch.tensor([classes.index(names[number][0]) for number in order]))


def files(path: Path) -> Files:
    """The image files of a folder or archive. Raises UserError for another kind of file, DAMAGED where it cannot be read."""
    name = path.name.lower()
    if path.is_dir():
        return folder_files(path)
    if name.endswith(".zip"):
        return zip_files(path)
    if name.endswith((".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")):
        return tar_files(path)
    raise UserError(f"data.source.path: {path} is neither a folder nor a .zip, .tar, .tar.gz or .tar.xz file")


def folder_files(path: Path) -> Files:
    paths = sorted(entry for entry in path.rglob("*") if wanted(entry.relative_to(path).as_posix()) and entry.is_file())
    for number, entry in enumerate(paths, 1):
        yield number / len(paths), entry.relative_to(path).as_posix(), entry.read_bytes()


def zip_files(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir() and wanted(info.filename)]
        for number, info in enumerate(infos, 1):
            if info.flag_bits & 1:
                raise UserError(f"{path}: encrypted; save it without a password")
            with archive.open(info) as file:
                yield number / len(infos), info.filename, limited(path, info.filename, file.read(MAX_IMAGE_BYTES + 1))


def tar_files(path: Path) -> Files:
    size = max(1, path.stat().st_size)
    with open(path, "rb") as file, tarfile.open(fileobj=file) as archive:
        for info in archive:
            member = archive.extractfile(info) if info.isreg() and wanted(info.name) else None
            if member:  # links and devices are passed over
                content = member.read(MAX_IMAGE_BYTES + 1)
                yield min(1.0, file.tell() / size), info.name, limited(path, info.name, content)
        archive.fileobj.seek(archive.offset)
        if any(archive.fileobj.read(tarfile.BLOCKSIZE)) or archive.fileobj.tell() < archive.offset + tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends too early")  # tarfile itself passes over a cut between two files


def wanted(name: str) -> bool:
    """Whether a path is that of an image, and none of the hidden files that some systems add."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
    return name.lower().endswith(IMAGES) and not hidden


def limited(path: Path, name: str, content: bytes) -> bytes:
    if len(content) > MAX_IMAGE_BYTES:
        raise UserError(f"{path}: {name} is larger than {MAX_IMAGE_BYTES // 10**6} MB")
    return content
