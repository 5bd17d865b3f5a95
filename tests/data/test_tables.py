"""ImageTable: the same images from every layout of a table, one line with the row for whatever is wrong, a cache."""

import csv
import gzip
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from project.datasets import tables
from project.datasets.cache import cache_folder
from project.datasets.source import Source
from project.datasets.tables import ImageTable
from project.support.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIFTEEN_EPOCHS_CACHE", str(tmp_path / "cache"))


def drawn(count=40, pixels=16, classes=4, seed=0):
    """Images (N, P) and labels from 0 on; every class has the same number of images."""
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (count, pixels)), [number % classes for number in range(count)]


def written(images, labels, header=True, label="first", names="pixel", **dialect) -> str:
    """A table; without labels where they are None."""

    def row(of_label, values):
        fields = [*values]
        if labels is not None:
            fields.insert(0 if label == "first" else len(fields), of_label)
        return fields

    pixels = len(images[0])
    headers = {
        "pixel": [f"pixel{number}" for number in range(1, pixels + 1)],
        "from 0": [*range(pixels)],
        "from 1": [*range(1, pixels + 1)],
    }
    file = io.StringIO()
    writer = csv.writer(file, **{"lineterminator": "\n", **dialect})
    if header:
        writer.writerow(row("label", headers[names]))
    writer.writerows(map(row, labels if labels is not None else [None] * len(images), images))
    return file.getvalue()


def folder_of(tmp_path, **texts) -> Path:
    """A folder with Train.csv, Val.csv, Test.csv."""
    folder = tmp_path / "tables"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name.title()}.csv").write_text(text, encoding="utf-8")
    return folder


