"""What a crash says: the student's own line to the student, and to everybody else words that are no student's."""

import json
import runpy
import sys
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.grading.ranking import entry
from grader.grading.verdicts import checks_by, verdict
from grader.intake.submission import take_in
from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import OpenResults, store_rules
from grader.programs.crash import told
from grader.publish.feedback import feedback
from grader.publish.leaderboard_files import as_csv, as_markdown, as_table
from grader.publish.publishing import publish
from grader.rerun.crash_report import read_crash
from grader.rerun.failures import crashed
from grader.rerun.grading_data import prepare
from grader.rerun.job import Job, Slot
from grader.rerun.rerun import run_job
from grader.rules import Rules
from grader.secret import BYTES, Secret
from project.support.errors import UserError
from tests.grader.conftest import needs_sandbox
from tests.grader.engines import noted
from tests.grader.test_verdicts import graded

MINE = """def inner(deeper=0):
    if deeper:
        inner(deeper - 1)
    {raises}


def outer(deeper=0):
    inner(deeper)
"""
EVIL = "def say(self): {}\n    raise type('Evil', (Exception,), dict(__str__=say))"


def caught(tmp_path, raises: str, by=lambda mine: mine["outer"]()) -> dict | None:
    """What is written of an exception in a student's file."""
    own, out = tmp_path / "own" / "submission", tmp_path / "out"
    for folder in (own, out):
        folder.mkdir(parents=True, exist_ok=True)
    (own / "mine.py").write_text(MINE.format(raises=raises))
    try:
        with told(out, str(own), str(tmp_path / "project")):
            by(runpy.run_path(str(own / "mine.py")))
    except BaseException as error:
        ended = error
    record = out / "crash.json"
    found = json.loads(record.read_text()) if record.exists() else None
    return found and found | {"ended": ended}


def frames(record: dict) -> list[tuple[str, int, str]]:
    return [(frame["file"], frame["line"], frame["function"]) for frame in record["frames"]]


def wrapped(mine: dict) -> None:
    try:
        mine["outer"]()
    except Exception as error:
        raise UserError("model.network: it is wrong") from (None if isinstance(error, RuntimeError) else error)


@pytest.mark.parametrize(
    ("raises", "exception", "message"),
    [
        ("raise RuntimeError('shapes cannot be multiplied')", "RuntimeError", "shapes cannot be multiplied"),
        ("raise KeyError('x')", "KeyError", "'x'"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("import sys; sys.exit(3)", "SystemExit", "3"),
        ("import nowhere", "ModuleNotFoundError", "No module named 'nowhere'"),
        (EVIL.format("raise ValueError"), "Evil", "it cannot say what is wrong"),
        (EVIL.format("raise KeyboardInterrupt"), "Evil", "it cannot say what is wrong"),
        (EVIL.format("return 'x' * 10**7"), "Evil", "x" * 2000),
    ],
)
@pytest.mark.parametrize("by", [lambda mine: mine["outer"](), wrapped], ids=["bare", "wrapped"])
def test_the_student_s_own_line_is_written_down(raises, exception, message, by, tmp_path):
    record = caught(tmp_path, raises, by)
    assert (record["exception"], record["message"]) == (exception, message)
    assert [name for _, _, name in frames(record)] == ["outer", "inner"]
    assert frames(record)[-1][:2] == ("mine.py", 4 + raises.count("\n")) and record["inside"] == []


def test_the_exit_status_of_a_student_is_not_taken_for_ours(tmp_path):
    assert caught(tmp_path, "import sys; sys.exit(3)")["ended"].code == 1
    assert caught(tmp_path / "other", "pass", lambda mine: sys.exit(3)) is None
    assert caught(tmp_path / "third", "pass", lambda mine: wrapped({"outer": lambda: 1 / 0})) is None


def test_of_a_deep_recursion_the_last_calls_are_told(tmp_path):
    record = caught(tmp_path, "pass", lambda mine: mine["outer"](10**6))
    assert record["exception"] == "RecursionError" and frames(record) == [("mine.py", 3, "inner")] * 6


def test_a_syntax_error_is_in_the_file_that_has_it(tmp_path):
    def imports(mine):
        (tmp_path / "own" / "submission" / "broken.py").write_text("x = 1\nclass Net:\n    def\n")
        runpy.run_path(str(tmp_path / "own" / "submission" / "broken.py"))

    record = caught(tmp_path, "pass", imports)
    assert record["exception"] == "SyntaxError" and frames(record) == [("broken.py", 3, "<module>")]


def test_what_a_worker_process_raised_is_told_like_any_other(tmp_path):
    from torch._utils import ExceptionWrapper

    def in_a_worker(mine):
        try:
            mine["outer"]()
        except RuntimeError:
            passed_on = ExceptionWrapper(where="in DataLoader worker process 0")
        passed_on.reraise()

    record = caught(tmp_path, "raise RuntimeError('no such pixel')", in_a_worker)
    assert (record["exception"], record["message"]) == ("RuntimeError", "no such pixel")
    assert frames(record) == [("mine.py", 8, "outer"), ("mine.py", 4, "inner")]


def test_without_a_line_of_the_student_s_the_place_in_our_code_is_told(tmp_path):
    ours = tmp_path / "project" / "networks.py"
    ours.parent.mkdir()
    ours.write_text("def forward(x):\n    return x + ''\n")
    record = caught(tmp_path, "pass", lambda mine: runpy.run_path(str(ours))["forward"](1))
    assert record["frames"] == [] and record["inside"] == [{"file": "networks.py", "line": 2, "function": "forward"}]
    crash = read_crash(tmp_path / "out" / "crash.json", {})
    assert crash.said.startswith("in the course's project/networks.py, line 2, in forward: TypeError: unsupported")
    assert crash.said_publicly == "it ended in TypeError"


MODULES = {"mine.py": b"import torch\nx = '\x1b[2J'\n"}


def report(tmp_path, **changes) -> str | None:
    record = {"exception": "RuntimeError", "message": "no", "inside": []}
    record["frames"] = [{"file": "mine.py", "line": 1, "function": "forward"}]
    (tmp_path / "crash.json").write_text(json.dumps(record | changes))
    crash = read_crash(tmp_path / "crash.json", MODULES)
    return crash and crash.said


def test_the_code_is_quoted_from_the_submission_whatever_the_record_says(tmp_path):
    assert report(tmp_path) == "mine.py, line 1, in forward: RuntimeError: no"
    assert read_crash(tmp_path / "crash.json", MODULES).frames == ["mine.py, line 1, in forward: import torch"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_counts_them(end, tmp_path):
    code = end.join(["# a page\x0c", "x = 'one\u2028line\x85\x1c'", "raise ValueError(x)"]).encode()
    frame = {"file": "mine.py", "line": 3, "function": "<module>"}
    record = {"exception": "ValueError", "message": "", "inside": [], "frames": [frame]}
    (tmp_path / "crash.json").write_text(json.dumps(record))
    assert read_crash(tmp_path / "crash.json", {"mine.py": code}).frames == ["mine.py, line 3: raise ValueError(x)"]


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": [{"file": "/etc/passwd", "line": 1, "function": "f"}]},
        {"frames": [{"file": "mine.py", "line": 3, "function": "f"}]},
        {"frames": [{"file": "mine.py", "line": 0, "function": "f"}]},
        {"frames": [{"file": ["mine.py"], "line": 1}]},
        {"frames": [1, 2]},
        {"frames": "many"},
        {"frames": None},
        {"frames": [], "inside": [{"file": "../../x.py", "line": 1, "function": "f"}]},
    ],
)
def test_a_record_that_cannot_be_is_none(changes, tmp_path):
    assert report(tmp_path, **changes) is None


