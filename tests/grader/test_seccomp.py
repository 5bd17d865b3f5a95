"""The seccomp filter, run step by step as the kernel would: on both kinds of processors, whichever this one is."""

import errno
import struct

import pytest

from grader.sandbox.seccomp import (
    ABSENT,
    ALLOW,
    BY_ARGUMENT,
    CORE_LIMIT,
    ERROR,
    FCNTL,
    IOCTL,
    KILL_PROCESS,
    REFUSED,
    SOCKETS,
    program,
)

ALLOWED = {
    "x86_64": {"read": 0, "mmap": 9, "clone": 56, "execve": 59},
    "aarch64": {"read": 63, "mmap": 222, "clone": 220},
}


def answer(machine: str, architecture: int, call: int, *arguments: int) -> int:
    """What the filter says to a system call."""
    given = struct.pack("<iIQ6Q", call, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", program(machine)))
    at, word = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:
            word = struct.unpack_from("<I", given, value)[0]
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
    assert {"sendmsg", "sendmmsg"} <= calls.keys()
    assert {answer(machine, architecture, number) for number in ABSENT[machine].values()} == {ERROR | errno.ENOSYS}
    by_argument = {call.calls[machine] for call in BY_ARGUMENT}
    for number in set(range(500)) - by_argument - set(ABSENT[machine].values()):
        assert (answer(machine, architecture, number) == ALLOW) == (number not in calls.values())
    assert all(answer(machine, architecture, number) == ALLOW for number in ALLOWED[machine].values())


@pytest.mark.parametrize("machine", REFUSED)
@pytest.mark.parametrize("upper_half", [0, 1 << 32, 0xFFFFFFFF << 32])  # which the kernel does not heed
def test_of_some_calls_an_argument_decides(machine, upper_half):
    architecture, _ = REFUSED[machine]
    for command in [*range(0, 50), *range(1020, 1050), 0x7FFFFFFF, 0xFFFFFFFF]:
        own = command < 1024 or command in (1027, *range(1030, 1035))
        said = answer(machine, architecture, FCNTL.calls[machine], 3, command | upper_half)
        assert said == (ALLOW if own else ERROR | errno.EPERM)
    for request in (0x40045431, 0x5441, 0x5412, 0x5401, 0x541B, 0):  # the last: as isatty asks, and what can be read
        own = request not in (0x40045431, 0x5441, 0x5412)
        said = answer(machine, architecture, IOCTL.calls[machine], 3, request | upper_half)
        assert said == (ALLOW if own else ERROR | errno.EPERM)
    for call in (each.calls[machine] for each in SOCKETS):
        for family in [*range(60), 0xFFFFFFFF]:
            said = answer(machine, architecture, call, family | upper_half, 1)
            assert said == (ALLOW if family == 1 else ERROR | errno.EAFNOSUPPORT)
    for call in CORE_LIMIT:
        for limit in [*range(16), 0xFFFFFFFF]:
            given = [0] * call.argument + [limit | upper_half]
            said = answer(machine, architecture, call.calls[machine], *given)
            assert said == (ERROR | errno.EPERM if limit == 4 else ALLOW)  # RLIMIT_CORE


@pytest.mark.parametrize("machine", REFUSED)
def test_there_is_no_second_way_to_a_call(machine):
    architecture, calls = REFUSED[machine]
    other = next(other for other, _ in REFUSED.values() if other != architecture)
    assert answer(machine, other, 0) == KILL_PROCESS
    assert answer(machine, architecture, 0x40000000 | calls["ptrace"]) == ERROR | errno.ENOSYS


def test_an_unknown_kind_of_processor_has_none():
    assert program("riscv64") is None
