"""Runs inside a sandbox: tries the walls, and writes what it found to `/out/found.json`. `sandbox_probe.py PATH`.

PATH is a file on the host that must not be visible.
"""

import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import socket
import sys
from pathlib import Path

CLONE_NEWUSER, PTRACE_TRACEME = 0x10000000, 0


def connects() -> bool:
    """Whether anything outside answers; a refusal would come from outside, too."""
    for address in (("192.0.2.1", 80), ("169.254.169.254", 80)):
        try:
            with socket.socket() as tried:
                tried.settimeout(2)
                if tried.connect_ex(address) in (0, errno.ECONNREFUSED):
                    return True
        except OSError:  # not even a socket
            pass
    return False


def families() -> list[int]:
    """Families of sockets that can be opened."""
    opened = set()
    for family in range(64):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            try:
                socket.socket(family, kind).close()
                opened.add(family)
            except OSError:
                pass
    return sorted(opened)


def passes_descriptors() -> bool:
    """Whether it can have descriptors on their way, of which the kernel counts all sandboxes' together; or epoll's watches."""
    one, other = socket.socketpair()
    with one, other:
        for attempt in (lambda: socket.send_fds(one, [b"x"], [0]), select.epoll):
            try:
                attempt()
                return True
            except OSError:
                pass
    return False


def core_limit() -> int | None:
    """Bytes of a crashed process's memory that are kept; None where it can change that."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return None
    except (OSError, ValueError):
        limits = Path("/proc/self/limits").read_text().splitlines()
        said = next(line for line in limits if line.startswith("Max core file size")).split()[4]
        return int(said) if said.isdigit() else -1


def leases(path: str) -> bool:
    """Whether it can hold up whoever opens a file of the host's."""
    with open(path) as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            return True
        except OSError:
            return False


def cuda() -> int | None:
    """What cuInit returns: 0 where a GPU can be used; None without a driver."""
    try:
        return int(ctypes.CDLL("libcuda.so.1").cuInit(0))
    except OSError:
        return None


if __name__ == "__main__":
    libc = ctypes.CDLL(None, use_errno=True)
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    shm = os.statvfs("/dev/shm")
    found = {
        "uid": os.getuid(),
        "capabilities": int(status["CapEff"], 16),
        "seccomp": status.get("Seccomp", "").strip() == "2",
        "traces": libc.ptrace(PTRACE_TRACEME, 0, 0, 0) == 0,
        "new_namespace": libc.unshare(CLONE_NEWUSER) == 0,
        "network": connects(),
        "families": families(),
        "descriptors": passes_descriptors(),
        "core_limit": core_limit(),
        "leases": leases(sys.argv[0]),
        "host_files": [path for path in (sys.argv[1], "/etc/passwd", "/etc/shadow", "/var") if os.path.exists(path)],
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "shm_bytes": shm.f_blocks * shm.f_frsize,
        "devices": sorted(name for name in os.listdir("/dev") if name.startswith("nvidia")),
        "cuda": cuda(),
    }
    Path("/out/found.json").write_text(json.dumps(found), encoding="utf-8")
