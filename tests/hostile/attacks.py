"""Programs that attack a sandbox, and how each must end: `python -m tests.hostile.attacks LAUNCHER GROUPS [WORD ...]`.

It tries those in whose names all words are, started in this way, with control groups of this version (0 for none), and prints
a line of JSON for each. Nothing here imports torch, which takes minutes on some of the machines of `machines.py`.
"""

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from grader.sandbox import supervision
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.control_group import parent_group
from grader.sandbox.fork_server import ForkServer
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Launch, Program
from grader.sandbox.scratch import scratch_folder
from tests.sandbox_kernel import preloads_nothing

TRIES = """
import os, resource, select, socket, ctypes, fcntl, glob
def leaked(what, condition):
    print('tried', what)
    if condition: print('LEAKED', what)
def connects(address):
    try:
        socket.create_connection(address, 1); return True
    except OSError:
        return False
def resolves():
    try:
        socket.getaddrinfo('example.org', 80); return True
    except OSError:
        return False
def reads(path):
    try:
        return bool(open(path, 'rb').read(1))
    except OSError:
        return False
leaked('a socket', connects(('1.1.1.1', 53)))
leaked('the metadata address', connects(('169.254.169.254', 80)))
leaked('the host itself', connects(('127.0.0.1', 22)))
leaked('names', resolves())
leaked('the environment', set(os.environ) & {'SECRET_TOKEN', 'WANDB_API_KEY', 'SSH_AUTH_SOCK', 'VIRTUAL_ENV'})
others = [p for p in os.listdir('/proc') if p.isdigit() and int(p) > 50]
leaked('processes of others', others)
leaked('PID 1 of the host', b'systemd' in open('/proc/1/cmdline', 'rb').read())
seen = set()
for top in set(os.listdir('/')) - {'proc', 'sys', 'usr', 'lib', 'bin', 'root'}:
    for parent, folders, names in os.walk('/' + top):
        if 'site-packages' in parent: folders.clear()
        seen |= set(names) | set(folders)
leaked('the labels', 'withheld' in seen)
leaked('the ledger', 'ledger.sqlite' in seen)
leaked('other submissions', [p for p in glob.glob('/own/*/*') if not p.endswith(('mine.py', '__pycache__'))])
leaked('the secret', 'secret.json' in seen)
leaked('what draws further images', 'glyphs.py' in seen)
leaked('passwords', reads('/etc/shadow') or reads('/etc/passwd'))
libc = ctypes.CDLL(None)
leaked('new namespaces', libc.unshare(0x10000000) == 0)
leaked('mounting', libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) == 0)
leaked('devices', [p for p in glob.glob('/dev/*') if os.path.basename(p) in ('sda', 'kvm', 'mem', 'fuse', 'vda')])
def opens(family):
    try:
        socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_RAW).close(); return True
    except OSError:
        return False
leaked('sockets that all share', [f for f in range(64) if f != 1 and opens(f)])
def succeeds(call, *given):
    try:
        call(*given); return True
    except (OSError, ValueError):
        return False
pair = socket.socketpair()
leaked('descriptors on their way', succeeds(socket.send_fds, pair[0], [b'x'], [0]))
leaked('watches of epoll', succeeds(select.epoll))
leaked('what a crash starts', succeeds(resource.setrlimit, resource.RLIMIT_CORE, (0, 0)))
def leases(path):
    try:
        fcntl.fcntl(os.open(path, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK); return True
    except OSError:
        return False
leaked('who opens a file, held up', leases('/usr/bin/env'))
leaked('who opens a file, told', libc.inotify_init() >= 0)
def writes(path):
    try:
        open(path, 'w').close(); return True
    except OSError:
        return False
leaked('the code of the grader', writes('/app/project/evil.py') or writes('/own/submission/mine.py'))
leaked('the training data', writes('/data/evil'))
"""


LIMITS = ResourceLimits(60, 3 * 10**8, 20 * 10**6, output_files=200, processes=30)
SHORT = replace(LIMITS, seconds=3)
DONE = "all tried"


@dataclass(frozen=True)
class Attack:
    """A program, and how it must end.

    Attributes:
        ends: Takes its outcome and what it printed.
    """

    name: str
    code: str
    ends: Callable[[supervision.Outcome, str], bool]
    limits: ResourceLimits = LIMITS
    cores: bool = False


def by(ending: str) -> Callable[[supervision.Outcome, str], bool]:
    return lambda outcome, log: outcome.ending == ending


