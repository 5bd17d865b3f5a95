"""ImageArchive: the same images from every container, one line for whatever is wrong, a cache that survives."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from project.datasets.cache import cache_folder, remove_remains
from project.datasets.image_archive import ImageArchive
from project.support.errors import UserError
from tests.data.test_tables import packed_by_deflate64

SHARED = Path(__file__).parents[3] / "shared" / "data" / "cifar10.tar.xz"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIFTEEN_EPOCHS_CACHE", str(tmp_path / "cache"))


def encoded(pixels, kind="PNG", **options):
    file = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(file, kind, **options)
    return file.getvalue()


def some_files(size=32):
    """Three images for each of two classes in each split, by path."""
    random = np.random.RandomState(0)
    return {
        f"{split}/{name}/{number}.png": encoded(random.randint(0, 256, (size, size, 3), dtype=np.uint8))
        for split in ("train", "val", "test")
        for name in ("dog", "cat")
        for number in range(3)
    }


def write(path, files, prefix=""):
    """Write files as the container that the path's ending names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as container:
            for name, content in files.items():
                container.writestr(prefix + name, content)
    elif ".tar" in path.name:
        with tarfile.open(path, f"w:{path.suffix[1:] if path.suffix != '.tar' else ''}") as container:
            for name, content in files.items():
                info = tarfile.TarInfo(prefix + name)
                info.size = len(content)
                container.addfile(info, io.BytesIO(content))
    else:
        for name, content in files.items():
            (path / prefix / name).parent.mkdir(parents=True, exist_ok=True)
            (path / prefix / name).write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["folder", "a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
@pytest.mark.parametrize("prefix", ["", "around/"])
def test_every_container_gives_the_same_images(name, prefix, tmp_path):
    files = some_files()
    junk = {
        "train/dog/.hidden.png": b"x",
        "__MACOSX/train/dog/0.png": b"x",
        "train/dog/Thumbs.db": b"x",
        "README.txt": b"x",
    }
    source = ImageArchive(str(write(tmp_path / name, {**files, **junk}, prefix)))
    assert source.classes == ["cat", "dog"] and source.splits == ("train", "val", "test")
    images_NHWC, labels_N = source.load("val")
    assert labels_N.tolist() == [0, 0, 0, 1, 1, 1]
    expected = np.stack(
        [np.asarray(Image.open(io.BytesIO(files[f"val/{c}/{i}.png"]))) for c in ("cat", "dog") for i in range(3)]
    )
    assert np.array_equal(images_NHWC.numpy(), expected)


def test_images_of_any_size_and_mode(tmp_path):
    grey = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    colour = Image.fromarray(np.stack([grey, grey // 2, 255 - grey], -1))
    strange = {
        "a.jpg": encoded(colour, "JPEG"),
        "b.png": encoded(Image.fromarray(grey)),
        "c.png": encoded(colour.convert("P")),
        "d.png": encoded(colour.convert("RGBA")),
        "e.png": encoded(Image.fromarray(grey.astype(np.uint16) * 256)),
        "f.png": encoded(Image.fromarray(grey > 100)),
        "g.jpg": encoded(colour.convert("CMYK"), "JPEG"),
        "h.gif": encoded(colour.convert("P"), "GIF"),
        "i.bmp": encoded(colour.resize((7, 90)), "BMP"),
        "j.png": encoded(colour.convert("LA")),
    }
    files = {
        f"{split}/{name}/{file}": content
        for split in ("train", "val")
        for name in "xy"
        for file, content in strange.items()
    }
    path = str(write(tmp_path / "a.zip", files))
    assert ImageArchive(path, image_size=20, mode="RGB").load("train").images_NHWC.shape == (20, 20, 20, 3)
    grey_NHWC = ImageArchive(path, image_size=20, mode="L").load("train").images_NHWC
    assert grey_NHWC.shape == (20, 20, 20, 1)
    eight_bits, sixteen_bits = grey_NHWC[1].int(), grey_NHWC[4].int()
    assert (eight_bits - sixteen_bits).abs().max() <= 2 and eight_bits.max() > 150


@pytest.mark.parametrize(
    ("pixels", "shape"), [((28, 28), (28, 28, 1)), ((9, 17, 3), (9, 17, 3)), ((5, 5, 4), (5, 5, 3))]
)
def test_images_keep_their_own_size_and_mode(pixels, shape, tmp_path):
    image = np.random.RandomState(0).randint(0, 256, pixels, dtype=np.uint8)
    path = write(tmp_path / "a.zip", {f"{split}/cat/0.png": encoded(image) for split in ("train", "val")})
    images_NHWC = ImageArchive(str(path)).load("train").images_NHWC
    assert images_NHWC.shape == (1, *shape)
    assert np.array_equal(images_NHWC[0].squeeze(), image[..., :3] if len(pixels) == 3 else image)


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        ((30, 32, 3), "is 32x32 colour, but val/dog/9.png is 30x32 colour; give data.source.image_size: 32, or"),
        ((32, 32), "is 32x32 colour, but val/dog/9.png is 32x32 grey; give data.source.mode: RGB, or L"),
        ((8, 8), "8x8 grey; give data.source.image_size: 32, or another number of pixels, and data.source.mode: RGB"),
    ],
)
def test_images_that_differ_are_one_line_that_asks_for_a_size_or_mode(pixels, said, tmp_path):
    files = {**some_files(), "val/dog/9.png": encoded(np.zeros(pixels, np.uint8))}
    path = str(write(tmp_path / "a.zip", files))
    with pytest.raises(UserError) as error:
        ImageArchive(path)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert ImageArchive(path, image_size=16, mode="L").load("val").images_NHWC.shape == (7, 16, 16, 1)


def changed(**changes):
    """some_files() with files replaced, or left out where None."""
    return lambda: {k: v for k, v in {**some_files(), **changes}.items() if v is not None}


DOGS_IN_VAL = {f"val/dog/{i}.png": None for i in range(3)}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (changed(**{"train/cat/1.png": b"no image"}), "train/cat/1.png cannot be read: not an image"),
        (
            changed(**{"train/cat/1.png": encoded(np.zeros((32, 32, 3), np.uint8))[:60]}),
            "train/cat/1.png cannot be read",
        ),
        (changed(**{"train/cat/1.png": b""}), "train/cat/1.png cannot be read"),
        (changed(**DOGS_IN_VAL), "the class dog has images in train/ but none in val/"),
        (
            changed(**{"test/bird/1.png": some_files()["train/cat/1.png"]}),
            "the class bird has images in test/ but none in train/",
        ),
        (lambda: {k: v for k, v in some_files().items() if not k.startswith("val")}, "no images in val/<class>/"),
        (lambda: {"notes.txt": b"nothing here"}, "no images in train/<class>/"),
    ],
)
@pytest.mark.parametrize("name", ["folder", "a.zip", "a.tar.gz"])
def test_what_is_wrong_is_one_line(files, said, name, tmp_path):
    path = write(tmp_path / name, files())
    with pytest.raises(UserError) as error:
        ImageArchive(str(path))
    message = str(error.value)
    assert said in message and str(path) in message and "\n" not in message and len(message) < 300
    assert not [left for left in cache_folder().glob("*") if left.is_dir()], "nothing half-written stays"


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
@pytest.mark.parametrize("share", [0, 0.1, 0.6])
def test_damaged_archives_are_one_line(name, share, tmp_path):
    path = write(tmp_path / name, some_files())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError) as error:
        ImageArchive(str(path))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_method_of_packing_that_python_does_not_know_is_one_line(tmp_path):
    (tmp_path / "a.zip").write_bytes(packed_by_deflate64(some_files()))
    with pytest.raises(UserError, match="a.zip: cannot be read: .* not supported; unpack it, or pack it anew"):
        ImageArchive(str(tmp_path / "a.zip"))


