"""A seccomp filter for the sandbox: it refuses system calls that attacks on a kernel make, and a training never does.

Namespaces shut off the network, other processes and the file system; this makes the kernel behind them a smaller
target. It also shuts what no namespace does: sockets of a virtual machine to its host, leases that hold up whoever opens
a file, news of who opens it, and pseudoterminals, whose lines the kernel edits on everybody's cores. So it does with what
the kernel counts by user, who is the same in all sandboxes: descriptors on their way through a socket, and epoll's watches.
A program can leave neither the cores that it is held to nor the limit that keeps its crashes from starting a program on
the host. A refused call fails with "operation not permitted", a refused family of sockets as one that the kernel does not
know, and epoll as if the kernel had none, so that libraries poll.
"""

import errno
import os
import platform
import resource
import socket
import struct
from typing import NamedTuple

# (audit architecture, {call: number}), from the kernel's tables
NEW_CALLS = {
    **{"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429},
    **{"fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442},
}
X86_64 = {
    **{"ptrace": 101, "syslog": 103, "pivot_root": 155, "adjtimex": 159, "acct": 163, "settimeofday": 164},
    **{"mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170},
    **{"setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179},
    **{"clock_settime": 227, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272},
    **{"move_pages": 279, "perf_event_open": 298, "name_to_handle_at": 303, "open_by_handle_at": 304},
    **{"clock_adjtime": 305, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "finit_module": 313},
    **{"sendmsg": 46, "sendmmsg": 307},  # with which descriptors are passed on
    "sched_setaffinity": 203,
    **{"inotify_init": 253, "inotify_init1": 294, "fanotify_init": 300},
    **{"kexec_file_load": 320, "bpf": 321, "userfaultfd": 323},
    **NEW_CALLS,
}
AARCH64 = {
    **{"umount2": 39, "mount": 40, "pivot_root": 41, "quotactl": 60, "acct": 89, "unshare": 97, "kexec_load": 104},
    **{"init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117, "reboot": 142},
    **{"sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "add_key": 217},
    **{"sendmsg": 211, "sendmmsg": 269},
    "sched_setaffinity": 122,
    **{"inotify_init1": 26, "fanotify_init": 262},
    **{"request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225, "move_pages": 239, "perf_event_open": 241},
    **{"name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270},
    **{"process_vm_writev": 271, "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294},
    **NEW_CALLS,
}
REFUSED = {"x86_64": (0xC000003E, X86_64), "aarch64": (0xC00000B7, AARCH64)}
ABSENT = {
    "x86_64": {"epoll_create": 213, "epoll_create1": 291},
    "aarch64": {"epoll_create1": 20},
}  # by kind of processor


class ByArgument(NamedTuple):
    """A call that one argument, a C int, decides about.

    Attributes:
        calls: Kind of processor -> the call's number.
        argument: Which one, from 0.
        error: What it fails with where it is refused.
        values: Those with which it is allowed.
        below: All values below this one are allowed, too.
        refused: Those with which it is refused, where it is allowed with all others.
    """

    calls: dict[str, int]
    argument: int
    error: int
    values: tuple[int, ...] = ()
    below: int = 0
    refused: tuple[int, ...] = ()


# Linux's own commands begin at 1024. Of these, what concerns nobody else: F_DUPFD_QUERY, F_DUPFD_CLOEXEC, sizes of pipes
# and seals; neither F_SETLEASE, F_NOTIFY, nor what newer kernels add.
FCNTL = ByArgument({"x86_64": 72, "aarch64": 25}, 1, errno.EPERM, (1027, 1030, 1031, 1032, 1033, 1034), below=1024)
# TIOCSPTLCK and TIOCGPTPEER, without which nobody opens a pseudoterminal's other end; and TIOCSTI, which types into one.
IOCTL = ByArgument({"x86_64": 16, "aarch64": 29}, 1, errno.EPERM, refused=(0x40045431, 0x5441, 0x5412))
FAMILIES = (
    socket.AF_UNIX,
)  # there is no network, and what TCP keeps on its way is not all counted as its sandbox's memory
SOCKETS = tuple(
    ByArgument(calls, 0, errno.EAFNOSUPPORT, FAMILIES)
    for calls in ({"x86_64": 41, "aarch64": 198}, {"x86_64": 53, "aarch64": 199})  # socket, socketpair
)
# RLIMIT_CORE, read or set: setrlimit, and prlimit64 behind a process's number.
CORE_LIMIT = (
    ByArgument({"x86_64": 160, "aarch64": 164}, 0, errno.EPERM, refused=(resource.RLIMIT_CORE,)),
    ByArgument({"x86_64": 302, "aarch64": 261}, 1, errno.EPERM, refused=(resource.RLIMIT_CORE,)),
)
BY_ARGUMENT = (FCNTL, IOCTL, *SOCKETS, *CORE_LIMIT)

# linux/bpf_common.h, linux/seccomp.h
LOAD_WORD, JUMP_IF_EQUAL, JUMP_IF_NOT_LESS, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL_PROCESS, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
CALL_NUMBER, ARCHITECTURE, ARGUMENTS = (
    0,
    4,
    16,
)  # offsets in struct seccomp_data; arguments have 8 bytes, lower half first
X32 = 0x40000000  # numbers from here on are the x32 calls, a second way to each


def program(machine: str = platform.machine()) -> bytes | None:
    """The filter for a kind of processor, as bubblewrap takes it; None for an unknown kind."""
    if machine not in REFUSED:
        return None
    architecture, calls = REFUSED[machine]
    steps = [
        (LOAD_WORD, 0, 0, ARCHITECTURE),
        (JUMP_IF_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD_WORD, 0, 0, CALL_NUMBER),
        (JUMP_IF_NOT_LESS, 0, 1, X32),
        (RETURN, 0, 0, ERROR | errno.ENOSYS),
    ]
    for numbers, error in ((calls, errno.EPERM), (ABSENT[machine], errno.ENOSYS)):
        for number in sorted(numbers.values()):
            steps += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ERROR | error)]
    for call in BY_ARGUMENT:
        choice = steps_for(call)
        steps += [(JUMP_IF_EQUAL, 0, len(choice), call.calls[machine]), *choice]
    steps.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def steps_for(call: ByArgument) -> list[tuple[int, int, int, int]]:
    """What decides about a call by its argument. The kernel, too, heeds the lower half only."""
    steps = [(LOAD_WORD, 0, 0, ARGUMENTS + 8 * call.argument)]
    if call.below:
        steps += [(JUMP_IF_NOT_LESS, 1, 0, call.below), (RETURN, 0, 0, ALLOW)]
    for value in call.values:
        steps += [(JUMP_IF_EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW)]
    for value in call.refused:
        steps += [(JUMP_IF_EQUAL, 0, 1, value), (RETURN, 0, 0, ERROR | call.error)]
    return [*steps, (RETURN, 0, 0, ALLOW if call.refused else ERROR | call.error)]


def open_filter() -> int | None:
    """A file descriptor to read the filter from; the caller closes it."""
    if (content := program()) is None:
        return None
    descriptor = os.memfd_create("seccomp")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
