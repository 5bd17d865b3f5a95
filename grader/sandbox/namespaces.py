"""Runs inside a sandbox, in a process that has all rights there: a program's own walls within it.

bubblewrap keeps everything inside away from the machine; these walls keep programs inside apart from each other: own
namespaces for processes, mounts, network and shared memory, and then no rights at all. Calls and numbers are Linux's:
unshare(2), mount(2), user_namespaces(7), capabilities(7), seccomp(2).
"""

import ctypes
import os
import struct

NEW_MOUNTS, NEW_CGROUP, NEW_NAME, NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SETUID, NO_DEVICES, NO_EXEC, REMOUNT = 1, 2, 4, 8, 32
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
DETACH = 2
SET_DUMPABLE, SET_SECCOMP, DROP_BOUNDING, NO_NEW_PRIVILEGES = 4, 22, 24, 38
SECCOMP_FILTER = 2
CAPABILITIES_VERSION_3 = 0x20080522
ID = 1000  # of the user and the group, as a program sees them

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: bytes | int | ctypes.Array[ctypes.c_char] | None) -> None:
    """Call the C library. Raises OSError where it returns -1."""
    converted = (ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments)
    if getattr(libc, name)(*converted) == -1:
        number = ctypes.get_errno()
        shown = ", ".join(repr(each) for each in arguments)
        raise OSError(number, f"{name}({shown}): {os.strerror(number)}")


def leave() -> None:
    """Leave the namespaces of others. The next child is the first process in new ones."""
    call("unshare", NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK | NEW_IPC | NEW_NAME)


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    call("mount", source.encode(), target.encode(), kind.encode() if kind else None, flags, options.encode() or None)


def mount_view(
    read_only: dict[str, str], output: list[int], shelf: str, sizes: dict[str, list[int]], kept: list[str]
) -> None:
    """Mount what the program may see: its inputs, and private places to write.

    Args:
        read_only: Its inputs: path that it sees -> path below the shelf. The former exist already.
        output: Maximum bytes and inodes of /out, in memory.
        shelf: Where the inputs of all programs are; out of reach from then on.
        sizes: Places in memory: path -> maximum bytes and inodes.
        kept: Folders within those places that stay visible, read-only.
    """
    call("unshare", NEW_CGROUP)
    mount("none", "/", None, PRIVATE | RECURSIVE)
    for inside, source in read_only.items():
        mount(source, inside, None, BIND)
        mount("none", inside, None, REMOUNT | BIND | READ_ONLY | NO_SETUID | NO_DEVICES)
    size, inodes = output
    mount("tmpfs", "/out", "tmpfs", NO_SETUID | NO_DEVICES, f"mode=700,size={size},nr_inodes={inodes}")
    call("umount2", shelf.encode(), DETACH)
    folders = {folder: os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in kept}
    for place, (size, inodes) in sizes.items():
        mount("tmpfs", place, "tmpfs", NO_SETUID | NO_DEVICES, f"mode=1777,size={size},nr_inodes={inodes}")
    for folder, descriptor in folders.items():
        os.makedirs(folder)
        mount(f"/proc/self/fd/{descriptor}", folder, None, BIND)
        mount("none", folder, None, REMOUNT | BIND | READ_ONLY | NO_SETUID | NO_DEVICES)
        os.close(descriptor)
    mount("devpts", "/dev/pts", "devpts", NO_SETUID | NO_EXEC, "newinstance,ptmxmode=0666,mode=620")


def shrink() -> None:
    """Become a plain user in a user namespace of its own, in which no other can be made, and see /proc read-only."""
    # Kernel settings in /proc belong to root, and this may be root outside: no program may write there. Only this one
    # file descriptor leads to a /proc that can be written, until it is closed.
    mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_EXEC)
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    user, group = os.getuid(), os.getgid()
    mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_EXEC | READ_ONLY)
    call("unshare", NEW_USER)
    for file, content in (
        ("self/setgroups", "deny"),
        ("self/uid_map", f"{ID} {user} 1"),
        ("self/gid_map", f"{ID} {group} 1"),
        ("sys/user/max_user_namespaces", "0"),
    ):
        descriptor = os.open(file, os.O_WRONLY, dir_fd=proc)
        os.write(descriptor, content.encode())
        os.close(descriptor)
    os.close(proc)
    drop_rights()


def drop_rights() -> None:
    """Give up all capabilities, now and for whatever file is executed."""
    call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        call("prctl", DROP_BOUNDING, capability, 0, 0, 0)
    header = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITIES_VERSION_3, 0))
    call("capset", header, ctypes.create_string_buffer(24))


def keep_out(others: bool) -> None:
    """Forbid (or allow) other processes of the same user to look into this one."""
    call("prctl", SET_DUMPABLE, int(not others), 0, 0, 0)


def filter_calls(program: bytes) -> None:
    """Hold this process and its children to a seccomp filter."""
    steps = ctypes.create_string_buffer(program)
    filter = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(steps)))
    call("prctl", SET_SECCOMP, SECCOMP_FILTER, filter, 0, 0)
