"""The seccomp filter, run step by step as the kernel would: on both kinds of processors, whichever this one is."""

import errno
import struct

import pytest

from grader.sandbox.seccomp import ALLOW, ERROR, KILL_PROCESS, REFUSED, program

ALLOWED = {
    "x86_64": {"read": 0, "mmap": 9, "clone": 56, "execve": 59},
    "aarch64": {"read": 63, "mmap": 222, "clone": 220},
}


def answer(machine: str, architecture: int, call: int) -> int:
    """What the filter says to a system call."""
    steps = list(struct.iter_unpack("=HBBI", program(machine)))
    at, word = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            word = {0: call, 4: architecture}[value]
        elif code == 0x15:
            at += if_true if word == value else if_false
        elif code == 0x35:
            at += if_true if word >= value else if_false
        else:
            return value


@pytest.mark.parametrize("machine", REFUSED)
def test_every_call_of_the_list_is_refused_and_no_other(machine):
    architecture, calls = REFUSED[machine]
    assert {answer(machine, architecture, number) for number in calls.values()} == {ERROR | errno.EPERM}
    for number in range(500):
        assert (answer(machine, architecture, number) == ALLOW) == (number not in calls.values())
    assert all(answer(machine, architecture, number) == ALLOW for number in ALLOWED[machine].values())


@pytest.mark.parametrize("machine", REFUSED)
def test_there_is_no_second_way_to_a_call(machine):
    architecture, calls = REFUSED[machine]
    other = next(other for other, _ in REFUSED.values() if other != architecture)
    assert answer(machine, other, 0) == KILL_PROCESS
    assert answer(machine, architecture, 0x40000000 | calls["ptrace"]) == ERROR | errno.ENOSYS


def test_an_unknown_kind_of_processor_has_none():
    assert program("riscv64") is None