def packed_by_deflate64(files: dict[str, bytes]) -> bytes:
    """A zip as Windows makes one of large files, as far as Python reads it: to the number of the method."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    packed = bytearray(buffer.getvalue())
    for head, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        for found in re.finditer(head, bytes(packed)):
            packed[found.start() + offset] = 9
    return bytes(packed)


def rows_of(source: Source, split: str) -> list[tuple[str, bytes]]:
    """Class and pixels of each image, sorted."""
    images_NHWC, labels_N = source.load(split)
    return sorted(
        (source.classes[label], image.numpy().tobytes()) for image, label in zip(images_NHWC, labels_N.tolist())
    )


def as_rows(images, labels, names=str) -> list[tuple[str, bytes]]:
    return sorted((names(label), np.asarray(image, np.uint8).tobytes()) for image, label in zip(images, labels))


TEXTS = ("T-shirt/top", 'the "best"', 'a 5",6 inch', "Coat, long", "신발", "a;b")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_table_in_any_layout_is_read_back_the_same(data, tmp_path):
    draw = data.draw
    side, classes = draw(st.integers(1, 6)), draw(st.integers(2, 6))
    images = draw(
        st.lists(
            st.lists(st.integers(0, 255), min_size=side * side, max_size=side * side), min_size=2 * classes, max_size=30
        )
    )
    texts = draw(st.booleans())
    labels = [TEXTS[number % classes] if texts else number % classes for number in range(len(images))]
    header, label = draw(st.booleans()), draw(st.sampled_from(["first", "last"]))
    names = draw(st.sampled_from(["pixel", "from 0", "from 1"] if side > 1 else ["pixel"]))
    dialect = {
        "delimiter": draw(st.sampled_from(",;\t")),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
    }
    text = draw(st.sampled_from(["", "\ufeff"])) + written(images, labels, header, label, names, **dialect)
    text += draw(st.sampled_from(["", "\n", "\r\n\n"]))
    path = tmp_path / f"table{draw(st.sampled_from(['.csv', '.csv.gz', '.zip']))}"
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("Train.csv", text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    # Where nothing in the table tells, it is said: a header always tells where the label is.
    source = ImageTable(str(path), label=None if header or texts else label, header=header, val_share=0.3)
    assert source.load("train").images_NHWC.shape[1:] == (side, side, 1)
    assert sorted(rows_of(source, "train") + rows_of(source, "val")) == as_rows(images, labels)
    assert {name for name, _ in rows_of(source, "train")} == set(map(str, labels)), "every class is trained on"


@pytest.mark.parametrize("names", ["pixel", "from 0", "from 1"])
@pytest.mark.parametrize("label", ["first", "last"])
@pytest.mark.parametrize("header", [True, False])
def test_header_and_label_are_found_where_the_class_put_them(names, label, header, tmp_path):
    images, labels = drawn()
    folder = folder_of(
        tmp_path, train=written(images, labels, header, label, names), test=written(images, None, header, names=names)
    )
    source = ImageTable(str(folder))
    assert sorted(rows_of(source, "train") + rows_of(source, "val")) == as_rows(images, labels)
    test = source.load("test")
    assert np.array_equal(test.images_NHWC.flatten(1), images) and test.labels_N.tolist() == [-1] * 40


def test_validation_is_a_stratified_fifth_drawn_by_the_seed(tmp_path):
    images, labels = drawn(200)
    folder = str(folder_of(tmp_path, train=written(images, labels)))
    source = ImageTable(folder)
    assert source.splits == ("train", "val")
    assert source.load("val").labels_N.bincount().tolist() == [10] * 4
    assert source.load("train").labels_N.bincount().tolist() == [40] * 4
    assert not set(rows_of(source, "train")) & set(rows_of(source, "val"))
    assert rows_of(ImageTable(folder, split_seed=17), "val") != rows_of(source, "val")
    assert len(ImageTable(folder, val_share=0.1).load("val").labels_N) == 20


def test_three_tables_are_three_splits(tmp_path):
    images, labels = drawn(60)
    parts = {"train": slice(0, 20), "val": slice(20, 36), "test": slice(36, 60)}
    texts = {name: written(images[part], labels[part], label="last") for name, part in parts.items()}
    by_folder = ImageTable(str(folder_of(tmp_path, **texts)))
    files = {name: str(tmp_path / "tables" / f"{name.title()}.csv") for name in parts}
    for source in (by_folder, ImageTable(**files)):
        assert source.splits == ("train", "val", "test")
        for name, part in parts.items():
            assert rows_of(source, name) == as_rows(images[part], labels[part])
    assert by_folder.load("val").labels_N.tolist() == labels[20:36], "the order is the file's"


@pytest.mark.parametrize("channels", ["first", "last"])
def test_colour_images(channels, tmp_path):
    images, labels = drawn(20, 12)
    path = str(folder_of(tmp_path, train=written(images, labels)))
    with pytest.raises(
        UserError, match="12 values an image, so it is in colour; say data.source.channels: first .* or last"
    ):
        ImageTable(path)
    got_NHWC = ImageTable(path, channels=channels, val_share=0.5).load("train").images_NHWC
    given_NHWC = (
        images.reshape(-1, 3, 2, 2).transpose(0, 2, 3, 1) if channels == "first" else images.reshape(-1, 2, 2, 3)
    )
    assert {image.numpy().tobytes() for image in got_NHWC} <= {image.astype(np.uint8).tobytes() for image in given_NHWC}
    assert got_NHWC.shape[1:] == (2, 2, 3)


def test_images_that_are_not_square_and_classes_with_names(tmp_path):
    images, labels = drawn(20, 15, classes=2)
    path = str(folder_of(tmp_path, train=written(images, labels)))
    with pytest.raises(
        UserError, match=r"row 1: 16 columns, .* 15 pixels: no square image.*image_shape: \[height, width\]"
    ):
        ImageTable(path)
    source = ImageTable(path, image_shape=[3, 5], classes=["cat", "dog"])
    assert source.load("val").images_NHWC.shape[1:] == (3, 5, 1) and source.classes == ["cat", "dog"]
    with pytest.raises(UserError, match="3 names for 2 classes"):
        ImageTable(path, image_shape=[3, 5], classes=["cat", "dog", "eel"])


def edited(row, column, value, **layout):
    """The table with one field replaced; rows and columns count from 1."""
    lines = written(*drawn(), **layout).splitlines()
    fields = lines[row - 1].split(",")
    fields[column - 1] = value
    lines[row - 1] = ",".join(fields)
    return "\n".join(lines) + "\n"


def with_rows(change):
    lines = written(*drawn()).splitlines()
    change(lines)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (edited(7, 5, ""), "row 7: the pixel in column 5 is missing; fill it in"),
        (edited(7, 5, "NA"), "row 7: column 5 is 'NA'; a pixel is a whole number from 0 to 255"),
        (edited(41, 17, "256"), "row 41: column 17 is '256'"),
        (edited(2, 2, "-1"), "row 2: column 2 is '-1'"),
        (
            edited(2, 3, "0.5"),
            "row 2: column 3 is '0.5'; a pixel is a whole number from 0 to 255; multiply the pixels by 255",
        ),
        (edited(2, 3, "3.92e-3"), "row 2: column 3 is '3.92e-3'"),
        (edited(2, 3, "12.5"), "row 2: column 3 is '12.5'; a pixel is a whole number from 0 to 255"),
        (edited(2, 3, "256.0"), "row 2: column 3 is '256.0'"),
        (edited(2, 3, "9" * 5000), "row 2: column 3 is '9999"),
        (edited(2, 3, "9" * 5000, header=False), "row 2: column 3 is '9999"),
        (edited(1, 1, "9" * 5000, header=False), "row 1: "),
        (edited(1, 3, "9" * 5000, header=False), "row 1: "),
        (edited(9, 1, "-1"), "row 9: the label is -1; labels are whole numbers from 0 up, or texts"),
        (edited(9, 1, "-1.0"), "row 9: the label is -1.0; labels are whole numbers from 0 up, or texts"),
        (edited(9, 1, "0.5"), "row 9: the label is 0.5; labels are whole numbers from 0 up, or texts"),
        (edited(1, 9, "Label"), "row 1: column 9 is headed label; move it to the front or the end"),
        (edited(1, 9, "label", names="from 0"), "row 1: column 9 is headed label"),
        (edited(9, 1, ""), "row 9: the label is missing"),
        (edited(9, 1, "cat"), "row 9: the label is 'cat', where the others are whole numbers"),
        (edited(9, 1, "77"), "row 9: 77 is the label of no other row"),
        (edited(9, 17, "", label="last"), "row 9: the label is missing"),
        (with_rows(lambda lines: lines.insert(10, "")), "row 11 is empty; take it out"),
        (
            with_rows(lambda lines: lines.__setitem__(20, lines[20].rpartition(",")[0])),
            "row 21: 16 columns, where 17 are expected",
        ),
        (with_rows(lambda lines: lines.__setitem__(20, lines[20] + ",5")), "row 21: 18 columns, where 17 are expected"),
        (with_rows(lambda lines: lines.__delitem__(slice(1, None))), "no rows below the header"),
        ("", "row 1 is empty"),
        ("\n\n", "row 1 is empty"),
        ("\x00\x01\x02", "row 1"),
        (written(*drawn()).replace("label", "id"), "the first column, 'id', is no label"),
        (written(*drawn(pixels=17)), "17 pixels: no square image"),
        (written(drawn()[0], drawn()[0][:, 0], header=False), "say data.source.label: first or last"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_row(text, said, tmp_path):
    folder = folder_of(tmp_path, train=text)
    with pytest.raises(UserError) as error:
        ImageTable(str(folder))
    message = str(error.value)
    assert said in message and str(folder / "Train.csv") in message and "\n" not in message and len(message) < 300
    assert not list(cache_folder().glob("*")), "nothing half-written stays"


@pytest.mark.parametrize(("label", "other"), [("first", "last"), ("last", "first")])
def test_a_label_setting_that_contradicts_the_header(label, other, tmp_path):
    folder = str(folder_of(tmp_path, train=written(*drawn(), label=label)))
    assert ImageTable(folder, label=label).classes == ["0", "1", "2", "3"]
    with pytest.raises(UserError, match=f"row 1: the {label} column is headed label, but data.source.label is {other}"):
        ImageTable(folder, label=other)


@pytest.mark.parametrize("header", [True, False])
def test_whole_numbers_may_be_written_with_a_point(header, tmp_path):
    images, labels = drawn()
    folder = folder_of(tmp_path, train=written(images.astype(float), [float(label) for label in labels], header))
    source = ImageTable(str(folder))
    assert source.classes == ["0", "1", "2", "3"]
    assert sorted(rows_of(source, "train") + rows_of(source, "val")) == as_rows(images, labels)


@pytest.mark.parametrize("header", [True, False])
def test_a_table_that_was_divided_by_255_says_how_to_mend_it(header, tmp_path):
    images, labels = drawn()
    folder = folder_of(tmp_path, train=written((images > 200) * 0.25, labels, header))
    with pytest.raises(UserError, match=r"row \d+: column \d+ is '0.25'; .* multiply the pixels by 255$"):
        ImageTable(str(folder))


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_label_that_no_training_image_has(split, tmp_path):
    folder = folder_of(tmp_path, train=written(*drawn()), **{split: edited(12, 1, "9")})
    with pytest.raises(
        UserError, match=rf"{split.title()}.csv: row 12: the label 9 is in no row of the training table \(0, 1, 2, 3\)"
    ):
        ImageTable(str(folder))


def test_tables_of_other_images_are_refused(tmp_path):
    folder = folder_of(tmp_path, train=written(*drawn()), test=written(*drawn(pixels=25)))
    with pytest.raises(UserError, match="Test.csv: row 1: 26 columns, but Train.csv has 17"):
        ImageTable(str(folder))


def test_what_is_not_there_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(written(*drawn()).encode())[:200])
    (tmp_path / "no.zip").write_bytes(b"PK")
    (tmp_path / "korean.csv").write_bytes(written(drawn()[0], ["신발", "가방"] * 20).encode("cp949"))
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (tmp_path / f"{encoding}.csv").write_bytes(written(*drawn()).encode(encoding))
    with zipfile.ZipFile(tmp_path / "twice.csv.zip", "w") as archive:
        archive.writestr("Train.csv.gz", gzip.compress(written(*drawn()).encode()))
    with zipfile.ZipFile(tmp_path / "locked.csv.zip", "w") as archive:
        archive.writestr("Train.csv", written(*drawn()))
    locked = bytearray((tmp_path / "locked.csv.zip").read_bytes())
    locked[6] |= 1  # the flag of encryption, in the file's own head and in the directory at the end
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.csv.zip").write_bytes(locked)
    (tmp_path / "deflate64.csv.zip").write_bytes(packed_by_deflate64({"Train.csv": written(*drawn()).encode()}))
    for arguments, said in (
        ({"path": "absent"}, "data.source.path: absent: no such file or folder"),
        ({"path": "empty"}, "has no Train.csv"),
        ({"path": "cut.csv.gz"}, "cut.csv.gz: cannot be read"),
        ({"path": "no.zip"}, "no.zip: cannot be read: File is not a zip file"),
        ({"path": "korean.csv"}, "row 2: the label is not in UTF-8"),
        ({"path": "utf-16.csv"}, "is in UTF-16; save the table as CSV UTF-8"),
        ({"path": "utf-16-le.csv"}, "is in UTF-16; save the table as CSV UTF-8"),
        ({"path": "utf-16-be.csv"}, "is in UTF-16; save the table as CSV UTF-8"),
        ({"path": "twice.csv.zip"}, "Train.csv.gz is packed twice; take it out of the zip"),
        ({"path": "locked.csv.zip"}, "locked.csv.zip: encrypted; save it without a password"),
        (
            {"path": "deflate64.csv.zip"},
            "deflate64.csv.zip: cannot be read: That compression method is not supported; unpack it",
        ),
        ({"train": "absent.csv"}, "data.source.train: "),
        ({}, "name the folder of the tables as path"),
    ):
        with pytest.raises(UserError) as error:
            ImageTable(
                **{name: str(tmp_path / value) if value != "absent" else value for name, value in arguments.items()}
            )
        assert said in str(error.value) and "\n" not in str(error.value)
    for arguments in ({"val_share": 1.0}, {"split_seed": -1}, {"image_shape": [3]}):
        with pytest.raises(UserError, match=f"data.source.{next(iter(arguments))}"):
            ImageTable("absent", **arguments)


def test_decoded_once_and_again_when_the_content_changes(tmp_path, monkeypatch):
    decoded = []
    original = tables.read_table
    monkeypatch.setattr(tables, "read_table", lambda path, *rest: decoded.append(path) or original(path, *rest))
    folder = folder_of(tmp_path, train=written(*drawn()))
    one, again = ImageTable(str(folder)), ImageTable(str(folder / "Train.csv"))
    assert len(decoded) == 1 and torch.equal(one.load("train").images_NHWC, again.load("train").images_NHWC)
    (folder / "Train.csv").write_text(edited(3, 3, "7"))
    ImageTable(str(folder))
    assert len(decoded) == 2
    ImageTable(str(folder), classes=list("abcd"))
    assert len(decoded) == 2, "other names need no other images"
    ImageTable(str(folder), split_seed=1)
    assert len(decoded) == 3


def test_rows_are_counted_across_the_parts_that_are_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CHUNK_BYTES", 300)
    images, labels = drawn()
    folder = folder_of(tmp_path, train=written(images, labels) + "\n" * 400)
    source = ImageTable(str(folder))
    assert sorted(rows_of(source, "train") + rows_of(source, "val")) == as_rows(images, labels)
    (folder / "Train.csv").write_text(edited(38, 5, "x"))
    with pytest.raises(UserError, match="row 38: column 5 is 'x'"):
        ImageTable(str(folder))
    (folder / "Train.csv").write_text(written(images, labels) + "\n" * 400 + "1,2")
    with pytest.raises(UserError, match="row 42 is empty"):
        ImageTable(str(folder))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\r", "\r\r\n"])
def test_lines_may_end_as_on_an_old_mac_or_by_python_on_windows(end, header, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CHUNK_BYTES", 300)
    images, labels = drawn()
    text = written(images, labels, header).replace("\n", end).encode()
    path = tmp_path / ("Train.csv.gz" if packed else "Train.csv")
    path.write_bytes(gzip.compress(text) if packed else text)
    source = ImageTable(str(path))
    assert sorted(rows_of(source, "train") + rows_of(source, "val")) == as_rows(images, labels)


@pytest.mark.parametrize("label", ["first", "last"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("form", ["{}.0", "{}.", "{}.00", "{}e+00", "{:.18e}", "+{}"])
def test_labels_that_are_whole_numbers_are_ordered_as_numbers(form, header, label, tmp_path):
    images, labels = drawn(48, classes=12)
    text = written(images, [form.format(number) for number in labels], header, label)
    source = ImageTable(str(folder_of(tmp_path, train=text)), label=label)
    assert source.classes == [str(number) for number in range(12)]
    assert sorted(rows_of(source, "train") + rows_of(source, "val")) == as_rows(images, labels)


@pytest.mark.parametrize("end", [b"", b"\n1,2"])
def test_a_line_that_no_image_fills_is_not_read_whole(end, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST_ROW", 1000)
    start = written(*drawn()).encode()
    for number, begin in ((1, b""), (42, start)):
        (tmp_path / "Train.csv").write_bytes(begin + b"1" * 1001 + end)
        with pytest.raises(UserError, match=f"row {number} is longer than 1,000 bytes"):
            ImageTable(str(tmp_path))
