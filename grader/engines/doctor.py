"""What this machine can enforce, tried and not assumed: `python -m grader doctor`."""

import os
import shutil
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from grader.engines.machine import gpus, said_by
from grader.packages import lacking, said_of
from grader.rerun.mounted_code import PRELOAD, PROGRAMS, REPOSITORY, VisibleCode
from grader.sandbox import bubblewrap, supervision
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.control_group import parent_group
from grader.sandbox.disk import PRIVATE
from grader.sandbox.fork_server import ForkServer
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import CORE_BYTES, Launch, Program
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.seccomp import FAMILIES
from grader.sandbox.untrusted_files import Unreadable, read_json
from project.support.wording import counted

PROBE = REPOSITORY / PROGRAMS / "sandbox_probe.py"
LIMITS = ResourceLimits(60, 2 * 10**9, 20 * 10**6, processes=64)
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
FREE_GB = 5  # on the disk where runs write
HOARD = "hoard = []\nwhile True: hoard.append(bytearray(10**7))\n"
BOMB = """\
import threading, time
for _ in range(500):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
time.sleep(60)
"""
FLOOD = """\
import errno, os
try:
    for number in range(100):
        open(f"/out/{number}", "wb").write(bytes(10**6))
except OSError as error:
    for name in os.listdir("/out"):
        os.remove(f"/out/{name}")
    if error.errno != errno.ENOSPC:
        raise
"""
IMPOSSIBLE = """\
No machine can enforce
  what a student's own code does within a training step: it can look at an image more often than once an epoch.
    It is timed, its optimizer steps are counted, and odd numbers are flagged for a person.
  that a network learnt its skill in these epochs, where its own code could hold a part of it: literals are limited,
    and the network is scored before its training, too."""


class Finding(NamedTuple):
    """One thing tried: its name, whether it is as it should be, whether grading needs it, and what was found."""

    name: str
    good: bool
    needed: bool
    said: str


def examine() -> list[Finding]:
    """Try everything. What cannot be tried without a sandbox, or without packages, is left out where they are missing."""
    missing, reason, bwrap = lacking(), bubblewrap.unavailable(), bubblewrap.bwrap_path() or "bwrap"
    found = [
        Finding("packages", not missing, True, said_of(missing) if missing else "all that grading needs"),
        Finding("sandbox", not reason, True, reason or f"{said_by(bwrap, '--version')}, {bwrap}"),
    ]
    if missing:  # most of what else is tried needs them
        return [*found, *machine()]
    return [*found, *([] if reason else [*walls(), fork_server(), *limits()]), device(), *machine()]


def walls() -> list[Finding]:
    """What a program inside can reach."""
    gpu = next(iter(gpus()), None)
    try:
        found = probed(Bubblewrapped, {"/app/sandbox_probe.py": PROBE}, gpu=gpu)
    except Unreadable as error:
        return [Finding("probe", False, True, f"did not run ({error})")]
    seen, shm_bytes, nested = ", ".join(found["host_files"]), found["shm_bytes"], found["new_namespace"]
    plain = found["uid"] == 1000 and not found["capabilities"]
    filtered = "on" if found["seccomp"] else "no filter is known for this kind of processor"
    shared = [socket_family(number) for number in found["families"] if number not in FAMILIES]
    sockets = f"also {', '.join(shared)}, which others share" if shared else "between its own processes only"
    shared_count = "can be passed on or watched: the kernel counts those of all programs together"
    passed_on = shared_count if found["descriptors"] else "can be neither passed on nor watched"
    held_up = "can hold up who opens them, by a lease" if found["leases"] else "nobody is held up who opens them"
    findings = [
        Finding("network", not found["network"], True, "reachable" if found["network"] else "none inside"),
        Finding("sockets", not shared, False, sockets),
        Finding("descriptors", not found["descriptors"], False, passed_on),
        crashes(found["core_limit"]),
        Finding("files", not seen, True, f"sees {seen}" if seen else "the host's are out of sight"),
        Finding("inputs", not found["leases"], False, held_up),
        Finding("other processes", found["processes"] < 5, True, f"{found['processes']} in sight, its own"),
        Finding("rights", plain, True, f"user {found['uid']}, {'no' if plain else 'some'} capabilities"),
        Finding("namespaces", not nested, True, "can be nested" if nested else "no new ones"),
        Finding("system calls", found["seccomp"] and not found["traces"], False, f"seccomp filter: {filtered}"),
        Finding("/dev/shm", shm_bytes <= 1.01 * PRIVATE["/dev/shm"], True, f"{shm_bytes / 1e9:.1f} GB of its own"),
    ]
    if gpu is not None:
        findings.append(Finding("GPU inside", found["cuda"] == 0, True, f"cuInit said {found['cuda']}"))
    return findings