def refused_or(ending: str) -> Callable[[supervision.Outcome, str], bool]:
    return lambda outcome, log: outcome.ending == ending or (outcome.status == 1 and "No space left" in log)


ATTACKS = [
    Attack(
        "faults: signals to the first process",
        "import os, signal, sys\nfor number in signal.valid_signals(): os.kill(1, number)\nsys.exit(7)",
        lambda outcome, log: (outcome.ending, outcome.status) == ("exited", 7),
    ),
    Attack("secrets: twenty-four ways out", TRIES, lambda o, log: log.count("tried") >= 24 and "LEAKED" not in log),
    Attack(
        "cores: leaves its own",
        "import os, time\ntime.sleep(1)\ntry: os.sched_setaffinity(0, range(64)); print('left')\n"
        "except PermissionError: print(len(os.sched_getaffinity(0)))",
        lambda outcome, log: log.split() == ["1"],
        cores=True,
    ),
    Attack(
        "disk: files without a name",
        "import os\nfiles = []\nwhile True:\n    files.append(open('/out/x', 'wb'))\n    os.unlink('/out/x')\n"
        "    files[-1].write(bytes(10**6)); files[-1].flush()",
        refused_or("output"),
    ),
    Attack("disk: many files", "for i in range(10**4): open(f'/out/{i}', 'wb').close()", refused_or("output")),
    Attack(
        "time: children in sessions of their own",
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0: os.setsid(); time.sleep(99)\ntime.sleep(99)",
        by("time"),
        SHORT,
    ),
    Attack("time: never idle", "import os\nos.fork()\nwhile True: pass", by("time"), SHORT, cores=True),
    Attack("memory: a hoard", "hoard = []\nwhile True: hoard.append(bytearray(10**6))", by("memory")),
    Attack(
        "processes: a bomb",
        "import os, time\nfor _ in range(99):\n    if not os.fork(): time.sleep(99)\ntime.sleep(99)",
        by("processes"),
    ),
]


@dataclass(frozen=True)
class Result:
    """What came of one; `wrong` is empty where it is as it must be."""

    mechanism: str
    got: str
    wrong: str
    seconds: float


def attack(tried: Attack, launch: Launch, folder: Path) -> tuple[str, str]:
    """What became of an attack, and what is wrong with that."""
    (folder / "given").mkdir()
    (folder / "out").mkdir()
    (folder / "given" / "program.py").write_text(textwrap.dedent(tried.code))
    program = Program(
        "/job/program.py",
        "-",
        {"/job": folder / "given"},
        folder / "out",
        cores=frozenset({max(os.sched_getaffinity(0))}) if tried.cores else None,
    )
    outcome = supervision.run(program, tried.limits, folder / "log", launch=launch)
    log = (folder / "log").read_text() if (folder / "log").exists() else ""
    got = outcome.ending if outcome.ending != "exited" else f"status {outcome.status}"
    words = " ".join([outcome.detail, *log.split()])[-200:]
    return got, "" if tried.ends(outcome, log) else f"{got}: {words}"


@contextmanager
def launcher(name: str) -> Iterator[tuple[Launch, Path | None]]:
    """What starts programs, and the folder in which their inputs must lie."""
    if name == "bubblewrap":
        yield Bubblewrapped, None
        return
    nothing = {"/app/preload.py": Path(preloads_nothing.__file__)}
    with closing(ForkServer(nothing, "/app/preload.py", [])) as server:
        server.start()
        yield server, server.scratch


def results(name: str, groups: int, words: list[str]) -> Iterator[Result]:
    """Try them here."""
    try:
        found = parent_group().version
    except OSError:
        found = 0
    if found != groups:
        yield Result("control groups", str(found), f"version {found}, not {groups}", 0.0)
    with launcher(name) as (launch, parent):
        for tried in ATTACKS:
            if all(word in tried.name for word in words):
                began = time.monotonic()
                with scratch_folder(parent) as folder:
                    got, wrong = attack(tried, launch, folder)
                yield Result(tried.name, got, wrong, time.monotonic() - began)


def report(found: Iterator[Result]) -> None:
    """Print them, and that these are all."""
    for result in found:
        print(json.dumps(vars(result)), flush=True)
    print(DONE)


if __name__ == "__main__":
    launcher_name, version, *names = sys.argv[1:]
    report(results(launcher_name, int(version), names))