@pytest.mark.parametrize("text", ["[]", "null", "{}", '"x"', "[" * 10**5, "x" * 2 * 10**6])
def test_a_file_that_is_no_record_is_none(text, tmp_path):
    (tmp_path / "crash.json").write_text(text)
    assert read_crash(tmp_path / "crash.json", MODULES) is None
    assert read_crash(tmp_path / "absent.json", MODULES) is None


@given(st.text(), st.text(), st.text())
def test_whatever_is_forged_is_harmless_text_and_says_nothing_in_public(tmp_path_factory, exception, message, function):
    folder = tmp_path_factory.mktemp("forged")
    report(folder, exception=exception, message=message, frames=[{"file": "mine.py", "line": 2, "function": function}])
    crash = read_crash(folder / "crash.json", MODULES)
    for text in (crash.said, *crash.frames):
        assert text.isprintable() and len(text) < 600
    ours = {"its code raised an exception of its own", "its code raised RuntimeError"}
    assert crash.said_publicly in ours or hasattr(__builtins__, exception) or exception in dir(__import__("builtins"))


@pytest.mark.parametrize(
    ("status", "said"),
    [(-11, "died of signal SIGSEGV"), (139, "died of signal SIGSEGV"), (-6, "SIGABRT"), (1, "rude"), (200, "rude")],
)
def test_a_process_that_died_of_a_signal_says_which(status, said):
    measurement = crashed("training", status, None, "rude words")
    assert said in measurement.said and "rude" not in measurement.public_words


LABELS = "the labels are 3, 1, 4"
CRASHED = Measurement(
    outcome="crashed",
    said=f"training crashed: mine.py, line 12, in forward: Rude: {LABELS}",
    publicly="training crashed: its code raised an exception of its own",
    frames=["mine.py, line 20, in forward: x = self.block(x)", "mine.py, line 12, in forward: raise Rude(*labels)"],
)