def test_no_archive_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for name, said in (("absent.zip", "no such file"), ("empty", "no images"), ("notes.txt", "neither a folder nor")):
        with pytest.raises(UserError, match=said):
            ImageArchive(str(tmp_path / name))


def test_links_that_point_out_are_passed_over(tmp_path):
    path = write(tmp_path / "a.tar", some_files())
    with tarfile.open(path, "a") as container:
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../../x")):
            info = tarfile.TarInfo(f"train/cat/link{kind[0]}.png")
            info.type, info.linkname = kind, target
            container.addfile(info)
    assert len(ImageArchive(str(path)).load("train").labels_N) == 6


def test_decoded_once_and_again_when_the_content_changes(tmp_path, monkeypatch):
    decoded = []
    original = ImageArchive._decode
    monkeypatch.setattr(
        ImageArchive, "_decode", lambda self, folder: decoded.append(self.path) or original(self, folder)
    )
    path = write(tmp_path / "a.zip", some_files())
    ImageArchive(str(path))
    path = path.rename(tmp_path / "moved.zip")
    ImageArchive(str(path))
    assert len(decoded) == 1
    ImageArchive(str(path), image_size=16)
    folder = write(tmp_path / "folder", some_files())
    ImageArchive(str(folder))
    ImageArchive(str(folder))
    (folder / "train/cat/0.png").write_bytes((folder / "train/cat/1.png").read_bytes())
    ImageArchive(str(folder))
    assert len(decoded) == 4


