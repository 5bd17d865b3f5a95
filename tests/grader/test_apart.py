"""What a call comes to in a process of its own: values are plain data, and whatever goes wrong is that call's alone."""

import errno
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.apart import MEMORY, Apart, Failed, answered
from project.support.errors import UserError

CALLS = "tests.grader.apart_calls"

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture(scope="module")
def apart():
    with Apart(CALLS, seconds=1) as made:
        yield made


def test_it_ends_without_a_word_when_whoever_asked_is_gone():
    answers, replies = os.pipe()
    os.close(answers)
    serving = f"from grader.apart import serve; serve({CALLS!r}, 1, {MEMORY})"
    ended = subprocess.run(
        [sys.executable, "-c", serving], stdin=subprocess.DEVNULL, stdout=replies, stderr=subprocess.PIPE, timeout=60
    )
    os.close(replies)
    assert (ended.returncode, ended.stderr) == (0, b"")


@settings(max_examples=30)
@given(plain)
def test_plain_data_goes_there_and_comes_back(apart, value):
    assert apart.call("same", value) == value


def test_what_is_printed_is_no_reply(apart):
    assert apart.call("prints", "said") == "said"


@pytest.mark.parametrize(
    "function, arguments, reason",
    [
        ("number", [20_000], "raised ValueError: Exceeds the limit"),
        ("deep", [], "is nested too deeply"),
        ("endless", [], "took longer than 1 s"),
        ("asleep", [], "took longer than 1 s"),
        ("large", [], "took more than 2 GB of memory"),
        ("wordy", [], "has more to say than 20 MB"),
        ("killed", [], "was ended by signal 9"),
        ("exits", [], "raised SystemExit"),
        ("exits_at_once", [], "ended before it was done"),
        ("executable", [], "raised TypeError"),
        ("no_such", [], "raised AttributeError"),
    ],
)
def test_whatever_goes_wrong_is_told_and_the_next_call_works(apart, function, arguments, reason):
    with pytest.raises(Failed, match=f"^{reason}"):
        apart.call(function, *arguments)
    assert apart.call("same", 1) == 1


def test_our_own_fault_is_no_failure(apart):
    with pytest.raises(OSError, match="No space left") as caught:
        apart.call("disk_full")
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == "results/x"


def test_limits_are_the_kernel_s_and_each_call_has_all_its_time(apart):
    assert apart.call("limits")[1] == MEMORY
    assert apart.call("busy", 0.4) < apart.call("busy", 0.4) < apart.call("busy", 0.4)


def test_who_is_killed_from_outside_is_asked_again():
    with Apart(CALLS) as made:
        os.kill(made.call("process"), signal.SIGKILL)
        assert made.call("same", 1) == 1


def test_nothing_is_left_of_it():
    asks = f"from grader.apart import Apart\nwith Apart({CALLS!r}) as made: print(made.call('process'))"
    left = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True).stdout
    assert int(left)
    assert subprocess.run(["ps", "-p", left.strip()], capture_output=True).returncode


def test_a_module_that_cannot_be_imported_is_a_line(capfd):
    with Apart("grader.no_such_module") as made, pytest.raises(UserError, match="cannot start"):
        made.call("anything")


def test_an_answer_is_one_line():
    assert b"\n" not in answered(lambda: "a\nb\u2028", MEMORY)
