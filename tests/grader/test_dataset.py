"""What training sees, what is predicted, and what stays: three parts that do not overlap."""

import json

import pytest
import torch

from grader.rerun.grading_data import DATA, WITHHELD, make_source, prepare
from grader.secret import BYTES, Secret
from project.datasets.glyphs import Glyphs
from project.datasets.recognition import recognized
from project.datasets.source import Split
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError
from tests.data.test_tables import as_rows, drawn, folder_of, written
from tests.grader.conftest import TINY_GLYPHS

FIVE, SIX = Secret(bytes(BYTES), 5), Secret(bytes(BYTES), 6)


def keys(images_NHWC):
    return [image.numpy().tobytes() for image in images_NHWC]


def test_labels_that_score_are_written_nowhere_that_student_code_sees(rules, tmp_path):
    data = prepare(rules, FIVE, tmp_path)
    assert TensorFolder(str(data.scoring)).load("test").labels_N.unique().tolist() == [-1]
    assert TensorFolder(str(data.training)).splits == ("train", "val")
    readable = b"".join(path.read_bytes() for part in (data.training, data.scoring) for path in part.iterdir())
    assert json.dumps(data.labels_N.tolist()).encode() not in readable
    (withheld,) = (tmp_path / WITHHELD).iterdir()
    assert withheld.stat().st_mode & 0o077 == 0 and json.loads(withheld.read_text())["labels"] == data.labels_N.tolist()
    assert {path.name for path in (tmp_path / DATA).rglob("*.*")} <= {
        f"{n}.safetensors" for n in ("train", "val", "test")
    } | {"classes.json"}


def test_glyphs_are_scored_on_a_fresh_draw(rules, tmp_path):
    data = prepare(rules, FIVE, tmp_path)
    assert not data.handed_out
    scored = keys(TensorFolder(str(data.scoring)).load("test").images_NHWC)
    drawn = Glyphs(**TINY_GLYPHS, seed=FIVE.number("test images")).load("test")
    labels = dict(zip(keys(drawn.images_NHWC), drawn.labels_N.tolist()))
    assert [labels[key] for key in scored] == data.labels_N.tolist(), "each image has its own label"
    assert scored != keys(drawn.images_NHWC), "the order is shuffled"
    known = Glyphs(**TINY_GLYPHS)
    assert not set(scored) & {key for split in known.splits for key in keys(known.load(split).images_NHWC)}


def test_without_a_test_split_the_rest_of_validation_scores(rules, tmp_path):
    source = Glyphs(**TINY_GLYPHS)
    (tmp_path / "source").mkdir()
    splits: dict[str, Split] = {split: source.load(split) for split in ("train", "val")}
    TensorFolder.write(tmp_path / "source", source.classes, splits)
    described = {
        "class_path": "project.datasets.tensor_folder.TensorFolder",
        "init_args": {"path": str(tmp_path / "source")},
    }
    data = prepare(rules.but(dataset=described, monitor_fraction=0.3), FIVE, tmp_path)
    assert data.handed_out and prepare(rules.but(dataset=described, monitor_fraction=0.3), FIVE, tmp_path).handed_out
    monitor = TensorFolder(str(data.training)).load("val")
    scored = TensorFolder(str(data.scoring)).load("test").images_NHWC
    assert len(monitor.labels_N) == 30 and len(scored) == 70
    assert sorted(keys(monitor.images_NHWC) + keys(scored)) == sorted(keys(splits["val"].images_NHWC))
    labels = dict(zip(keys(splits["val"].images_NHWC), splits["val"].labels_N.tolist()))
    assert [labels[key] for key in keys(scored)] == data.labels_N.tolist()


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (None, {}, r"absent.zip: no such file or folder$"),
        (b"PK", {}, r"absent.zip: cannot be read: File is not a zip file$"),
        (b"PK", {"mode": 7}, "dataset: .*mode"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_one_line(content, arguments, said, tmp_path):
    archive = tmp_path / "absent.zip"
    if content:
        archive.write_bytes(content)
    path = "project.datasets.image_archive.ImageArchive"
    with pytest.raises(UserError, match=said) as error:
        make_source({"class_path": path, "init_args": {"path": str(archive), **arguments}})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (
            {"class_path": "project.datasets.tensor_folder.TensorFolder", "init_args": {"path": "."}},
            "no folder of tensors",
        ),
        (
            {"class_path": "project.datasets.tables.ImageTable", "init_args": {"train": "no.csv"}},
            "init_args.train: no.csv",
        ),
        (
            {"class_path": "project.datasets.tables.ImageTable", "init_args": {"path": "no"}},
            "init_args.path: no: no such",
        ),
        (
            {"class_path": "project.datasets.idx.IDXImages", "init_args": {"path": "no"}},
            "init_args.path: no: no such folder",
        ),
    ],
)
def test_a_wrong_path_in_the_rules_is_one_line(described, said, rules, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        prepare(rules.but(dataset=described), FIVE, tmp_path / "results")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_folder_of_tensors_without_its_tensors_is_one_line(rules, tmp_path):
    (tmp_path / "classes.json").write_text("[]")
    described = {"class_path": "project.datasets.tensor_folder.TensorFolder", "init_args": {"path": str(tmp_path)}}
    with pytest.raises(UserError, match="train.safetensors: cannot be read: no such file"):
        prepare(rules.but(dataset=described), FIVE, tmp_path / "results")


def test_a_dataset_of_one_class_is_one_line(rules, tmp_path):
    table = folder_of(tmp_path, train=written(*drawn(classes=1)))
    with pytest.raises(UserError, match="dataset: all 32 training images are of the class 0"):
        prepare(rules.but(dataset=recognized(table)), FIVE, tmp_path / "results")


@pytest.mark.parametrize(("labelled", "scored"), [(True, 30), (False, 32)])
def test_a_table_scores_on_its_test_images_if_they_have_labels(labelled, scored, rules, tmp_path):
    images, labels = drawn(200)
    test = written(*drawn(30, seed=1)) if labelled else written(drawn(30, seed=1)[0], None)
    folder = folder_of(tmp_path, train=written(images, labels), test=test)
    data = prepare(rules.but(dataset=recognized(folder)), FIVE, tmp_path / "results")
    monitor, scoring = TensorFolder(str(data.training)).load("val"), TensorFolder(str(data.scoring)).load("test")
    assert data.handed_out == (not labelled)
    assert scoring.images_NHWC.shape == (scored, 4, 4, 1) and len(data.labels_N) == scored
    assert len(monitor.labels_N) == 8, "a fifth of the validation images, which are a fifth of all"
    mine = as_rows(*drawn(30, seed=1)) if labelled else as_rows(images, labels)
    assert set(zip(map(str, data.labels_N.tolist()), keys(scoring.images_NHWC))) <= set(mine), (
        "each image has its own label"
    )


def test_the_secret_decides_and_the_folder_is_written_once(rules, tmp_path):
    one, again, other = prepare(rules, FIVE, tmp_path), prepare(rules, FIVE, tmp_path), prepare(rules, SIX, tmp_path)
    assert one.scoring == again.scoring and torch.equal(one.labels_N, again.labels_N)
    assert not torch.equal(one.labels_N, other.labels_N)


def test_what_a_killed_grader_left_half_is_made_anew(rules, tmp_path):
    whole = prepare(rules, FIVE, tmp_path)
    (whole.training / "train.safetensors").unlink()
    next((tmp_path / WITHHELD).iterdir()).unlink()
    again = prepare(rules, FIVE, tmp_path)
    assert again.training == whole.training and TensorFolder(str(again.training)).splits == ("train", "val")