def test_two_at_once_both_get_it(tmp_path, monkeypatch):
    path = write(tmp_path / "a.zip", some_files())
    meet = threading.Barrier(2)
    original = ImageArchive._decode
    monkeypatch.setattr(ImageArchive, "_decode", lambda self, folder: (original(self, folder), meet.wait(10))[0])
    got = []
    threads = [threading.Thread(target=lambda: got.append(ImageArchive(str(path)).load("train"))) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(got) == 2 and torch.equal(got[0].images_NHWC, got[1].images_NHWC)
    assert len(list(cache_folder().iterdir())) == 1


KILLED = """
import sys, time
from safetensors.torch import save_file
from project.datasets import image_archive as archive, tensor_folder
original = tensor_folder.save_file
def slow(tensors, path):
    original(tensors, path)
    print("half", flush=True)
    time.sleep(60)
tensor_folder.save_file = slow
archive.ImageArchive(sys.argv[1])
"""


def test_a_kill_in_mid_write_leaves_nothing_that_counts(tmp_path):
    path = write(tmp_path / "a.zip", some_files())
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    (remains,) = cache_folder().iterdir()
    assert len(ImageArchive(str(path)).load("val").labels_N) == 6
    os.utime(remains, (time.time() - 10**6,) * 2)
    remove_remains(cache_folder())
    assert not remains.exists()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIFTEEN_EPOCHS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="FIFTEEN_EPOCHS_CACHE"):
        ImageArchive(str(write(tmp_path / "a.zip", some_files())))


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="no archive of real images is at hand")
def test_real_images(tmp_path):
    """A slice of the real archive: its first 3,000 members have the layout that instructors hand out."""
    with tarfile.open(SHARED) as whole, tarfile.open(tmp_path / "slice.tar", "w") as part:
        wanted = {"train": 3, "val": 3}
        taken: dict[tuple, int] = {}
        for info in whole:
            parts = info.name.split("/")
            if info.isreg() and taken.setdefault(tuple(parts[-3:-1]), 0) < wanted.get(parts[-3], 0):
                taken[tuple(parts[-3:-1])] += 1
                part.addfile(info, whole.extractfile(info))
    source = ImageArchive(str(tmp_path / "slice.tar"))
    assert source.classes == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    assert source.load("train").labels_N.bincount().tolist() == [3] * 10
    assert source.load("train").images_NHWC.float().std() > 40
