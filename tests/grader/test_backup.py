"""A results folder in one file, and back: the same draws, the same board, whoever writes meanwhile; nothing of a bad file stays."""

import io
import shutil
import stat
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from benchmarks.course import students, write_course
from grader.cli import main
from grader.ledger import backup
from grader.ledger.backup import LIST, back_up, bring_back
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import open_results
from grader.rerun.grading_data import prepare
from tests.grader.engines import MadeUp, graded, noted, scored
from tests.grader.test_damage import RULES, SECRET, said_by
from tests.grader.test_migration import RESULTS as RESULTS_V0

DRAWN = "SELECT student, digest, images, training, seed, round FROM measurements ORDER BY id"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A course of three with its images, in which practice was graded, too."""
    folder = tmp_path_factory.mktemp("course") / "results"
    write_course(folder, students(3), RULES)
    with open_results(folder) as opened:
        prepare(RULES, opened.secret, folder)
    write_course(folder / "practice", students(2), RULES)
    return folder


@pytest.fixture
def course(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "results")


@pytest.fixture(scope="module")
def kept(whole, tmp_path_factory) -> Path:
    archive = tmp_path_factory.mktemp("kept") / "results.tar"
    assert main(["backup", str(whole), "--out", str(archive)]) == 0
    return archive


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and rights of what is not made anew."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: (path.read_bytes() if path.is_file() else b"", stat.S_IMODE(path.stat().st_mode))
        for name, path in names.items()
        if "site/" not in name and not path.name.startswith((".", "leaderboard")) and path.suffix != ".sqlite"
    }


def drawn(results: Path) -> list[tuple]:
    with open_results(results) as opened:
        return [tuple(row) for row in opened.ledger.database.execute(DRAWN)]


def test_what_is_restored_is_the_same_folder_with_the_same_board(whole, kept, tmp_path):
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert main(["restore", str(kept), "--out", str(tmp_path / "back")]) == 0
    assert files(tmp_path / "back") == files(whole)
    assert files(tmp_path / "back")["secret.json"][1] == 0o600
    for place in ("leaderboard.csv", "leaderboard.json", "leaderboard.md", "practice/leaderboard.csv"):
        assert (tmp_path / "back" / place).read_text() == (whole / place).read_text()
    assert (tmp_path / "back" / "site" / "index.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["back"]


def test_it_grades_on_with_the_same_draws(course, kept, write_submission, tmp_path):
    bring_back(kept, tmp_path / "back")
    folder = write_submission().parent
    tables = [
        graded(folder, place, RULES, MadeUp(lambda job: scored()), secret=SECRET)
        for place in (course, tmp_path / "back")
    ]
    assert tables[0] == tables[1] and drawn(course) == drawn(tmp_path / "back")
    assert "kim-minji" in tables[0]


def test_it_is_one_moment_however_many_write(course, tmp_path):
    """Each row of one writer has a file that was there before it: so it has in every backup."""
    done, wrote = threading.Event(), 0

    def write() -> None:
        nonlocal wrote
        ledger = Ledger(course / "ledger.sqlite")
        while not done.is_set():
            wrote += 1
            (course / "submissions").mkdir(exist_ok=True)
            (course / "submissions" / f"digest{wrote}.zip").write_bytes(bytes(1000))
            ledger.note("2026-01-01T00:00:00.000+00:00", noted(f"writer{wrote}", f"digest{wrote}"))
            done.wait(0.002)
        ledger.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(2):
            seen = wrote
            back_up(course, tmp_path / f"{number}.tar", ("site",))
            while wrote == seen:
                done.wait(0.01)
    finally:
        done.set()
        writer.join()
    for number in range(2):
        bring_back(tmp_path / f"{number}.tar", back := tmp_path / f"back{number}")
        with open_results(back) as opened:
            digests = {each.digest for each in opened.ledger.attempts() if each.student.startswith("writer")}
        assert all((back / "submissions" / f"{digest}.zip").stat().st_size == 1000 for digest in digests)
    assert digests


def test_what_somebody_is_at_writing_is_in_no_backup(course, tmp_path):
    """SQLite would take the journal that lies beside a ledger for that of a write that was cut off, and mend what is whole."""
    before, ledger = drawn(course), Ledger(course / "ledger.sqlite")
    with ledger.taken_back():
        ledger.note("2026-01-01T00:00:00.000+00:00", noted("kim"))
        assert (course / "ledger.sqlite-journal").exists()
        back_up(course, tmp_path / "a.tar", ())
    ledger.close()
    bring_back(tmp_path / "a.tar", tmp_path / "back")
    assert not (tmp_path / "back" / "ledger.sqlite-journal").exists()
    assert drawn(tmp_path / "back") == before


def test_a_ledger_of_an_older_version_is_kept_as_it_is(tmp_path):
    with zipfile.ZipFile(RESULTS_V0) as packed:
        packed.extractall(tmp_path / "results")
    before = (tmp_path / "results" / "ledger.sqlite").read_bytes()
    assert main(["backup", str(tmp_path / "results"), "--out", str(tmp_path / "old.tar")]) == 0
    assert (tmp_path / "results" / "ledger.sqlite").read_bytes() == before
    bring_back(tmp_path / "old.tar", tmp_path / "back")
    assert Path(tmp_path / "back" / "ledger.sqlite").read_bytes()[60:64] == bytes(4), "SQLite's user_version"
    assert main(["leaderboard", str(tmp_path / "back")]) == main(["leaderboard", str(tmp_path / "results")]) == 0
    boards = [(tmp_path / place / "leaderboard.csv").read_text() for place in ("back", "results")]
    assert boards[0] == boards[1]


def damaged_ledger(course: Path) -> None:
    content = (course / "ledger.sqlite").read_bytes()
    (course / "ledger.sqlite").write_bytes(content[:4096] + b"\xff" * len(content[4096:]))


SPOILT = {
    "no results": (lambda course: shutil.rmtree(course), "no results there"),
    "damaged": (damaged_ledger, "ledger.sqlite: is damaged"),
    "another program's": (lambda course: (course / "ledger.sqlite").write_bytes(b""), "ledger.sqlite: is damaged"),
    "without its key": (lambda course: (course / "secret.json").unlink(), "secret.json is gone"),
}


@pytest.mark.parametrize("spoil, said", SPOILT.values(), ids=SPOILT)
def test_what_would_be_no_backup_leaves_the_older_one(course, spoil, said, tmp_path, capsys):
    (tmp_path / "older.tar").write_bytes(b"older")
    spoil(course)
    assert said in said_by(["backup", str(course), "--out", str(tmp_path / "older.tar")], capsys)
    assert (tmp_path / "older.tar").read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} <= {"older.tar", "results"}


def test_a_backup_that_is_stopped_leaves_the_older_one(course, tmp_path, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    (tmp_path / "older.tar").write_bytes(b"older")
    monkeypatch.setattr(backup, "add_file", stop)
    assert main(["backup", str(course), "--out", str(tmp_path / "older.tar")]) == 130
    assert (tmp_path / "older.tar").read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {"older.tar", "results"}


def test_it_lies_elsewhere_and_tells_of_links(course, tmp_path, capsys):
    assert "take another folder" in said_by(["backup", str(course), "--out", str(course / "a.tar")], capsys)
    (course / "elsewhere").symlink_to(tmp_path)
    assert main(["backup", str(course), "--out", str(tmp_path / "a.tar")]) == 0
    assert f"{course}/elsewhere: is a link, and left out" in capsys.readouterr().out


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> tuple:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, len(content)
    return info, content


def rewritten(kept: Path, archive: Path, more: list[tuple], first: bool = False, drop: str = "") -> None:
    """A backup with these members besides, and without one."""
    with tarfile.open(kept) as old, tarfile.open(archive, "w") as new:
        own = [(each, old.extractfile(each).read() if each.isreg() else b"") for each in old if each.name != drop]
        for info, content in [*more, *own] if first else [*own[:-1], *more, own[-1]]:
            new.addfile(info, io.BytesIO(content))


HOSTILE = {
    "a path upwards": [member("../escaped", b"x")],
    "a path upwards, further in": [member("withheld/../../escaped", b"x")],
    "an absolute path": [member("/tmp/escaped", b"x")],
    "a path with a NUL": [member("a\0b", b"x")],
    "a link": [member("link", kind=tarfile.SYMTYPE, target="/etc")],
    "a path through a link": [member("link", kind=tarfile.SYMTYPE, target=".."), member("link/escaped", b"x")],
    "another name": [member("link", kind=tarfile.LNKTYPE, target="secret.json")],
    "a device": [member("device", kind=tarfile.CHRTYPE)],
    "a pipe": [member("pipe", kind=tarfile.FIFOTYPE)],
    "a file twice": [member("twice", b"x"), member("twice", b"y")],
    "a file as a folder": [member("file", b"x"), member("file/below", b"x")],
    "a file that nobody listed": [member("more", b"x")],
    "a ledger's journal": [member("ledger.sqlite-journal", b"x")],
    "a hidden file": [member(".lock", b"x")],
    "a list in a list": [member(LIST, b"[" * 100_000)],
    "a list of none": [member(LIST, b"[]")],
    "an empty list": [member(LIST, b'{"form": 1, "sha256": {}}')],
    "a newer list": [member(LIST, b'{"form": 2, "sha256": {}}')],
}


def refused(archive: Path, tmp_path: Path, capsys) -> str:
    """What is said of a file of which nothing is restored."""
    before = set(tmp_path.rglob("*"))
    said = said_by(["restore", str(archive), "--out", str(tmp_path / "back")], capsys)
    assert set(tmp_path.rglob("*")) == before and str(archive) in said
    return said


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("more", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_one_line_and_nothing_is_left_behind(more, first, kept, tmp_path, capsys):
    rewritten(kept, tmp_path / "hostile.tar", more, first)
    assert "no backup, or a damaged one" in refused(tmp_path / "hostile.tar", tmp_path, capsys)


@pytest.mark.parametrize("name", ["secret.json", "ledger.sqlite", "assignment.json", LIST])
def test_a_file_that_lacks_a_piece_is_refused(name, kept, tmp_path, capsys):
    rewritten(kept, tmp_path / "lacking.tar", [], drop=name)
    refused(tmp_path / "lacking.tar", tmp_path, capsys)


def test_a_file_that_is_cut_off_or_changed_anywhere_is_refused(kept, tmp_path, capsys):
    content, cut = kept.read_bytes(), tmp_path / "cut.tar"
    with tarfile.open(kept) as packed:
        members = packed.getmembers()
    last = members[-1].offset
    for length in (0, 1, 512, last // 2, last // 1024 * 512, last, last + 512, last + 600):
        cut.write_bytes(content[:length])
        refused(cut, tmp_path, capsys)
    for each in members[::7]:
        for at in (each.offset + 2, each.offset + 103, each.offset_data + each.size // 2):  # name, rights, content
            if at < each.offset_data + each.size:
                cut.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
                refused(cut, tmp_path, capsys)


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b" + bytes(50)])
def test_what_is_no_tar_is_refused(content, tmp_path, capsys):
    (tmp_path / "no.tar").write_bytes(content)
    refused(tmp_path / "no.tar", tmp_path, capsys)


def test_a_folder_that_is_there_stays_as_it_is(kept, tmp_path, capsys):
    (tmp_path / "back").mkdir()
    said = said_by(["restore", str(kept), "--out", str(tmp_path / "back")], capsys)
    assert "is there already" in said and not [*(tmp_path / "back").iterdir()]
    said = said_by(["restore", str(kept), "--out", str(tmp_path / "none" / "back")], capsys)
    assert "cannot be written" in said and not (tmp_path / "none").exists()
    assert "cannot be read" in said_by(["restore", str(tmp_path / "no.tar"), "--out", str(tmp_path / "b")], capsys)