@pytest.mark.parametrize(("language", "heading"), [("en", "Where your code was"), ("ko", "오류가 난 곳")])
def test_the_student_is_told_the_line_and_everybody_else_is_not(language, heading):
    known, rules = graded(CRASHED, tier="audited"), Rules()
    made = entry(known, verdict(known, rules), rules)
    told_to_student = feedback(made, rules, 0, "swift-otter", language)
    assert heading in told_to_student and LABELS in told_to_student
    assert "\n    mine.py, line 12, in forward: raise Rude(*labels)\n" in told_to_student
    assert LABELS in as_table([made])
    for public in (made.model_dump_json(), as_csv([made]), as_markdown([made], "now", "CPU")):
        assert "an exception of its own" in public and "labels" not in public and "mine.py" not in public


@pytest.mark.parametrize(
    ("language", "line", "file", "name"),
    [
        (
            "en",
            "Mend the line where your code stopped",
            "a file may be missing",
            "On the published pages you are swift-otter.",
        ),
        ("ko", "멈춘 줄을 고치고", "파일이 빠져", "공개 페이지에는 'swift-otter'(이)라는 이름으로 나옵니다."),
    ],
)
def test_the_advice_for_a_crash_is_the_line_where_one_is_quoted(language, line, file, name):
    rules = Rules()
    for measurement, wanted, other in ((CRASHED, line, file), (CRASHED.but(frames=[]), file, line)):
        known = graded(measurement, tier="audited")
        told_to_student = feedback(entry(known, verdict(known, rules), rules), rules, 0, "swift-otter", language)
        assert wanted in told_to_student and other not in told_to_student
        assert told_to_student.endswith(f"\n{name}\n")


NETWORK = """
import torch
from torch import nn
{top}


class Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x / 2

    @staticmethod
    def backward(ctx, gradient):
        {backward}
        return gradient / 2


class Net(nn.Module):
    def __init__(self, num_classes: int = 10, in_channels: int = 3):
        super().__init__()
        {init}
        self.net = nn.Sequential(nn.Conv2d(in_channels, 4, 3, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                                 nn.Linear(256, num_classes))

    def forward(self, images):
        {forward}
        return Halve.apply(self.net(images))
"""
PLACES = {  # code, outcome, and what the student is told
    "import": ({"top": "import nowhere"}, "refused", "model.network: mine.py, line 4: ModuleNotFoundError"),
    "constructor": ({"init": "self.layer = nn.Linear(4)"}, "crashed", "mine.py, line 21, in __init__: TypeError"),
    "forward": ({"forward": "images @ torch.ones(5, 5)"}, "crashed", "mine.py, line 26, in forward: RuntimeError: "),
    "backward": (
        {"backward": "1 / 0"},
        "crashed",
        "mine.py, line 14, in backward: ZeroDivisionError: division by zero",
    ),
    "exit": ({"forward": "import sys; sys.exit(2)"}, "crashed", "mine.py, line 26, in forward: SystemExit: 2"),
    "stop": ({"forward": "raise KeyboardInterrupt"}, "crashed", "mine.py, line 26, in forward: KeyboardInterrupt"),
    "recursion": ({"forward": "self.forward(images)"}, "crashed", "mine.py, line 26, in forward: RecursionError"),
    "segfault": (
        {"forward": "import ctypes; ctypes.string_at(0)"},
        "crashed",
        "training crashed: the process died of signal SIGSEGV",
    ),
}


@needs_sandbox
@pytest.mark.parametrize("place", PLACES)
def test_a_training_that_crashes_says_where(place, write_submission, fork_server, rules, tmp_path):
    code, outcome, said = PLACES[place]
    parts = {"top": "", "init": "pass", "forward": "pass", "backward": "pass"} | code

    def own(config):
        config["model"]["network"] = {"class_path": "submission.mine.Net"}
        config["model"]["normalization"] = None

    folder = write_submission(change=own, mine_py=NETWORK.format(**parts))
    data = prepare(rules, Secret(bytes(BYTES)), fork_server.scratch / place)
    job = Job(take_in(folder), 1, rules, data, "cpu", tmp_path / "attempt")
    measurement = run_job(job, lambda line: None, Slot(launch=fork_server, scratch=fork_server.scratch))
    assert measurement.outcome == outcome and said in measurement.said, measurement.said
    assert "mine.py" not in measurement.public_words and "crashed" in measurement.public_words or place == "import"
    if place != "segfault":
        quoted = next(value for value in code.values())
        assert measurement.frames[-1].endswith(f": {quoted}")


def test_nothing_that_is_published_has_the_student_s_words(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        rules = Rules()
        store_rules(tmp_path, rules)
        ledger.note("now", noted("kim", tier="audited"))
        ledger.record("then", next(ledger.graded(checks_by(rules), "kim")), 0, 1, CRASHED, {"device": "CPU"})
        table = publish(OpenResults(tmp_path, ledger, Secret(bytes(BYTES))))
    assert LABELS in table
    published = [*tmp_path.glob("site/**/*.html"), *tmp_path.glob("leaderboard.*")]
    texts = [path.read_text(encoding="utf-8") for path in published]
    assert len(texts) == 7 and sum("its code raised an exception of its own" in text for text in texts) == 4
    assert sum("제출한 코드에서" in text for text in texts) == 1
    assert not any("the labels are" in text or "mine.py" in text for text in texts)
