"""What one submission does when it is read and checked is its own trouble: everybody else's goes on."""

import errno
import io
import random
import re
import tarfile
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from grader.apart import Apart
from grader.grading import examination
from grader.grading.hand_ins import hand_ins, read_roster
from grader.grading.register_submissions import examined, register
from grader.intake.downloads import Download
from grader.intake.submission import take_in
from grader.ledger.results_folder import open_results
from grader.ledger.submission_store import kept_for_training
from grader.sandbox.supervision import Outcome
from project.support.errors import UserError
from tests.grader.engines import TESTS, MadeUp, graded, scored

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def registered(folder: Path, results: Path, rules):
    """Ids of the submissions that nothing is wrong with, and the reasons of the others by id."""
    with open_results(results, new=True, secret=TESTS) as opened:
        work = register(hand_ins(folder, rules), opened, rules)
        noted = {student: next(opened.ledger.graded(f"1 max_epochs {rules.max_epochs}", student)) for student in work}
    found = {student: [f for f in each.findings if f["severity"] == "reject"] for student, each in noted.items()}
    return {student for student, wrong in found.items() if not wrong}, {
        student: f"{wrong[0]['where']}: {wrong[0]['what']}" for student, wrong in found.items() if wrong
    }


def pax(folder: Path) -> None:
    with tarfile.open(folder / "all.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("config.yaml")
        info.pax_headers = {f"key{number}": "x" * 1000 for number in range(1000)}
        archive.addfile(info)


def xz_bomb(folder: Path) -> None:
    with tarfile.open(folder / "all.tar.xz", "w:xz", preset=1) as archive:
        info = tarfile.TarInfo("config.yaml")
        info.size = 100 * 10**6
        archive.addfile(info, io.BytesIO(bytes(info.size)))


def noise(folder: Path) -> None:
    (folder / "all.zip").write_bytes(random.Random(1).randbytes(100_000))


LINES = b"1\n" * 10**6
ATTACKS = {
    "digits": {"config.yaml": b"trainer:\n  max_epochs: " + b"9" * 20_000},
    "tags": {"config.yaml": b"trainer: !!bool zz\n"},
    "in-student": {"student.yaml": b"id: !!bool zz\nname: x\n"},
    "lines": {"config.yaml": b"a\n" * 10_000},
    "code-lines": {"mine.py": LINES},
    "code-deep": {"mine.py": b"x = " + b"(" * 500 + b")" * 500},
    "code-unary": {"mine.py": b"x = " + b"-" * 1900 + b"1\n"},
    "notebook-lines": {"work.ipynb": b'{"cells":[\n' + LINES + b"]}"},
    "notebook-deep": {"work.ipynb": b"[" * 10**6},
    "notebook-digits": {"work.ipynb": b'{"cells": [], "nbformat": ' + b"9" * 20_000 + b"}"},
    "report-lines": {"REPORT.md": LINES},
    "report-pictures": {"REPORT.md": b"![" * 10**6},
    "nul": {"config.yaml": b"\0" * 1000, "mine.py": b"\0" * 1000},
    "merge": {"config.yaml": b"<<: 1\ntrainer: {<<: [1, 2]}\n"},
    "key": {"config.yaml": b"? [a, b]\n: 1\n"},
    "date": {"config.yaml": b"trainer: {max_epochs: 2026-99-99}\n"},
    "surrogates": {"config.yaml": b'"\\ud800": "\\udfff"\n', "student.yaml": b'id: "\\ud800"\nname: "\\ud800"\n'},
    "pax": pax,
    "xz": xz_bomb,
    "noise": noise,
}
THEIR_OWN = {
    "code-unary",
    "report-lines",
    "report-pictures",
    "notebook-lines",
    "notebook-deep",
    "notebook-digits",
}  # cost no rank


def test_no_attack_stops_anybody_else(write_submission, tmp_path, rules):
    honest = {"a-first", "z-last"}
    folder = tmp_path / "submissions"
    for name in honest:
        write_submission(name)
    for name, attack in ATTACKS.items():
        made = folder / name
        if callable(attack):
            made.mkdir()
            attack(made)
        else:
            write_submission(name)
            for file, content in attack.items():
                (made / file).write_bytes(content)
    right, wrong = registered(folder, tmp_path / "results", rules)
    assert honest <= right and right - honest <= THEIR_OWN
    assert right | wrong.keys() == honest | ATTACKS.keys()


@pytest.mark.parametrize(
    "function, reason",
    [
        ("endless", "took longer than 1 s"),
        ("large", "took more than 2 GB of memory"),
        ("killed", "was ended by signal 9"),
        ("deep", "is nested too deeply"),
    ],
)
def test_whose_checks_do_not_end_is_rejected_and_told_so(write_submission, tmp_path, function, reason):
    class Instead(Apart):
        def call(self, examine, *arguments):
            return super().call(function)

    (tmp_path / "submissions").mkdir()
    with Instead("tests.grader.apart_calls", seconds=1) as apart:
        found = examined(apart, Download(write_submission(), NOW), tmp_path, 15)
    (finding,) = found.findings
    assert found.student == "kim-minji" and finding["what"].startswith(f"reading and checking it {reason}")


def test_an_id_that_several_say_is_nobody_s_and_nobody_is_rejected_for_it(write_submission, tmp_path, rules):
    for name in ("one", "two", "three"):
        (write_submission(name) / "student.yaml").write_text("id: kim\nname: Kim\n")
    right, wrong = registered(tmp_path / "submissions", tmp_path / "results", rules)
    assert (right, wrong) == ({"one", "two", "three"}, {})


def test_a_full_disk_is_nobody_s_verdict(write_submission, tmp_path):
    (tmp_path / "results" / "submissions").mkdir(parents=True)
    with Apart("grader.grading.examination") as apart:
        first = examined(apart, Download(write_submission(), NOW), tmp_path / "results", 15)
        (kept,) = (tmp_path / "results" / "submissions").iterdir()
        kept.unlink()
        kept.mkdir()  # no file can be written there
        with pytest.raises(OSError) as caught:
            examined(apart, Download(tmp_path / "submissions" / first.student, NOW), tmp_path / "results", 15)
    assert caught.value.errno == errno.EISDIR


def test_twins_that_cannot_be_read_are_two_attempts_and_stop_nobody(write_submission, tmp_path, rules, monkeypatch):
    """Of names that differ in their normal form alone, the files tell whether they are one; these say nothing."""
    folder = write_submission("a-first").parent
    for form in ("NFC", "NFD"):
        (folder / f"{unicodedata.normalize(form, 'josé')}.zip").write_bytes(b"PK")
        twin = write_submission(unicodedata.normalize(form, "zoé"))
        (twin / "student.yaml").write_text("id: zoe\nname: Zoe\n")

    def others() -> dict[str, int]:
        """How many other attempts each has, by its name."""
        found = hand_ins(folder, rules)
        return {unicodedata.normalize("NFC", each.source.name): each.attempts for each in found}

    assert others() == {"a-first": 0, "josé.zip": 1, "zoé": 0}, (
        "of equal files one is left, of unreadable ones both are"
    )
    monkeypatch.setattr("grader.intake.downloads.Apart", partial(Apart, memory=10**6))  # nothing can be read in that
    assert others() == {"a-first": 0, "josé.zip": 1, "zoé": 1}


def test_archives_that_cannot_be_read_are_named(write_submission, tmp_path, rules, capfd):
    folder = write_submission("a-first").parent
    unread = [f"kim.{kind}" for kind in ("7z", "rar", "egg", "ALZ")]
    for name in (*unread, "damaged.zip", "cut.tar.gz"):
        (folder / name).write_bytes(b"PK\3\4" + bytes(1000))
    (folder / "김민지").mkdir()
    (folder / "김민지" / "과제.egg").write_bytes(b"EGGA")
    table = graded(folder, tmp_path / "results", rules, MadeUp(lambda job: scored()))
    said = table + capfd.readouterr().err
    assert [name for name in (*unread, "damaged.zip", "cut.tar.gz", "김민지") if name not in said] == []
    assert len(re.findall(" rejected .*cannot be read", table)) >= 2 and " passed " in table


@pytest.mark.parametrize("unavailable", [None, "there is no bwrap"])
def test_where_git_s_sandbox_fails_that_repository_waits_and_nobody_else(
    write_submission, tmp_path, rules, monkeypatch, capfd, unavailable
):
    write_submission("a-first"), write_submission("z-last")
    (tmp_path / "submissions" / "kim.bundle").write_bytes(b"# v2 git bundle\n")
    (tmp_path / "submissions" / "link.bundle").symlink_to("nothing")
    with monkeypatch.context() as patch:
        patch.setattr("grader.sandbox.bubblewrap.unavailable", lambda: unavailable)
        patch.setattr(
            "grader.sandbox.supervision.run", lambda *_: Outcome("sandbox", None, 0.0, 0, "no user namespace")
        )
        right, wrong = registered(tmp_path / "submissions", tmp_path / "results", rules)
    assert right == {"a-first", "z-last"} and wrong.keys() == {"link"}, "what was not read has no verdict"
    said = capfd.readouterr().err
    assert "kim.bundle: git is asked in a sandbox only" in said and "the same command tries it again" in said


DEADLINE = NOW
BEFORE, AFTER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize("late", ["reject", "flag"])
@pytest.mark.parametrize(
    "first, second, counts",
    [
        (BEFORE - timedelta(hours=1), BEFORE, "second"),
        (BEFORE, AFTER, "first"),
        (AFTER, AFTER + timedelta(hours=1), "second"),
        (AFTER, BEFORE, "second"),
        (BEFORE, BEFORE, "second"),
    ],
)
def test_a_late_push_replaces_no_attempt_that_was_in_time(
    write_submission, tmp_path, rules, first, second, counts, late, capfd
):
    rules = rules.but(deadline=DEADLINE, late=late)
    folder = write_submission()
    digests = {}
    for attempt, time in (("first", first), ("second", second)):
        (folder / "mine.py").write_text(f"# {attempt}\n")
        digests[attempt] = take_in(folder).digest
        with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
            register([Download(folder, time)], opened, rules)
            (noted,) = opened.ledger.graded(f"1 max_epochs {rules.max_epochs}")
    assert noted.digest == digests[counts] and noted.findings is not None
    assert noted.submitted == (first if counts == "first" else second)
    assert ("came late" in capfd.readouterr().err) == (counts == "first")


def test_a_late_one_counts_where_the_earlier_could_not_be_read(write_submission, tmp_path, rules):
    rules, damaged = rules.but(deadline=DEADLINE), tmp_path / "kim-minji.zip"
    damaged.write_bytes(b"PK")
    for source, time in ((damaged, BEFORE), (write_submission(), AFTER)):
        with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
            register([Download(source, time)], opened, rules)
            (noted,) = opened.ledger.graded(f"1 max_epochs {rules.max_epochs}")
    assert noted.source == "kim-minji" and noted.submitted == AFTER


def test_the_same_files_downloaded_again_after_the_deadline_stay_in_time(write_submission, tmp_path, rules):
    rules, folder = rules.but(deadline=DEADLINE), write_submission()
    for time in (BEFORE, AFTER):
        with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
            register([Download(folder, time)], opened, rules)
            (noted,) = opened.ledger.graded(f"1 max_epochs {rules.max_epochs}")
    assert noted.submitted == BEFORE


def test_what_came_late_beside_what_counts_is_noted_once_and_a_copy_of_that_never(write_submission, tmp_path, rules):
    rules, folder = rules.but(deadline=DEADLINE), write_submission("kim")
    other = write_submission("other", lambda config: config["model"]["network"]["init_args"].update(width=6))
    days = [(folder, 1), (other, 2), (other, 30), (folder, 40)]
    late = tuple(Download(each, NOW + timedelta(days=day), student="kim", told=True) for each, day in days)
    for _ in range(2):
        with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
            register([replace(late[0], submitted=BEFORE, passed_over=late)], opened, rules)
            *passed_over, counts = opened.ledger.attempts()
            found = opened.ledger.database.execute(
                "SELECT count(*), count(DISTINCT digest) FROM submissions"
            ).fetchone()
    assert (*found,) == (3, 2) and counts.submitted == BEFORE
    assert [each.submitted for each in passed_over] == [NOW + timedelta(days=2)], (
        "by an extension the earliest may count"
    )


def test_what_came_late_keeps_from_nothing_where_it_cannot_be_read_and_is_read_once(
    write_submission, tmp_path, rules, monkeypatch, capfd
):
    write_submission("lee")
    folder, read = tmp_path / "submissions", []
    (folder / "park.bundle").write_bytes(b"# v2 git bundle\n")
    (folder / "roster.csv").write_text("id,name,group\n" + "".join(f"{name},{name},red\n" for name in ("lee", "park")))
    times = f"lee,{BEFORE.isoformat()}\npark.bundle,{AFTER.isoformat()}\n"
    (folder / "times.csv").write_text(f"file,submitted\n{times}")
    monkeypatch.setattr("grader.sandbox.bubblewrap.unavailable", lambda: read.append(1) or "there is no bwrap")
    rules = rules.but(deadline=DEADLINE)
    found = hand_ins(folder, rules, roster := read_roster(folder, None))
    read.clear()
    with open_results(tmp_path / "results", new=True, secret=TESTS) as opened:
        assert register(found, opened, rules, roster).keys() == {"lee", "park"}
    assert read == [1] and capfd.readouterr().err.count("tries it again") == 1
    (folder / "park.bundle").rename(folder / "park.rar")
    (folder / "times.csv").write_text("file,submitted\n" + times.replace("bundle", "rar"))
    assert not any(each.passed_over for each in hand_ins(folder, rules, roster)), "nobody reads such a file"


def prepared(submission, results):
    (results / "submissions").mkdir(parents=True, exist_ok=True)
    return [f["what"] for f in examination.examined(submission, results, 15, {}).findings if f["severity"] == "reject"]


def test_code_is_kept_as_a_training_sees_it_and_nobody_parses_it_again(write_submission, tmp_path, rules):
    folder = write_submission(mine_py="x = 1  # SECRET\n")
    jobs = []
    graded(folder.parent, tmp_path / "results", rules, MadeUp(lambda job: jobs.append(job) or scored()))
    ((name, content),) = jobs[0].submission.modules.items()
    assert name == "mine.py" and b"x = 1" in content and b"SECRET" not in content
    assert not [file for file in Path("grader/rerun").rglob("*.py") if re.search("blank|ast\\.", file.read_text())]
    digest = take_in(folder).digest
    (tmp_path / "results" / "submissions" / f"{digest}.code.json").unlink()
    with pytest.raises(UserError, match="is missing or damaged; a run over the submission writes it anew"):
        kept_for_training(tmp_path / "results", digest)


@pytest.mark.parametrize("content", [None, b"PK"])
def test_a_submission_whose_archive_is_gone_or_damaged_is_not_trained_as_an_empty_one(
    content, write_submission, tmp_path, rules
):
    folder = write_submission()
    graded(folder.parent, tmp_path / "results", rules, MadeUp(lambda job: scored()))
    digest = take_in(folder).digest
    archive = tmp_path / "results" / "submissions" / f"{digest}.zip"
    archive.unlink() if content is None else archive.write_bytes(content)
    with pytest.raises(UserError, match="zip: is missing or damaged; a run over the submission writes it anew"):
        kept_for_training(tmp_path / "results", digest)


@pytest.mark.parametrize("error", [RecursionError("too deep"), SyntaxError("no"), ValueError("\0")])
def test_code_that_cannot_be_prepared_is_the_submission_s_verdict(error, write_submission, tmp_path, monkeypatch):
    def fails(modules):
        raise error

    monkeypatch.setattr(examination, "blanked_modules", fails)
    (said,) = prepared(take_in(write_submission(mine_py="x = 1\n")), tmp_path)
    assert said.startswith("cannot be prepared for a training")


def test_code_that_cannot_be_laid_out_is_the_submission_s_verdict(write_submission, tmp_path):
    taken = take_in(write_submission())
    (said,) = prepared(replace(taken, files={**taken.files, "가" * 90 + ".py": b"x = 1\n"}), tmp_path)
    assert said == "cannot be laid out for a training: File name too long"