def crashes(core_limit: int | None) -> Finding:
    """What a program's crash starts on this machine, outside of all walls."""
    pattern = CORE_PATTERN.read_text().strip()
    if not pattern.startswith(("|", "@")):
        return Finding("crashes", True, False, "start nothing on this machine")
    if pattern.startswith("|") and core_limit == CORE_BYTES:
        return Finding("crashes", True, False, f"start nothing, though core_pattern is {pattern}")
    said = f"each has {pattern} at work, as root and outside of all limits: set kernel.core_pattern to a plain name"
    return Finding("crashes", False, False, said)


def socket_family(number: int) -> str:
    """AF_VSOCK for 40."""
    return next((family.name for family in socket.AddressFamily if family == number), f"family {number}")


def probed(
    launch: Launch, inputs: dict[str, Path], parent: Path | None = None, gpu: int | None = None
) -> dict[str, Any]:
    """What the probe finds, started by `launch`. Raises Unreadable where it did not run."""
    with scratch_folder(parent) as scratch:
        (scratch / "out").mkdir()
        (scratch / "secret").write_text("not to be seen")
        program = Program("/app/sandbox_probe.py", str(scratch / "secret"), inputs, scratch / "out", gpu)
        outcome = supervision.run(program, LIMITS, scratch / "log", launch=launch)
        try:
            found: dict[str, Any] = read_json(scratch / "out" / "found.json", dict)
        except Unreadable as error:
            raise Unreadable(f"{outcome.ending}, {outcome.detail or error}") from None
        return found


def fork_server() -> Finding:
    """Whether programs can be forked from one that has imported everything, and meet the same walls then."""
    code = {**VisibleCode().inputs, "/app/sandbox_probe.py": PROBE}
    try:
        with closing(ForkServer(code, PRELOAD, [])) as server:
            same = probed(server, code, server.scratch) == probed(Bubblewrapped, code)
    except Unreadable as error:
        return Finding("fork server", False, False, f"none, so each program starts anew, seconds later ({error})")
    return Finding("fork server", same, True, f"programs start at once, behind {'the same' if same else 'OTHER'} walls")


def limits() -> list[Finding]:
    """Whether limits hold, tried by programs that break one each, and who holds them."""
    try:
        kernel, by = True, f"the kernel (control groups, version {parent_group().version})"
    except OSError as error:
        kernel, by = False, f"a watch every 0.2 s, as the kernel sets none for us ({error}; see docs/trust.md)"
    findings = []
    for name, needed, code in (("memory", True, HOARD), ("processes", False, BOMB)):
        ending = ended_by(code)
        said = f"limited by {by}" if ending == name else f"a program beyond its limit ended by: {ending}"
        findings.append(Finding(name, ending == name and (kernel or needed), needed, said))
    refused = ended_by(FLOOD) == "exited"
    said = "limited by the kernel (a file system of its own, in memory)" if refused else "is not limited"
    return [*findings, Finding("output", refused, True, said)]


def ended_by(code: str) -> str:
    """How a program ends that may use little."""
    with scratch_folder() as scratch:
        (scratch / "out").mkdir()
        (scratch / "greedy.py").write_text(code)
        program = Program("/greedy.py", "-", {"/greedy.py": scratch / "greedy.py"}, scratch / "out")
        small = ResourceLimits(30, 3 * 10**8, 20 * 10**6, processes=64)
        return supervision.run(program, small, scratch / "log").ending


def device() -> Finding:
    """What trains here."""
    import torch

    cpu = f"CPU, {counted(torch.get_num_threads(), 'thread')}; no GPU"
    return Finding("device", True, True, f"GPU: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else cpu)


def machine() -> list[Finding]:
    """The rest of what grading uses."""
    git, place = said_by("git", "--version"), os.environ.get("TMPDIR", "/tmp")
    free = shutil.disk_usage(place).free / 1e9
    mend = "" if free > FREE_GB else f"; make room in {place}, or name another folder: export TMPDIR=FOLDER"
    without_git = "missing: bundles and bare repositories cannot be read; apt-get install git"
    return [
        Finding("git", bool(git), False, git or without_git),
        Finding(
            "disk", free > FREE_GB, True, f"{free:.0f} GB free where runs write; a run needs up to {FREE_GB}{mend}"
        ),
    ]


def report(found: list[Finding]) -> str:
    """The findings, one a line."""
    width = max(len(finding.name) for finding in found)
    lines = [f"{'yes' if f.good else 'NO' if f.needed else 'no':4} {f.name:{width}}  {f.said}" for f in found]
    bad = [finding.name for finding in found if finding.needed and not finding.good]
    verdict = f"Not fit to grade: {', '.join(bad)}." if bad else "Fit to grade."
    return "\n".join([*lines, "", verdict, "", IMPOSSIBLE])
