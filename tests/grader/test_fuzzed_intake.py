"""Bytes that nobody thought of: whatever is handed in, it is that submission's verdict, soon and within bounds of memory."""

import gzip
import io
import json
import lzma
import resource
import tarfile
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grader.grading.examination import Examined, examine
from grader.intake.checks import check_time
from grader.intake.downloads import find_downloads
from grader.intake.hand_in_times import TIMES
from grader.intake.strict_yaml import MAX_BYTES
from grader.rules import Rules
from project.support.errors import UserError

SECONDS = 15  # of a processor's time for one submission, on a slow machine
MEMORY = 2 * 10**9  # bytes that reading and checking one may take

fast = settings(max_examples=25, suppress_health_check=[*HealthCheck])
long = settings(fast, max_examples=3000)


@pytest.fixture
def bounded():
    """Bounds of memory as those that submissions are examined in."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


def looked_at(source: Path, results: Path) -> Examined:
    """It, examined in this process, where nothing catches what is not its verdict."""
    results.mkdir(exist_ok=True)
    (results / "submissions").mkdir(exist_ok=True)
    began = time.process_time()
    found = Examined(**examine(str(source), None, "", "", False, str(results), 15, {}))
    assert time.process_time() - began < SECONDS
    assert found.student and all(text.isprintable() for each in found.findings for text in each.values()), found
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory, config) -> dict[str, bytes]:
    return {
        "config.yaml": config.encode(),
        "student.yaml": b"id: kim-minji\nname: Kim\n",
        "REPORT.md": b"# Report\n" + b"What we did. " * 100,
        "work/notes.ipynb": json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode(),
        "net.py": b"import torch\n\nclass Net(torch.nn.Module):\n    pass\n",
    }


def packed(files: dict[str, bytes], kind: str) -> bytes:
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return made.getvalue()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(content), {"comment": "x" * 50}
            tar.addfile(info, io.BytesIO(content))
    return {"tar": bytes, "tar.gz": gzip.compress, "tar.xz": lzma.compress}[kind](made.getvalue())


# An edit at a place from 0 to 1 of the whole: other bytes there, fewer, or some of what stands elsewhere.
edit = st.tuples(
    st.floats(0, 1), st.sampled_from(["put", "cut", "copy"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)
)
NUMBERS = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x01\0\0\0", b"77777777777\0", b"-0000000001\0"]
edits = st.lists(edit | st.tuples(st.floats(0, 1), st.just("put"), st.just(0.0), st.sampled_from(NUMBERS)), max_size=6)


def edited(content: bytes, changes: list[tuple[float, str, float, bytes]]) -> bytes:
    for at, what, other, new in changes:
        start, second = int(at * len(content)), int(other * len(content))
        if what == "put":
            content = content[:start] + new + content[start + len(new) :]
        elif what == "cut":
            content = content[:start] + content[max(start, second) :]
        else:
            content = content[:start] + content[second : second + 512] + content[start:]
    return content


def mutated_archives(kind, changes, inner, files, folder):
    """Edit the archive, or what lies below its compression, which a damaged checksum would otherwise hide."""
    whole = packed(files, kind)
    if inner and kind in ("tar.gz", "tar.xz"):
        pack = gzip.compress if kind == "tar.gz" else lzma.compress
        unpack = gzip.decompress if kind == "tar.gz" else lzma.decompress
        content = pack(edited(unpack(whole), changes))
    else:
        content = edited(whole, changes)
    source = folder / f"kim.{kind}"
    source.write_bytes(content)
    looked_at(source, folder / "results")


kinds = st.sampled_from(["zip", "tar", "tar.gz", "tar.xz"])


@fast
@given(kinds, edits, st.booleans())
@example("zip", [(0.84765625, "put", 0.0, bytes(4))], False)  # a name without a letter
def test_no_archive_is_more_than_its_own_trouble(bounded, tmp_path, files, kind, changes, inner):
    mutated_archives(kind, changes, inner, files, tmp_path)


@pytest.mark.slow
@long
@given(kinds, edits, st.booleans())
def test_no_archive_of_many_is_more_than_its_own_trouble(bounded, tmp_path, files, kind, changes, inner):
    mutated_archives(kind, changes, inner, files, tmp_path)


TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "? ",
    "| ",
    "> ",
    "&a ",
    "*a ",
    "!!bool ",
    "!!python/name:os.system ",
    "<<: ",
    "# ",
]
TOKENS += [
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    "'",
    '"',
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "~",
    "null",
    "yes",
    ".inf",
    ".nan",
    "1e999",
]
TOKENS += [
    "0x" + "f" * 30,
    "1:" * 20 + "1",
    "2026-99-99",
    "2026-11-29 10:00:00+99:00",
    "9" * 5000,
    "\ud800",
    "\0",
    "\ufeff",
]
KEYS = [
    "model",
    "network",
    "class_path",
    "init_args",
    "trainer",
    "max_epochs",
    "data",
    "callbacks",
    "optimizer",
    "id",
    "name",
]
yaml_texts = st.lists(
    st.sampled_from(TOKENS) | st.sampled_from(KEYS).map("{}: ".format) | st.text(max_size=6), max_size=60
).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))
json_texts = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["code", "markdown"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "cell_type", "source", "outputs", "metadata", "nbformat", "data", "text", "text/plain"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
).map(lambda value: json.dumps(value).encode())
repeated = st.tuples(
    st.sampled_from([b"[", b"{", b"- ", b"? ", b"a: ", b"!", b"(", b"\n", b"'"]), st.integers(1, MAX_BYTES)
).map(lambda pair: pair[0] * (pair[1] // len(pair[0])))
texts = st.one_of(yaml_texts, json_texts, repeated, st.binary(max_size=300), edits)
NAMES = (
    "config.yaml",
    "student.yaml",
    "REPORT.md",
    "CONCLUSION.md",
    "work.ipynb",
    "net.py",
    "REPORT.docx",
    "REPORT.pdf",
)


def strange_files(changed, files, folder):
    """A submission with some of its files written, or edited, anew."""
    source = folder / "kim"
    for name in NAMES:
        content = changed.get(name, files.get(name))
        if isinstance(content, list):
            content = edited(files.get(name, files["config.yaml"]), content)
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).unlink(missing_ok=True)
        if content is not None:
            (source / name).write_bytes(content)
    looked_at(source, folder / "results")


@fast
@given(st.dictionaries(st.sampled_from(NAMES), texts, min_size=1, max_size=3))
@example({"config.yaml": "{\ud7fc".encode()})  # a character that cannot be printed, in what is said
def test_no_file_is_more_than_its_submission_s_trouble(bounded, tmp_path, files, changed):
    strange_files(changed, files, tmp_path)


@pytest.mark.slow
@long
@given(st.dictionaries(st.sampled_from(NAMES), texts, min_size=1, max_size=3))
def test_no_file_of_many_is_more_than_its_submission_s_trouble(bounded, tmp_path, files, changed):
    strange_files(changed, files, tmp_path)


cells = st.sampled_from(
    ["kim.zip", "lee.zip", "file", "submitted", "2026-12-04T23:59:00+09:00", "2026-12-04", "9999-12-31T23:59:59-23:59"]
    + ["0001-01-01T00:00:00+23:59", "", '"', "\0", "\ufeff", "," * 100, "x" * 200_000, "../kim.zip", "김민지.zip"]
) | st.text(max_size=10)
tables = st.lists(st.lists(cells, max_size=4).map(",".join), max_size=6).map("\n".join)
contents = tables.map(lambda text: f"file,submitted\n{text}".encode("utf-8", "replace")) | st.binary(max_size=200)


DEADLINE = Rules(deadline=datetime(2026, 12, 4, tzinfo=UTC))


def read_times(table: bytes, folder: Path) -> None:
    for name in ("kim.zip", "lee.zip"):
        (folder / name).write_bytes(b"PK")
    (folder / TIMES).write_bytes(table)
    try:
        found = find_downloads(folder)
    except UserError as error:
        assert "\n" not in str(error) and TIMES in str(error)
    else:
        assert {download.source.name for download in found} == {"kim.zip", "lee.zip"}
        for download in found:
            list(check_time(download.submitted, download.late, DEADLINE))


@fast
@given(contents)
@example(b"file,submitted\nkim.zip,0001-01-01T00:00:00+23:59\n")
@example(b"file,submitted\nkim.zip,9999-12-31T23:59:59-23:59\n")
@example(b"\x1c")
@example(b",")
@example(b'file,submitted\n"\n",2026-12-04T23:59:00+09:00')
def test_no_table_of_times_is_more_than_a_line(tmp_path, table):
    read_times(table, tmp_path)


WORKSHEET = (
    b"Identifier,Full name,ID number,Last modified (submission)\n"
    b'Participant 1,Kim,20260001,"Wednesday, 2 December 2026, 10:00 AM"\n'
    b'Participant 2,Eve,20260002,"Wednesday, 9 December 2026, 10:00 AM"\n'
)
columns = st.sampled_from(
    [
        "Identifier",
        "식별자",
        "Full name",
        "ID number",
        "Last modified (submission)",
        "마지막 수정됨(제출)",
        "file",
        "submitted",
    ]
    + [
        "username",
        "datetime",
        "late",
        "Participant 1",
        "Participant 2",
        "20260001",
        "2 December 2026, 10:00 AM",
        "yesterday",
    ]
)
of_students = st.lists(st.lists(columns | cells, max_size=5).map(",".join), max_size=6).map("\n".join)
csv_files = of_students.map(lambda text: text.encode("utf-8", "replace")) | contents | st.just(WORKSHEET[:-40])
csv_names = st.one_of(
    st.sampled_from(["times", "scores", "roster", "x_1_2_y", "_assignsubmission_file_"]), st.text("a_1.é ", max_size=9)
)


def beside_a_students_tables(files: dict[str, bytes], folder: Path) -> None:
    """Moodle's downloads with its worksheet, and what one student hands in besides: nothing of the others' changes."""
    for old in folder.iterdir():
        old.unlink()
    zips = [f"{name}_assignsubmission_file_a.zip" for name in ("Kim_1", "Eve_2", "Lee_3")]
    for name in zips:
        (folder / name).write_bytes(b"PK")
    (folder / "Grades.csv").write_bytes(WORKSHEET)
    expected = {each.source.name: each for each in find_downloads(folder)}
    for name, content in files.items():
        (folder / f"Eve_2_assignsubmission_file_{name}.csv").write_bytes(content)
    found = {each.source.name: each for each in find_downloads(folder)}
    assert {name: found[name] for name in zips} == expected
    assert all(each.student == "eve-2" for name, each in found.items() if name not in zips)


@fast
@given(st.dictionaries(csv_names, csv_files, min_size=1, max_size=3))
@example({"a": b"Identifier,Last modified (submission)\nnobody,yesterday\n"})
def test_no_csv_of_a_student_s_is_anybody_else_s_trouble(tmp_path, files):
    beside_a_students_tables(files, tmp_path)


@pytest.mark.slow
@long
@given(st.dictionaries(csv_names, csv_files, min_size=1, max_size=3))
def test_no_csv_of_many_is_anybody_else_s_trouble(tmp_path, files):
    beside_a_students_tables(files, tmp_path)


@pytest.mark.slow
@long
@given(contents)
def test_no_table_of_many_is_more_than_a_line(tmp_path, table):
    read_times(table, tmp_path)
