"""IDXImages: the files as MNIST's authors wrote them, packed or not; and what kind of dataset lies at a path."""

import gzip
import zipfile

import numpy as np
import pytest

from project.datasets.idx import IDXImages
from project.datasets.recognition import recognized
from project.support.errors import UserError

SPELLINGS = ("{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "{}-{}-idx{}-ubyte.gz")


def idx(values: np.ndarray) -> bytes:
    """Values in the IDX format."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return head + values.astype(np.uint8).tobytes()


def images_and_labels(count, seed=0, size=(6, 5)):
    return np.random.RandomState(seed).randint(0, 256, (count, *size)), np.arange(count) % 5


def write(folder, spelling=SPELLINGS[0], count=50, size=(6, 5), **contents):
    """The four files; `train_images=...` replaces the content of one, or leaves it out where None."""
    folder.mkdir(exist_ok=True)
    for part, (images, labels) in {
        "train": images_and_labels(count, 0, size),
        "t10k": images_and_labels(20, 1, size),
    }.items():
        for kind, values, dimensions in (("images", images, 3), ("labels", labels, 1)):
            content = contents.get(f"{part}_{kind}", idx(values))
            if content is not None:
                name = spelling.format(part, kind, dimensions)
                (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_gives_the_same_images(spelling, tmp_path):
    source = IDXImages(str(write(tmp_path / "idx", spelling)))
    assert source.classes == list("01234") and source.splits == ("train", "val", "test")
    images, labels = images_and_labels(20, 1)
    test = source.load("test")
    assert np.array_equal(test.images_NHWC[..., 0], images) and test.labels_N.tolist() == labels.tolist()
    train, val = source.load("train"), source.load("val")
    assert train.labels_N.bincount().tolist() == [8] * 5 and val.labels_N.bincount().tolist() == [2] * 5
    by_image = dict(zip((image.astype(np.uint8).tobytes() for image in images_and_labels(50)[0]), np.arange(50) % 5))
    got = {image.numpy().tobytes(): int(label) for split in (train, val) for image, label in zip(*split)}
    assert got == by_image, "no image is in both, and each has its own label"


def test_what_is_there_decides_the_splits(tmp_path):
    without_test = IDXImages(str(write(tmp_path / "a", t10k_images=None, t10k_labels=None)))
    assert without_test.splits == ("train", "val")
    unlabelled = IDXImages(str(write(tmp_path / "b", t10k_labels=None)), classes=["a", "b", "c", "d", "e"])
    assert unlabelled.load("test").labels_N.unique().tolist() == [-1] and unlabelled.classes[4] == "e"


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (
            {"train_images": idx(images_and_labels(50)[0])[:-1]},
            "1,499 values, where its head says 50x6x5; it is not whole",
        ),
        ({"train_labels": idx(np.arange(49) % 5)}, "49 labels for 50 images"),
        ({"train_labels": b""}, "no IDX file of labels: it begins with nothing"),
        ({"train_images": idx(np.arange(50))}, "no IDX file of images: it begins with 00000801"),
        ({"train_images": b"<html>not found"}, "no IDX file of images"),
        ({"train_images": idx(np.zeros((50, 6, 5)))[:7]}, "it is not whole"),
        ({"t10k_labels": idx(np.full(20, 7))}, "image 1: the label 7 is that of no training image"),
        (
            {"train_images": idx(np.zeros((1, 6, 5))), "train_labels": idx(np.zeros(1))},
            "0 is the label of one image, so there is none to validate with",
        ),
        (
            {"train_labels": idx(np.append(np.arange(49) % 4, 9))},
            "9 is the label of one image, so there is none to validate with",
        ),
        ({"train_labels": None}, "has no train-labels-idx1-ubyte"),
        ({"train_images": None}, "has no train-images-idx3-ubyte"),
    ],
)
@pytest.mark.parametrize("spelling", [SPELLINGS[0], SPELLINGS[2]])
def test_what_is_wrong_is_one_line(contents, said, spelling, tmp_path):
    folder = write(tmp_path / "idx", spelling, **contents)
    with pytest.raises(UserError) as error:
        source = IDXImages(str(folder))
        for split in source.splits:
            source.load(split)
    message = str(error.value)
    assert said in message and str(folder) in message and "\n" not in message and len(message) < 300


def test_a_packed_file_that_is_cut_is_one_line(tmp_path):
    folder = write(tmp_path / "idx", SPELLINGS[2])
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match="train-images-idx3-ubyte.gz: cannot be read: .*fetch it again"):
        IDXImages(str(folder)).load("train")
    with pytest.raises(UserError, match="no such folder"):
        IDXImages(str(tmp_path / "absent"))


def test_what_kind_of_dataset_lies_at_a_path(tmp_path):
    def zipped(name, *members):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.writestr(member, "x")
        return tmp_path / name

    def made(name, *files):
        for file in files:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text("x")
        return tmp_path / name

    archive, table, idx_images = "image_archive.ImageArchive", "tables.ImageTable", "idx.IDXImages"
    kinds = {
        made("images", "train/cat/1.png"): archive,
        made("with a list", "labels.csv", "train/cat/1.png"): archive,
        zipped("images.zip", "train/cat/1.png", "labels.csv"): archive,
        made("", "images.tar.gz"): archive,
        made("tables", "Train.csv", "Test.csv"): table,
        made("packed", "train.csv.gz"): table,
        made("of Jupyter", "Train.csv", "._Train.csv", ".DS_Store", ".ipynb_checkpoints/Train-checkpoint.csv"): table,
        made("with images", ".labels.csv", "train/cat/1.png"): archive,
        zipped("mac.zip", "Train.csv", "._Train.csv", ".ipynb_checkpoints/Train-checkpoint.csv"): table,
        zipped("table.csv.zip", "Train.csv"): table,
        zipped("archive.zip", "Train.csv", "__MACOSX/._Train.csv"): table,
        write(tmp_path / "idx"): idx_images,
    }
    kinds = {path / "images.tar.gz" if path == tmp_path else path: kind for path, kind in kinds.items()}
    for path, kind in kinds.items():
        assert recognized(path) == {"class_path": f"project.datasets.{kind}", "init_args": {"path": str(path)}}, path
    (tmp_path / "notes.txt").write_text("x")
    for path, said in (("absent", "no such file or folder"), ("notes.txt", "no dataset; expected a folder")):
        with pytest.raises(UserError, match=said):
            recognized(tmp_path / path)
