"""ImageTable: images as the rows of a table, a pixel a column, decoded once into the cache."""

import csv
import gzip
import math
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

import numpy as np
import torch

from project.datasets.cache import Decoded, content_key, decoded_once, file_pieces
from project.datasets.damage import DAMAGED, damage
from project.datasets.source import Split, stratified_split
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError, in_range
from project.support.progress import fraction_shown
from project.support.wording import counted

ENDINGS = (".csv", ".csv.gz", ".csv.zip", ".tsv", ".tsv.gz")
CHUNK_BYTES = 16 * 2**20  # rows that are read at once
LONGEST_ROW = 32 * 2**20  # bytes; a colour image of 1024x1024 takes less than half of it
UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|(\x00[ -~]){2}|([ -~]\x00){2}")

LABEL_NAMES = ("label", "labels", "class", "target")
POINT_ZERO = re.compile(rb"(?<=[0-9])\.0*(?![0-9.eE])")  # of a whole number that is written as 12.0
QUOTED = rb'"(?:[^"]|"")*"'  # a quote in it is written twice

End = Literal["first", "last"]


class ImageTable(TensorFolder):
    """Images from tables: a row an image, its label in the first or the last column, pixels from 0 to 255 in the others.

    A table is a .csv file, or one in .gz or .zip; its columns are separated by commas, semicolons or tabs. A first row that
    names the columns is recognized, also `0,1,2,...`. A test table may have no labels.

    Args:
        path: A folder with Train.csv and, if you like, Val.csv and Test.csv (upper or lower case), or one table.
        train, val, test: The tables, each by itself, in place of `path`.
        label: Where the label is: in the `first` or the `last` column. By default the header tells, or the values do.
        header: Whether the first row names the columns. By default its values tell.
        image_shape: Height and width of an image. By default it is square.
        channels: Of colour images: `first` where all red values come first, then all green, then all blue (as CIFAR-10 is
            published); `last` where the three values of a pixel stand together.
        classes: Names of the classes, in the order of their labels. By default the labels themselves.
        val_share: Where there is no validation table: the share of training images that are drawn to validate, from each
            class alike, in (0, 1).
        split_seed: Of that draw, >= 0.

    Raises:
        UserError: A file is missing, or a row is not as the others; the message names the row.
    """

    def __init__(
        self,
        path: str | None = None,
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        label: End | None = None,
        header: bool | None = None,
        image_shape: list[int] | None = None,
        channels: End | None = None,
        classes: list[str] | None = None,
        val_share: float = 0.2,
        split_seed: int = 16,
    ):
        in_range("data.source.val_share:", val_share, "(0, 1)")
        in_range("data.source.split_seed:", split_seed, f"[0, {2**63})")
        if image_shape is not None and not (len(image_shape) == 2 and min(image_shape) > 0):
            raise UserError(f"data.source.image_shape: {image_shape} is no height and width; write [28, 28]")
        self.label, self.header, self.image_shape, self.channels = label, header, image_shape, channels
        self.val_share, self.split_seed = val_share, split_seed
        given = {"train": train, "val": val, "test": test}
        found = tables_at(path) if path else {}
        found |= {split: existing(split, file) for split, file in given.items() if file}
        self.files = {split: found[split] for split in given if split in found}  # the training table first
        if "train" not in self.files:
            raise UserError("data.source: name the folder of the tables as path, or the training table as train")
        settings = (label, header, image_shape, channels, val_share, split_seed)
        key = content_key(self._content(), "ImageTable", *settings)
        super().__init__(str(decoded_once(key, self._decode)))
        if classes and len(classes) != len(self.classes):
            said = f"{counted(len(classes), 'name')} for {counted(len(self.classes), 'class', 'classes')}; give one for each"
            raise UserError(f"data.source.classes: {said}")
        self.classes = classes or self.classes

    def _content(self) -> Iterator[bytes]:
        for split, path in self.files.items():
            yield f"{split} {path.stat().st_size} {path.name.lower().endswith(('.gz', '.zip'))} ".encode()
            with reading(path):
                yield from file_pieces(path)

    def _decode(self, scratch: Path) -> Decoded:
        tables: dict[str, Table] = {}
        for split, path in self.files.items():
            layout = self._layout(path, tables.get("train"))
            with fraction_shown(f"Decoding {path} (once)") as show:
                tables[split] = read_table(path, layout, show)
        train = tables["train"]
        values = label_values(train)
        splits = {split: self._split(table, values) for split, table in tables.items()}
        if "val" not in splits:
            for value, count in zip(values, splits["train"].labels_N.bincount().tolist()):
                if count < 2:
                    row = train.rows_N[train.labels.index(value)]
                    said = f"{value} is the label of no other row, so there is none to validate with"
                    raise UserError(f"{train.path}: row {row}: {said}; mend the label, or take the row out")
            labels_N = splits["train"].labels_N
            size = min(max(1, round(self.val_share * len(labels_N))), len(labels_N) - 1)
            rest, part = stratified_split(labels_N, size, self.split_seed)
            whole = splits["train"]
            splits |= {
                name: Split(*(tensor[chosen] for tensor in whole)) for name, chosen in (("train", rest), ("val", part))
            }
        return values, splits

    def _layout(self, path: Path, train: "Table | None") -> "Layout":
        """How a table is to be read; later ones are as the training table is."""
        with reading(path), opened(path) as (file, _):
            first = next(line_lists(path, file), [b""])[0].removeprefix(b"\xef\xbb\xbf")
        if UTF_16.match(first):
            raise UserError(f"{path}: the table is in UTF-16; save the table as CSV UTF-8")
        first = first.strip()
        if not first:
            raise UserError(f"{path}: row 1 is empty; a table begins with its header or its first image")
        separator = max(b",", b";", b"\t", key=first.count)
        text = first.decode("utf-8", "replace")
        fields = [field.strip() for field in next(csv.reader([text], delimiter=separator.decode()))]
        header = names_columns(fields) if self.header is None else self.header
        self._check_names(path, [field.lower() for field in fields])
        if train and len(fields) == train.pixels:
            return Layout(separator, header, None, train.pixels)
        pixels = len(fields) - 1
        if train is None:
            self._shape(path, pixels)
        elif pixels != train.pixels:
            has, had = f"{len(fields)} columns", f"{train.path.name} has {train.pixels + 1}"
            raise UserError(f"{path}: row 1: {has}, but {had}; both must be tables of the same images")
        label = self.label or (label_by_name(path, fields) if header else None) or (train and train.layout.label)
        return Layout(
            separator, header, label or label_by_values(path, Layout(separator, header, "first", pixels)), pixels
        )

    def _check_names(self, path: Path, names: Sequence[str]) -> None:
        """Raise UserError where a header says that the label is elsewhere than it is looked for."""
        for column, name in enumerate(names[1:-1], 2):
            if name in LABEL_NAMES:
                raise UserError(f"{path}: row 1: column {column} is headed {name}; move it to the front or the end")
        ends: dict[End, str] = {"first": names[0], "last": names[-1]}
        for end, name in ends.items():
            if self.label and name in LABEL_NAMES and ends[self.label] not in LABEL_NAMES:
                said = f"the {end} column is headed {name}, but data.source.label is {self.label}"
                raise UserError(f"{path}: row 1: {said}; leave data.source.label out, or mend the header")

    def _shape(self, path: Path, pixels: int) -> tuple[int, int, int]:
        """(H, W, C) of an image of so many values."""
        for c in (1, 3):
            side = math.isqrt(pixels // c)
            h, w = self.image_shape or (side, side)
            if pixels and h * w * c == pixels:
                if c == 3 and not self.channels:
                    said = "say data.source.channels: first (all red, then all green, then all blue) or last (pixel by pixel)"
                    raise UserError(f"{path}: {pixels} values an image, so it is in colour; {said}")
                return h, w, c
        wanted = "x".join(map(str, self.image_shape)) if self.image_shape else "square"
        said = f"{pixels + 1} columns, which are a label and {pixels} pixels: no {wanted} image, grey or colour"
        raise UserError(f"{path}: row 1: {said}; give data.source.image_shape: [height, width], or mend the table")

    def _split(self, table: "Table", values: Sequence[str]) -> Split:
        h, w, c = self._shape(table.path, table.pixels)
        images_NHWC = torch.from_numpy(table.images_NP)
        if c == 3 and self.channels == "first":
            images_NHWC = images_NHWC.view(-1, c, h, w).permute(0, 2, 3, 1).contiguous()
        if table.layout.label is None:
            return Split(images_NHWC.view(-1, h, w, c), torch.full((len(images_NHWC),), -1))
        index = {value: number for number, value in enumerate(values)}
        for value, row in zip(table.labels, table.rows_N):
            if value not in index:
                known = ", ".join(values[:10]) + (", ..." if len(values) > 10 else "")
                raise UserError(
                    f"{table.path}: row {row}: the label {value} is in no row of the training table ({known})"
                )
        return Split(images_NHWC.view(-1, h, w, c), torch.tensor([index[value] for value in table.labels]))


@dataclass(frozen=True)
class Layout:
    """How a table is written: what is between columns, whether row 1 names them, where the label is, how many pixels."""

    separator: bytes
    header: bool
    label: End | None
    pixels: int

    def parted(self, line: bytes) -> tuple[bytes, bytes]:
        """The label and the pixels of a row. A label in quotes may hold separators."""
        if self.label is None:
            return b"", line
        separator = re.escape(self.separator)
        if self.label == "first":
            if line.startswith(b'"') and (quoted := re.match(QUOTED + separator, line)):
                return line[: quoted.end() - 1], line[quoted.end() :]
            label, _, pixels = line.partition(self.separator)
            return label, pixels
        if line.endswith(b'"') and (quoted := re.search(separator + QUOTED + b"$", line)):
            return line[quoted.start() + 1 :], line[: quoted.start()]
        pixels, _, label = line.rpartition(self.separator)
        return label, pixels


@dataclass(frozen=True)
class Table:
    """What a table holds: images (N, P), uint8; each one's label, as a text; and the number of its row in the file."""

    path: Path
    layout: Layout
    images_NP: np.ndarray
    labels: list[str]
    rows_N: Sequence[int]

    @property
    def pixels(self) -> int:
        return self.images_NP.shape[1]


def read_table(path: Path, layout: Layout, show: Callable[[float], object] = lambda done: None) -> Table:
    """Read a table. Raises UserError for the first row that is not as it should be."""
    chunks, labels, rows = [], [], range(0)
    for number, lines, done in row_chunks(path, layout):
        parts = [layout.parted(line) for line in lines]
        chunks.append(pixel_values(path, layout, number, [pixels for _, pixels in parts]))
        for row, (written, _) in enumerate(parts, number):
            labels.append(label_text(path, row, written) if layout.label else "")
        rows = range(rows.start or number, number + len(lines))
        show(done)
    if not chunks:
        raise UserError(f"{path}: no rows{' below the header' if layout.header else ''}; a row is an image")
    return Table(path, layout, np.concatenate(chunks), labels, rows)


def row_chunks(path: Path, layout: Layout) -> Iterator[tuple[int, list[bytes], float]]:
    """Some rows at a time: the number of the first in the file, the rows, and the share of the file that is read.

    Empty rows at the end are left out; one before that is refused.
    """
    size, number, empty = max(1, path.stat().st_size), 1, 0
    with reading(path), opened(path) as (file, raw):
        for lines in line_lists(path, file):
            if number == 1:
                lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            lines = [line.strip(b" \r\n") for line in lines]
            first = number
            number += len(lines)
            if layout.header and first == 1:
                lines, first = lines[1:], 2
            if not all(lines) or empty:
                filled = [row for row, line in enumerate(lines, first) if line]
                blank = empty or next(row for row, line in enumerate(lines, first) if not line)
                if filled and blank < filled[-1]:
                    raise UserError(f"{path}: row {blank} is empty; take it out")
                lines, empty = lines[: len(filled)], blank
            if lines:
                yield first, lines, min(1.0, raw.tell() / size)


def line_lists(path: Path, file: BinaryIO) -> Iterator[list[bytes]]:
    """The lines of a table, some at a time; they end with LF, CR LF, CR (old Macs), or CR CR LF (Python on Windows).

    Raises UserError for one that is longer than any image's.
    """
    number, rest, ended = 1, b"", False
    while not ended:
        piece = file.read(CHUNK_BYTES)
        ended = not piece
        text = (rest + piece).replace(b"\r\r\n", b"\n")
        whole = text if ended else text.rstrip(b"\r")  # of which an end may not be read yet
        lines = whole.splitlines(keepends=True)
        rest = (lines.pop() if lines and not ended and not lines[-1].endswith(b"\n") else b"") + text[len(whole) :]
        for row, line in enumerate([*lines, rest], number):
            if len(line) > LONGEST_ROW:
                raise UserError(f"{path}: row {row} is longer than {LONGEST_ROW:,} bytes; a row is a single image")
        number += len(lines)
        if lines:
            yield lines


def pixel_values(path: Path, layout: Layout, number: int, rows: list[bytes]) -> np.ndarray:
    """Pixels (N, P), uint8, of rows of which the first is row `number` of the file. Also 12.0 is a whole number."""
    values = parsed(layout, rows)
    if values is None:
        values = parsed(layout, [POINT_ZERO.sub(b"", row) for row in rows])
    if values is not None:
        return values
    for row, written in enumerate(rows, number):
        check_row(path, layout, row, written)
    raise UserError(f"{path}: rows {number} to {number + len(rows) - 1} are no table of whole numbers")


def parsed(layout: Layout, rows: list[bytes]) -> np.ndarray | None:
    """Pixels (N, P), uint8; None where a row has another number of columns, or one is no whole number from 0 to 255."""
    try:
        with warnings.catch_warnings(action="error"):  # some numpys round 1.5 and warn
            text = [row.decode("latin-1") for row in rows]
            separator = layout.separator.decode()
            values = np.loadtxt(text, np.uint8, comments=None, delimiter=separator, ndmin=2, quotechar='"')
    except (ValueError, Warning):
        return None
    return values if values.shape == (len(rows), layout.pixels) else None


def check_row(path: Path, layout: Layout, row: int, written: bytes) -> None:
    """Raise UserError where a row's pixels are not what they should be."""
    where, labelled = f"{path}: row {row}", layout.label is not None
    fields = written.split(layout.separator) if written else []
    if len(fields) != layout.pixels:
        wanted, has = layout.pixels + labelled, len(fields) + labelled
        raise UserError(f"{where}: {has} columns, where {wanted} are expected; complete the row, or take it out")
    for column, field in enumerate(fields, 2 if layout.label == "first" else 1):
        text = field.strip(b' "').decode("utf-8", "replace")
        if not text:
            raise UserError(f"{where}: the pixel in column {column} is missing; fill it in, or take the row out")
        if not re.fullmatch(r"\+?[0-9]+(\.0*)?", text) or float(text) > 255:
            cure = "; multiply the pixels by 255" if re.fullmatch(r"0?\.[0-9]+([eE]-?[0-9]+)?", text) else ""
            raise UserError(f"{where}: column {column} is {text[:40]!r}; a pixel is a whole number from 0 to 255{cure}")


def label_text(path: Path, row: int, written: bytes) -> str:
    """A label as written: a whole number in its shortest form, or a text."""
    try:
        text = written.strip().decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: row {row}: the label is not in UTF-8; save the table as CSV UTF-8") from None
    if text[:1] == text[-1:] == '"':
        text = text[1:-1].replace('""', '"').strip()
    if not text:
        raise UserError(f"{path}: row {row}: the label is missing; fill it in, or take the row out")
    if is_number(text):
        return str(int(float(text)))
    if re.fullmatch(r"-[0-9.]+([eE][+-]?[0-9]+)?|[0-9]*\.[0-9]+([eE][+-]?[0-9]+)?", text):
        raise UserError(
            f"{path}: row {row}: the label is {text[:40]}; labels are whole numbers from 0 up, or texts; mend it"
        )
    return text


def is_number(text: str) -> bool:
    """Whether a text is a whole number below 10^9, such as 12, 12.0 or 1.2e+01."""
    form = re.fullmatch(r"\+?[0-9]{1,9}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?", text)
    return form is not None and float(text).is_integer() and float(text) < 10**9


def label_values(table: Table) -> list[str]:
    """The labels that there are, in order: numbers by size, texts by the alphabet. Raises UserError for a mixture."""
    if table.layout.label is None:
        raise UserError(f"{table.path}: no labels; a training table has a label in each row")
    values = set(table.labels)
    numbers = {value for value in values if is_number(value)}
    if numbers and numbers != values:
        rare = min(numbers, values - numbers, key=lambda some: sum(label in some for label in table.labels))
        number, value = next(pair for pair in enumerate(table.labels) if pair[1] in rare)
        others = "texts" if value in numbers else "whole numbers"
        raise UserError(
            f"{table.path}: row {table.rows_N[number]}: the label is {value[:40]!r}, where the others are {others}"
        )
    return sorted(values, key=int) if numbers else sorted(values)


def names_columns(fields: Sequence[str]) -> bool:
    """Whether a first row names the columns: it counts them, or most of its fields are no numbers."""
    inner = fields[1:-1]  # whichever of the two others is the label
    if len(inner) > 2 and all(map(is_number, inner)):
        return any([*map(float, inner)] == [*range(start, start + len(inner))] for start in (0, 1, 2))
    return sum(bool(field) and not is_number(field) for field in fields) > len(fields) / 2


def label_by_name(path: Path, fields: Sequence[str]) -> End | None:
    """Where the label is, by a header: at the end whose name has no number in it. None where that does not tell."""
    ends: dict[End, str] = {"first": fields[0], "last": fields[-1]}
    named = [end for end, name in ends.items() if not re.search("[0-9]", name)]
    for end in named:
        if ends[end].lower() in ("", "id", "index"):
            raise UserError(f"{path}: row 1: the {end} column, {ends[end]!r}, is no label; take it out of the table")
    return named[0] if len(named) == 1 else None


def label_by_values(path: Path, layout: Layout) -> End:
    """Where the label is in a table without header: where texts are, or else the numbers of a few classes without a gap."""
    ends: dict[End, set[bytes]] = {"first": set(), "last": set()}
    for _, lines, _ in row_chunks(path, layout):
        for end, found in ends.items():
            fields = (Layout(layout.separator, False, end, 0).parted(line)[0].strip(b' "') for line in lines)
            found.update(POINT_ZERO.sub(b"", field) for field in fields)
    if texts := [end for end, found in ends.items() if not all(value.isdigit() and len(value) < 10 for value in found)]:
        likely = texts
    else:
        numbers = {end: sorted(map(int, found)) for end, found in ends.items()}
        likely = [end for end, some in numbers.items() if len(some) > 1 and some[-1] - some[0] + 1 == len(some)]
        likely.sort(key=lambda end: len(ends[end]))
        if len(likely) == 2 and len(ends[likely[0]]) < len(ends[likely[1]]):
            likely.pop()
    if len(likely) != 1:
        raise UserError(f"{path}: the first or the last column may be the label; say data.source.label: first or last")
    return likely[0]


def tables_at(path: str) -> dict[str, Path]:
    """The tables in a folder, by split; or a single one, to train. Raises UserError where there is none."""
    place = existing("path", path)
    if not place.is_dir():
        return {"train": place}
    found: dict[str, Path] = {}
    for entry in sorted(place.iterdir()):
        name = entry.name.lower()
        ending = next((ending for ending in ENDINGS if name.endswith(ending)), None)
        split = {"valid": "val", "validation": "val"}.get(stem := name.removesuffix(ending or ""), stem)
        if ending and entry.is_file() and split in ("train", "val", "test"):
            if split in found:
                raise UserError(
                    f"{place}: both {found[split].name} and {entry.name}; keep one of them, or name it as {split}"
                )
            found[split] = entry
    if "train" not in found:
        raise UserError(f"data.source.path: {path} has no Train.csv; name the training table as data.source.train")
    return found


def existing(option: str, path: str) -> Path:
    place = Path(path).expanduser()
    if not place.exists() or (option != "path" and not place.is_file()):
        raise UserError(f"data.source.{option}: {path}: no such file{' or folder' if option == 'path' else ''}")
    return place


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The content of a table, unpacked, and the file itself, whose position tells how far reading has come."""
    with open(path, "rb") as raw:
        name = path.name.lower()
        if name.endswith(".gz"):
            with gzip.open(raw) as file:
                yield file, raw  # type: ignore[misc]  # it reads like a file
        elif name.endswith(".zip"):
            with zipfile.ZipFile(raw) as archive:
                inside = [name for name in archive.namelist() if is_table(name)]
                if len(inside) != 1:
                    raise UserError(f"{path}: {len(inside)} tables in it; one is expected")
                if inside[0].lower().endswith((".gz", ".zip")):
                    raise UserError(f"{path}: {inside[0]} is packed twice; take it out of the zip")
                if archive.getinfo(inside[0]).flag_bits & 1:
                    raise UserError(f"{path}: encrypted; save it without a password")
                with archive.open(inside[0]) as file:
                    yield file, raw  # type: ignore[misc]
        else:
            yield raw, raw


def is_table(name: str) -> bool:
    """Whether a file is a table, by its name."""
    return name.lower().endswith(ENDINGS) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a path in a folder or archive is one of those that macOS, Jupyter and others add."""
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise UserError in place of an error of reading a file."""
    try:
        yield
    except DAMAGED as error:
        raise UserError(f"{path}: cannot be read: {damage(error)}") from None
