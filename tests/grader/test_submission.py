"""Intake: the same submission from every container, and nothing that reaches beyond it."""

import os
import re
import struct
import tarfile
import unicodedata
import zipfile
from datetime import datetime

import pytest

from grader.cli import main
from grader.intake.checks import check
from grader.intake.downloads import find_downloads
from grader.intake.packing import pack
from grader.intake.submission import MAX_FILES, safe_id, take_in
from grader.safe_text import csv_text, inert, printable


def tar_of(folder, path, mode="w", prefix=""):
    with tarfile.open(path, mode) as archive:
        archive.add(folder, prefix or ".")
    return path


def zip_of(files, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_every_container_gives_the_same_submission(write_submission, tmp_path):
    folder = write_submission(network_py="class Net: pass\n")
    taken = take_in(folder)
    assert taken.student == "kim-minji" and taken.tier == "audited" and not taken.unusable
    pack(taken, tmp_path / "a.zip")
    packed = [
        tmp_path / "a.zip",
        tar_of(folder, tmp_path / "b.tar"),
        tar_of(folder, tmp_path / "c.tar.gz", "w:gz", "kim-minji/submission"),
        tar_of(folder, tmp_path / "d.tar.xz", "w:xz", "wrapper"),
    ]
    assert {take_in(path).digest for path in packed} == {taken.digest}
    assert {take_in(path).student for path in packed} == {"kim-minji"}


def test_a_name_that_no_disk_stores_is_told_by_check_and_pack(write_submission, tmp_path, capsys):
    """Linux stores 255 bytes; a zip takes more, and a Korean letter has three."""
    files = {path.name: path.read_bytes() for path in write_submission().iterdir()}
    for name, fits in (("가" * 84 + ".py", True), ("가" * 85 + ".py", False), ("x" * 256 + "/a.txt", False)):
        archive = zip_of({**files, name: b"x = 1\n"}, tmp_path / "kim-minji.zip")
        assert bool(take_in(archive).unusable) != fits, name
        assert main(["check", str(archive)]) == int(not fits)
        assert ("more than 255 bytes" in capsys.readouterr().out) != fits


@pytest.mark.parametrize(
    "text", ["=1+1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(1)", "\ufe661", "\u207a1", "=\u0338", "\t="]
)
def test_no_cell_of_a_csv_is_a_formula_in_any_width(text):
    assert inert(text) == f"'{text}" and csv_text([[text]], bom=False).startswith(("'", "\"'"))
    assert [inert(plain) for plain in ("-", "a=1", "", "\uff21=")] == ["-", "a=1", "", "\uff21="]


@pytest.mark.parametrize("written", ["0201", "0123456", "2020_1234", "0x1f", "1e3", "no", "null", "2024-02-31"])
def test_an_id_is_what_is_written_and_no_number(written, write_submission, rules):
    folder = write_submission(**{"student.yaml": f"id: {written}  # mine\nname: {written}\n"})
    taken = take_in(folder)
    assert (taken.student, taken.name) == (written, written) and not check(taken, rules)


@pytest.mark.parametrize("written", ["12:30", "1.5", "[1, 2]", "{a: b}", "~"])
def test_what_cannot_be_an_id_is_not_made_one(written, write_submission, rules):
    folder = write_submission(**{"student.yaml": f"id: {written}\nname: Kim\n"})
    assert [finding.where for finding in check(take_in(folder), rules)] == ["student.yaml: id"]


def test_packing_twice_gives_the_same_bytes(write_submission, tmp_path):
    taken = take_in(write_submission())
    for name in ("one.zip", "two.zip"):
        pack(taken, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_is_packed_is_dated_by_the_newest_of_its_files(write_submission, tmp_path):
    folder, when = write_submission(), datetime(2026, 12, 1, 10, 0, 2).astimezone()
    for file in folder.iterdir():
        os.utime(file, (0, when.timestamp() - 86400))
    os.utime(folder / "config.yaml", (0, when.timestamp()))
    pack(take_in(folder), tmp_path / "a.zip")
    assert take_in(tmp_path / "a.zip").changed == when.replace(tzinfo=None)
    pack(take_in(tmp_path / "a.zip"), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    for year in (1970, 1980, 9999):  # which a zip has no date for, or which says nothing
        os.utime(folder / "config.yaml", (0, datetime(year, 1, 2).timestamp()))
        pack(take_in(folder), tmp_path / "c.zip")
        assert take_in(tmp_path / "c.zip").digest == take_in(folder).digest


def test_a_change_changes_the_digest(write_submission):
    folder = write_submission()
    before = take_in(folder).digest
    (folder / "REPORT.md").write_text((folder / "REPORT.md").read_text() + ".")
    assert take_in(folder).digest != before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"../config.yaml": "x"}, "points out"),
        ({"/etc/config.yaml": "x"}, "points out"),
        ({"a/../../config.yaml": "x"}, "points out"),
        ({"config.yaml": "x", "CONFIG.YAML": "y"}, "there twice"),
        ({"config.yaml": "x", "결론.md": "x", unicodedata.normalize("NFD", "결론.md"): "y"}, "there twice"),
        ({"a/b/c/d/e/f/g/config.yaml": "x"}, "deeper than"),
        ({f"{i}.txt": "x" for i in range(MAX_FILES + 1)}, "more than"),
        ({"config.yaml": "x", "weights.bin": "0" * 3_000_000}, "larger than 2 MB"),
        ({f"{i}.txt": "0" * 1_900_000 for i in range(8)}, "larger than 10 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_zips_are_unusable(files, said, tmp_path):
    assert said in take_in(zip_of(files, tmp_path / "x.zip")).unusable


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_tars_are_unusable(kind, tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("config.yaml")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert "link or a device" in take_in(tmp_path / "x.tar").unusable


def forged_zip(path, entries, content=b""):
    """A zip's list of names, each with (extra field, packed size, place), behind `content`."""
    head = struct.Struct("<4s4B4HL2L5H2L")
    listed = b"".join(
        head.pack(b"PK\1\2", 20, 3, 20, 0, 0, 8, 0, 33, 0, size, 9, len(name), len(extra), 0, 0, 0, 0, place)
        + name
        + extra
        for name, extra, size, place in entries
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *[len(entries)] * 2, len(listed), len(content), 0)
    path.write_bytes(content + listed + end)
    return path


UNUSABLE = "unusual|cannot be read"  # some versions of Python notice it before we do


def overlapping(count):
    """Files that are all unpacked from the same megabytes, and come to nothing: what is in them are empty blocks."""
    packed = b"\0\0\0\xff\xff" * 200_000
    names = [b"%03d" % number for number in range(count)]
    head = struct.Struct("<4s2B4HL2L2H")
    size = head.size + 3
    heads = [
        head.pack(b"PK\3\4", 20, 0, 0, 8, 0, 33, 0, len(packed), 9, 3, (count - 1 - index) * size) + name
        for index, name in enumerate(names)
    ]
    return [(name, b"", len(packed), index * size) for index, name in enumerate(names)], b"".join(heads) + packed


@pytest.mark.parametrize(
    "forged",
    [
        ([(b"%x/" % number, b"", 0, 0) for number in range(60_000)],),
        ([(b"%x/" % number, b"\x09\0\0\0" * 16_000, 0, 0) for number in range(9)],),
        overlapping(20),
    ],
    ids=["names", "extra fields", "overlapping files"],
)
def test_zips_that_could_keep_the_grader_busy_are_unusable(forged, tmp_path):
    assert re.search(UNUSABLE, take_in(forged_zip(tmp_path / "x.zip", *forged)).unusable)


@pytest.mark.parametrize("name", ["__MACOSX" + "/a" * 30_000, "a" * 60_000])
def test_endless_names_are_unusable(name, tmp_path):
    assert "name of more than" in take_in(zip_of({name: "", "config.yaml": ""}, tmp_path / "x.zip")).unusable


def extended(kind, records, name="config.yaml", size=0):
    """A tar's member behind an extended header."""
    blocks = b""
    for about, content in ((member("x", len(records), kind), records), (member(name, size), b"")):
        blocks += about + content + bytes(-len(content) % 512)
    return blocks


def member(name, size=0, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def sparse(pieces):
    """A tar's member of one byte and one hole after the other, in GNU's format 1.0: it is joined by copying all of it each time."""
    parts = "".join(f"{2 * number}\n1\n" for number in range(pieces)).encode()
    table = b"%d\n%s" % (pieces, parts)
    content = table + bytes(-len(table) % 512) + b"x" * pieces
    said = {"major": "1", "minor": "0", "name": "config.yaml", "realsize": str(2 * pieces)}
    info = tarfile.TarInfo("x")
    info.size, info.pax_headers = len(content), {f"GNU.sparse.{key}": value for key, value in said.items()}
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % 512)


@pytest.mark.parametrize(
    "blocks",
    [
        sparse(1000),
        extended(tarfile.XHDTYPE, b"1" * 20_000),
        extended(tarfile.XGLTYPE, b"2 " * 9_999 + b"x="),
        extended(tarfile.GNUTYPE_LONGNAME, b"a/" * 9_000),
        extended(tarfile.XHDTYPE, b"1" * 4000, "._x") * 500,
        extended(tarfile.XHDTYPE, b"14 size=-1536\n", "._x"),
        member("._x", -2048, tarfile.XHDTYPE) * 2,
        member("._x", -2048),
    ],
    ids=["sparse", "digits", "keys", "long name", "many", "size below 0", "header below 0", "file below 0"],
)
def test_tars_that_could_keep_the_grader_busy_are_unusable(blocks, tmp_path):
    (tmp_path / "x.tar").write_bytes(blocks + bytes(1024))
    assert re.search(UNUSABLE, take_in(tmp_path / "x.tar").unusable)


def test_a_tar_s_extended_headers_are_read(write_submission, tmp_path):
    folder = write_submission()
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, "/".join(["가나다" * 28] * 2))
    assert take_in(tmp_path / "x.tar").digest == take_in(folder).digest


def test_links_in_folders_are_unusable(write_submission):
    folder = write_submission()
    (folder / "secret.py").symlink_to("/etc/passwd")
    assert "link or a device" in take_in(folder).unusable
    (folder / "secret.py").unlink()
    (folder / "neighbour").symlink_to("/etc")
    assert "link or a device" in take_in(folder).unusable


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_what_is_damaged_is_unusable_not_a_crash(suffix, write_submission, tmp_path):
    whole = tmp_path / f"x{suffix}"
    if suffix == ".zip":
        pack(take_in(write_submission()), whole)
    else:
        tar_of(write_submission(), whole, {".tar": "w", ".tar.gz": "w:gz", ".tar.xz": "w:xz"}[suffix])
    content = whole.read_bytes()
    for cut in (0, 10, len(content) // 2):
        whole.write_bytes(content[:cut])
        taken = take_in(whole)
        assert taken.unusable and "\n" not in taken.unusable and taken.student == "x"


def test_a_lying_size_is_found_out(tmp_path):
    path = zip_of({"config.yaml": "0" * 3_000_000}, tmp_path / "x.zip")
    content = path.read_bytes()
    lie = (3_000_000).to_bytes(4, "little")
    path.write_bytes(content.replace(lie, (10).to_bytes(4, "little")))
    taken = take_in(path)
    assert taken.unusable or len(taken.files["config.yaml"]) <= 10


def test_encrypted_zips_are_unusable(tmp_path):
    path = zip_of({"config.yaml": "x"}, tmp_path / "x.zip")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    assert "encrypted" in take_in(path).unusable


def test_names_are_safe_whatever_they_are():
    assert safe_id("../../etc/passwd") == "etc-passwd"
    assert safe_id("Kim Minji 김민지") == "kim-minji"
    assert safe_id("김민지") == "" and len(safe_id("x" * 500)) == 64
    assert safe_id("a" + "\u0301\u0323" * 100_000) == "a" and printable("a" * 10**7) == "a" * 80
    assert printable("a\x1b[31mred\u202eevil\nline\0") == "a [31mred evil line"


def test_a_submission_without_a_usable_id_takes_the_file_s_name(write_submission, tmp_path):
    folder = write_submission("someone", **{"student.yaml": "id: [1, 2"})
    assert take_in(folder).student == "someone"


def test_finds_folders_and_archives_or_the_one_given(write_submission, tmp_path):
    one = write_submission("one")
    zip_of({"config.yaml": ""}, one.parent / "two.zip")
    (one.parent / "notes.txt").write_text("")
    assert [found.source.name for found in find_downloads(one.parent)] == ["one", "two.zip"]
    assert [found.source for found in find_downloads(one)] == [one]


@pytest.mark.parametrize("wrapper", ["", "submission/"])
def test_documents_beside_an_archive_belong_to_it(wrapper, tmp_path):
    folder = tmp_path / "kim"
    folder.mkdir()
    zip_of({f"{wrapper}config.yaml": "a: 1", f"{wrapper}REPORT.md": "inside"}, folder / "hw.zip")
    (folder / "CONCLUSION.pdf").write_bytes(b"%PDF-")
    (folder / "report.md").write_text("inside")
    found = take_in(folder)
    assert not found.unusable
    assert found.files == {"config.yaml": b"a: 1", "REPORT.md": b"inside", "CONCLUSION.pdf": b"%PDF-"}
    (folder / "model.py").write_text("x = 1")  # which of the two is meant, a person has to say
    assert sorted(take_in(folder).files) == ["CONCLUSION.pdf", "hw.zip", "model.py", "report.md"]


@pytest.mark.parametrize("wrapper", ["", "submission/"])
def test_a_document_that_is_another_one_in_the_archive_is_not_taken_for_either(wrapper, tmp_path):
    zip_of({f"{wrapper}config.yaml": "a: 1", f"{wrapper}REPORT.md": "to be filled in"}, tmp_path / "hw.zip")
    (tmp_path / "report.md").write_text("finished")
    assert "report.md" in (said := take_in(tmp_path).unusable) and "twice, in the archive and beside it" in said
    (tmp_path / "report.md").unlink()
    assert take_in(tmp_path).files["REPORT.md"] == b"to be filled in"


def test_the_archive_alone_does_not_date_what_lies_beside_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "hw.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("config.yaml", (2026, 12, 1, 10, 0, 0)), "a: 1")
    assert take_in(tmp_path).changed == datetime(2026, 12, 1, 10)
    (tmp_path / "REPORT.pdf").write_bytes(b"%PDF-")  # added after the deadline
    found = take_in(tmp_path)
    assert not found.unusable and "REPORT.pdf" in found.files and found.changed is None


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("within", ["", "hw/"])
def test_of_two_configs_that_lie_equally_deep_none_is_taken(within, order, tmp_path):
    two = {f"{within}{name}/config.yaml": name for name in order}
    found = take_in(zip_of(two, tmp_path / "x.zip"))
    assert found.unusable.startswith(f"'{within}a/config.yaml' and '{within}b/config.yaml' lie equally deep")
    beside = {"__MACOSX/config.yaml": "", ".DS_Store/config.yaml": ""}
    assert not take_in(zip_of({f"{within}a/config.yaml": "", **beside}, tmp_path / "y.zip")).unusable
    assert take_in(zip_of({"c/config.yaml": "c", **{f"d/{name}": "" for name in two}}, tmp_path / "z.zip")).files == {
        "config.yaml": b"c"
    }, "the shallowest alone counts"


@pytest.mark.parametrize("beside", ["", "__MACOSX/config.yaml"])
def test_what_a_system_adds_marks_no_submission_beside_documents(beside, tmp_path):
    zip_of({"hw/config.yaml": "a: 1", **({beside: ""} if beside else {})}, tmp_path / "hw.zip")
    (tmp_path / "REPORT.md").write_text("x")
    assert sorted(take_in(tmp_path).files) == ["REPORT.md", "config.yaml"]


class AsWindows(zipfile.ZipInfo):
    """A name in an encoding that nothing in the zip tells."""

    encoding = "cp949"

    def _encodeFilenameFlags(self):  # noqa: N802 (zipfile's)
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


@pytest.mark.parametrize("folder", ["", "김민지_과제/", "김민지_과제\\"])
@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_names_that_a_zip_does_not_say_the_encoding_of_are_korean_where_they_can_be(encoding, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("config.yaml", "보고서.md", "결론.md"):
            info = AsWindows(folder + name)
            info.encoding = encoding
            archive.writestr(info, name)
        archive.writestr(folder + "그림.png", "told to be UTF-8")
    found = take_in(tmp_path / "x.zip")
    assert not found.unusable and sorted(found.files) == ["config.yaml", "결론.md", "그림.png", "보고서.md"]
    assert found.files["보고서.md"].decode() == "보고서.md"


@pytest.mark.parametrize("name", ["résumé.md", "..\\보고서.md", "../보고서.md", "/보고서.md"])
def test_other_names_stay_and_none_points_out(name, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        info = AsWindows(name)
        info.encoding = "cp437" if name == "résumé.md" else "cp949"
        archive.writestr(info, "x")
    found = take_in(tmp_path / "x.zip")
    assert [*found.files] == ["résumé.md"] if name == "résumé.md" else "points out" in found.unusable


@pytest.mark.parametrize("inside", ["NFC", "NFD"])
def test_a_name_is_one_in_the_archive_and_beside_it_in_each_of_its_normal_forms(inside, tmp_path):
    other = {"NFC": "NFD", "NFD": "NFC"}[inside]
    zip_of({"config.yaml": "a: 1", unicodedata.normalize(inside, "보고서.md"): "one"}, tmp_path / "hw.zip")
    beside = tmp_path / unicodedata.normalize(other, "보고서.md")
    beside.write_text("one")
    assert len(take_in(tmp_path).files) == 2
    beside.write_text("other")
    assert "twice, in the archive and beside it" in take_in(tmp_path).unusable


def test_what_windows_writes_between_folders_divides_names(tmp_path):
    files = {"submission\\": "", "submission\\config.yaml": "a: 1", "submission\\student.yaml": "id: kim"}
    found = take_in(zip_of(files, tmp_path / "x.zip"))
    assert not found.unusable and sorted(found.files) == ["config.yaml", "student.yaml"]
    assert "points out" in take_in(zip_of({"..\\config.yaml": "x"}, tmp_path / "y.zip")).unusable
