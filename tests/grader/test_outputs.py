"""Whatever a program leaves, and however it ends, is the submission's: no output can be taken for a fault of ours."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.intake.submission import take_in
from grader.ledger.measurement import Ended, Measurement
from grader.rerun.census import read_census
from grader.rerun.crash_report import read_crash
from grader.rerun.failures import PREPARES
from grader.rerun.job import Job, Slot
from grader.rerun.output_checks import read_curves, read_operations, read_summary, suspicions
from grader.rerun.rerun import run_job
from grader.rerun.training_budget import TrainingBudget
from grader.sandbox.sandboxed_program import Running
from grader.sandbox.untrusted_files import Unreadable, distrusted, read_output
from project.assignment import FAMILIES
from project.training.summary import METRICS
from tests.hostile.cases import RULES, Case, write

FILES = ("census.json", "crash.json", "evidence.json", "cost.json", "run/summary.json", "run/metrics.csv")
KEYS = ("strategies", "remarks", "epochs", "parameters", "exception", "message", "frames", "inside", "file", "line")
KEYS += (
    "steps",
    "passes",
    "images",
    "batch",
    "other_images",
    "processor",
    "own",
    "others",
    "replaced",
    "gone",
    "operations",
    "name",
    "evidence",
    *FAMILIES,
)
NESTED = [b"[" * depth + b"]" * depth for depth in (500, 900, 990, 100_000)]
NASTY = [b"1e999", b"NaN", b"-Infinity", b"9" * 5000, b'"\\ud800"', b"null", b"", b"\xff\xfe", b"\0" * 100, *NESTED]

numbers = st.integers() | st.floats() | st.sampled_from([10**308, -1, 2**63, 10**400])
words = st.text(st.characters(), max_size=20) | st.sampled_from(["\ud800", "project/data.py", "mine.py", "\x1b[2J"])
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | words, inner, max_size=6),
    max_leaves=20,
)
# Records that look like ours go further into a reader than any others do.
strategy = st.fixed_dictionaries({"name": words | values, "evidence": values})
record = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(KEYS, values),
        "strategies": st.fixed_dictionaries({family: st.lists(strategy, max_size=2) | values for family in FAMILIES}),
        "frames": st.lists(st.fixed_dictionaries({"file": words, "line": numbers, "function": values}), max_size=2),
    },
)
rows = st.lists(st.lists(words | numbers.map(str), max_size=7).map(",".join), max_size=5).map("\n".join)
contents = (
    st.binary(max_size=200)
    | st.sampled_from(NASTY)
    | st.sampled_from(NESTED).map(
        lambda nested: b'{"exception": "E", "message": %s, "frames": [], "inside": []}' % nested
    )
    | (record | values).map(lambda value: json.dumps(value).encode())
    | rows.map(lambda text: f"{','.join(METRICS)}\n{text}".encode("utf-8", "replace"))
)
outputs = st.dictionaries(st.sampled_from(FILES), contents)


def leave(folder: Path, left: dict[str, bytes]) -> None:
    for name in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if name in left:
            path.write_bytes(left[name])


def read_all(folder: Path) -> None:
    """Read it as the grader does."""
    data = SimpleNamespace(labels_N=[0] * 100, classes=["a", "b"], monitored=10)
    curves = read_curves(folder / "run" / "metrics.csv")
    flags = suspicions(data, TrainingBudget(5, 10, 40, 4), folder, curves, 0.5, None, [], 1.0)
    operations = read_operations(folder / "cost.json", 1e12)
    crash = read_crash(folder / "crash.json", {"mine.py": b"x = 1\n"})
    accuracies = [row["val/accuracy"] for row in curves]
    found = {"flags": flags, "operations": operations, "val_accuracy": accuracies, "said": crash.said if crash else ""}
    for read in (
        lambda: read_census(folder / "census.json"),
        lambda: read_summary(folder / "run" / "summary.json", RULES, 15),
    ):
        try:
            found |= read()
        except (Unreadable, Ended):
            pass
    stored = Measurement(outcome="scored", **found).model_dump_json()
    assert Measurement.model_validate_json(stored) and stored.encode() and json.dumps(curves, allow_nan=False)


class Made(Running):
    """A program that was there for a moment: it said that the student's part begins, and left these files."""

    def __init__(self, program, left: dict[str, bytes], status: int):
        leave(program.output, left)
        reading, writing = os.pipe()
        os.write(writing, f"{PREPARES}\n".encode())
        os.close(writing)
        self.pid, self.output, self.input, self.status = (
            os.getpid(),
            os.fdopen(reading, "rb"),
            open(os.devnull, "wb"),
            status,
        )

    def wait(self, seconds):
        return True

    def kill(self):
        pass


@pytest.fixture(scope="module")
def submission(tmp_path_factory):
    return take_in(write(Case("honest", "passed"), tmp_path_factory.mktemp("submissions")))


def came_to(left: dict[str, bytes], status: int, submission, folder: Path) -> Measurement:
    """What a job comes to whose program left these files."""
    slot = Slot(launch=lambda program, limits, group: Made(program, left, status))
    job = Job(
        submission, 1, RULES, SimpleNamespace(training=folder, image_shape=(3, 32, 32)), "cpu", folder / "attempt"
    )
    return run_job(job, lambda line: None, slot)


fast = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
long = settings(fast, max_examples=5000)


@fast
@given(outputs)
def test_no_output_makes_its_reader_fail(tmp_path, left):
    leave(tmp_path, left)
    read_all(tmp_path)


@pytest.mark.slow
@long
@given(outputs)
def test_no_output_of_many_makes_its_reader_fail(tmp_path, left):
    leave(tmp_path, left)
    read_all(tmp_path)


@settings(fast, max_examples=20)
@given(outputs, st.sampled_from([0, 1, 2, 3, -9, -11, 137, 255]))
def test_no_output_and_no_end_is_a_fault_of_ours(tmp_path, submission, left, status):
    measurement = came_to(left, status, submission, tmp_path)
    assert measurement.outcome not in ("infrastructure", "scored"), measurement
    assert measurement.said.isprintable()


@pytest.mark.parametrize("nasty", NASTY, ids=lambda nasty: repr(nasty[:10]))
@pytest.mark.parametrize("name", FILES)
def test_nasty_outputs_are_read_to_their_end(name, nasty, tmp_path):
    leave(tmp_path, {name: nasty})
    read_all(tmp_path)


@given(st.sampled_from([ValueError, RecursionError, MemoryError, OverflowError, AssertionError, OSError]), st.text())
def test_whatever_a_reader_raises_is_the_output_s_fault(error, said):
    with pytest.raises(Unreadable, match="^it is not what it should be") as raised, distrusted("it"):
        raise error(said)
    assert str(raised.value).isprintable() and len(str(raised.value)) < 200


def test_no_link_leads_out_of_an_output(tmp_path):
    """Neither a file nor a folder on the way to it: other students' files have the same names."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "summary.json").write_text("{}")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run").symlink_to(tmp_path / "other")
    with pytest.raises(Unreadable):
        read_output(tmp_path / "out" / "run" / "summary.json", 100)
    assert read_output(tmp_path / "other" / "summary.json", 100) == b"{}"
