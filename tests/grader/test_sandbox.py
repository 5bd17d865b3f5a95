"""The sandbox: each limit and each wall, tried by a program that runs against it."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from grader.engines import doctor
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.disk import DEEPEST
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import ENVIRONMENT, Program, plainly
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.supervision import LINE_BYTES, LOG_BYTES, keep_log, run
from tests.grader.conftest import needs_sandbox

pytestmark = needs_sandbox
LIMITS = ResourceLimits(30, 10**9, 20 * 10**6, processes=40)


class Execute:
    """Runs code as a program, in a folder of its own."""

    def __init__(self, folder: Path, launch):
        self.given, self.out, self.log, self.launch = folder / "given", folder / "out", folder / "log", launch
        self.given.mkdir()
        self.out.mkdir()

    def __call__(self, code, limits=LIMITS, **more):
        (self.given / "program.py").write_text(textwrap.dedent(code))
        inside = str(self.given / "program.py") if self.launch is plainly else "/job/program.py"
        program = Program(inside, "argument", {"/job": self.given}, self.out, **more)
        outcome = run(program, limits, self.log, launch=self.launch)
        return outcome, self.log.read_text("utf-8", "replace")


@pytest.fixture(params=["started", "forked"])
def execute(request, tmp_path):
    if request.param == "started":
        yield Execute(tmp_path, Bubblewrapped)
    else:
        server = request.getfixturevalue("fork_server")
        with scratch_folder(server.scratch) as folder:
            yield Execute(folder, server)


def test_a_program_s_end_and_output_come_back(execute):
    outcome, log = execute("import sys; open('/out/x', 'w').write('1'); print(sys.argv[1]); sys.exit(7)")
    assert (outcome.ending, outcome.status, log) == ("exited", 7, "argument\n")
    assert (execute.out / "x").read_text() == "1"


def test_torch_imports_inside(execute):
    outcome, log = execute("import torch; print(torch.ones(3).sum().item())", replace(LIMITS, seconds=120))
    assert (outcome.ending, outcome.status, log) == ("exited", 0, "3.0\n")


def test_a_virtual_environment_may_lie_under_tmp(tmp_path, monkeypatch):
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    subprocess.run([python, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "bin" / "python"))
    _, log = Execute(tmp_path, Bubblewrapped)("import os, sys; print(sys.prefix); open('/tmp/private', 'w')")
    assert log.strip() == str(tmp_path / "venv")


def test_there_is_no_network(execute):
    _, log = execute("""
        import socket
        for address in (("127.0.0.1", 22), ("1.1.1.1", 53), ("169.254.169.254", 80)):
            try:
                socket.create_connection(address, 2)
                print("connected")
            except OSError:
                print("refused")
        try:
            socket.getaddrinfo("example.org", 443)
            print("resolved")
        except OSError:
            print("refused")
    """)
    assert log.split() == ["refused"] * 4


def test_sockets_are_of_families_that_each_sandbox_has_for_itself(execute):
    """AF_VSOCK, for one, is common to all of a machine."""
    _, log = execute("""
        import socket
        for open_one in (socket.socket, socket.socketpair):
            opened = set()
            for family in range(64):
                for kind in range(1, 11):
                    try:
                        open_one(family, kind)
                        opened.add(family)
                    except (OSError, ValueError):
                        pass
            print(*sorted(opened))
    """)
    assert log.splitlines() == ["1", "1"]


def test_no_program_uses_up_what_the_kernel_counts_for_all_sandboxes_together(execute):
    """Descriptors in flight and epoll's watches are counted by user, and all sandboxes have the same one."""
    _, log = execute("""
        import array, asyncio, select, selectors, socket
        pair = socket.socketpair()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))]
        for attempt in (lambda: pair[0].sendmsg([b"x"], rights), lambda: pair[0].sendmsg([b"x"]), select.epoll):
            try:
                attempt()
                print("done")
            except OSError as error:
                print(error.errno)
        pair[0].send(b"plain")
        print(pair[1].recv(10))
        async def answer():
            await asyncio.sleep(0.01)
            return "asyncio works"
        print(asyncio.run(answer()))
    """)
    assert log.splitlines() == ["1", "1", "38", "b'plain'", "asyncio works"]


def test_worker_processes_need_no_descriptor_passed_on(execute):
    outcome, log = execute(
        """
        import os, torch
        from torch.utils.data import DataLoader, TensorDataset
        torch.multiprocessing.set_sharing_strategy("file_system")
        loader = DataLoader(TensorDataset(torch.arange(2000.0)), batch_size=20, num_workers=2, persistent_workers=True)
        for epoch in range(3):
            print(sum(batch.sum().item() for batch, in loader))
        print(os.listdir("/dev/shm"))
        """,
        replace(LIMITS, seconds=120),
    )
    assert (outcome.ending, log.split()) == ("exited", ["1999000.0"] * 3 + ["[]"])


def test_a_crash_starts_no_program_of_the_host_s(execute):
    """Where the kernel's core_pattern is a pipe, each crash would start one, as root; unless this limit is 1, and stays so."""
    _, log = execute("""
        import resource
        print(next(line for line in open("/proc/self/limits") if "core" in line).split()[4:6])
        for most in (0, 1, 2):
            try:
                resource.setrlimit(resource.RLIMIT_CORE, (most, most))
                print("changed")
            except (OSError, ValueError):
                print("refused")
    """)
    assert log.splitlines() == ["['1', '1']", *["refused"] * 3]


@pytest.mark.parametrize(
    ("pattern", "limit", "good", "said"),
    [
        ("core", -1, True, "start nothing on this machine"),
        ("|/usr/share/apport/apport %p", 1, True, "start nothing, though core_pattern is |/usr/share/apport/apport %p"),
        ("|/usr/share/apport/apport %p", None, False, "each has |/usr/share/apport/apport %p"),
        ("|/usr/share/apport/apport %p", 0, False, "outside of all limits: set kernel.core_pattern"),
        ("@/run/systemd/coredump.socket", 1, False, "each has @/run/systemd/coredump.socket"),
    ],
)
def test_doctor_says_what_a_crash_starts(pattern, limit, good, said, tmp_path, monkeypatch):
    (tmp_path / "core_pattern").write_text(f"{pattern}\n")
    monkeypatch.setattr(doctor, "CORE_PATTERN", tmp_path / "core_pattern")
    finding = doctor.crashes(limit)
    assert finding.good == good and not finding.needed and said in finding.said


def test_nobody_holds_up_or_watches_who_opens_a_file(execute):
    (execute.given / "shared").write_text("x")
    _, log = execute("""
        import ctypes, fcntl, os, signal
        libc = ctypes.CDLL(None)
        def refused(call, *arguments):
            try:
                return "done" if call(*arguments) != -1 else "refused"
            except OSError:
                return "refused"
        for command, argument in ((fcntl.F_SETLEASE, fcntl.F_RDLCK), (fcntl.F_SETLEASE, fcntl.F_WRLCK)):
            for path in ("/job/shared", "/usr/bin/env", "/out/own"):
                file = os.open(path, os.O_RDONLY | (os.O_CREAT if path == "/out/own" else 0))
                print(refused(fcntl.fcntl, file, command, argument))
        print(refused(fcntl.fcntl, os.open("/job", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS))
        print(refused(libc.inotify_init), refused(libc.inotify_init1, 0), refused(libc.fanotify_init, 0x200, 0))
    """)
    assert log.split() == ["refused"] * 10


def test_libraries_lock_files_of_their_own(execute):
    """torch.compile, for one, with flock()."""
    _, log = execute("""
        import fcntl, os
        for lock in (fcntl.flock, fcntl.lockf):
            with open("/tmp/own", "w") as file:
                lock(file, fcntl.LOCK_EX)
                print("locked")
        print(os.dup(0) > 0, fcntl.fcntl(os.memfd_create("x", os.MFD_ALLOW_SEALING), fcntl.F_ADD_SEALS, 1))
    """)
    assert log.split() == ["locked", "locked", "True", "0"]


def test_the_host_is_out_of_sight(execute, monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_TOKEN", "12345")
    (tmp_path / "labels").write_text("secret")
    _, log = execute(f"""
        import os, pathlib
        ours = {{*{sorted(ENVIRONMENT)}, "PWD", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}}
        print({{name for name in os.environ if not name.startswith(("TORCH", "PYTORCH"))}} <= ours)
        print(os.getuid(), "SECRET_TOKEN" in os.environ)
        for path in ({str(tmp_path / "labels")!r}, "/etc/passwd", "/etc/shadow", "/root/.ssh", "/home"):
            print(pathlib.Path(path).exists())
        print(max(int(p) for p in os.listdir("/proc") if p.isdigit()) < 100)
    """)
    assert log.split() == ["True", "1000", "False", *["False"] * 5, "True"]


def test_only_out_and_the_private_folders_can_be_written(execute):
    _, log = execute("""
        for path in ("/out/x", "/tmp/written", "/dev/shm/x", "/job/x", "/usr/x", "/x", "/dev/x", "/proc/sys/kernel/x"):
            try:
                open(path, "w").write("x")
                print("written")
            except OSError:
                print("refused")
    """)
    assert log.split() == ["written"] * 3 + ["refused"] * 5


def test_no_new_namespaces_and_no_capabilities(execute):
    _, log = execute("""
        import ctypes
        libc = ctypes.CDLL(None)
        print(libc.unshare(0x10000000), libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
        print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")))
    """)
    assert log.split() == ["-1", "-1", "0000000000000000"]


@pytest.mark.parametrize(
    ("code", "limits", "ending"),
    [
        ("while True: pass", replace(LIMITS, seconds=1.2), "time"),
        (
            "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
            replace(LIMITS, seconds=1.2),
            "time",
        ),
        ("hoard = []\nwhile True: hoard.append(bytearray(10**7))", replace(LIMITS, memory_bytes=3 * 10**8), "memory"),
        (
            "import time\nfor i in range(30): open(f'/out/{i}', 'wb').write(bytes(10**6)); time.sleep(0.05)",
            LIMITS,
            "output",
        ),
        (
            "import threading, time\nfor _ in range(60): threading.Thread(target=time.sleep, args=(20,)).start()\ntime.sleep(20)",
            LIMITS,
            "processes",
        ),
        (
            "import os, time\nfor _ in range(60):\n    if not os.fork(): os.setsid(); time.sleep(20)\ntime.sleep(20)",
            LIMITS,
            "processes",
        ),
    ],
    ids=[
        "time",
        "time, SIGTERM ignored",
        "memory",
        "output",
        "threads",
        "processes of their own session",
    ],
)
def test_every_limit_ends_the_program_that_breaks_it(code, limits, ending, execute):
    assert execute(code, limits)[0].ending == ending


FILES = "files = []\nwhile True: files.append(open('/out/file', 'wb')); os.unlink('/out/file'); files[-1].write(bytes(10**6)); files[-1].flush()"
MAPPED = """
file = os.open("/out/x", os.O_CREAT | os.O_RDWR)
os.truncate(file, 19 * 10**6)
first = mmap.mmap(file, 19 * 10**6)
os.close(file)
os.unlink("/out/x")
first.write(bytes(19 * 10**6))
open("/out/y", "wb").write(bytes(10**7))
"""
SET_ASIDE = "for i in range(9): os.posix_fallocate(os.open(f'/out/{i}', os.O_CREAT | os.O_WRONLY), 0, 4 * 10**6)"
LINKS = "open('/out/x', 'wb').write(bytes(10**6))\nfor i in range(30): os.link('/out/x', f'/out/{i}')"
SPARSE = "for i in range(3): os.truncate(os.open(f'/out/{i}', os.O_CREAT | os.O_WRONLY), 10**7)"
INODES = "for i in range(3000): open(f'/out/{i}', 'wb').close()"


@pytest.mark.parametrize(
    "code",
    [FILES, MAPPED, SET_ASIDE, LINKS, SPARSE, INODES, f"os.mkdir('/out/d'); os.chdir('/out/d')\n{FILES}"],
    ids=["unlinked", "mapped", "set aside", "links", "sparse", "many", "below"],
)
def test_no_byte_is_written_beyond_the_limit(code, execute, monkeypatch):
    """Also where nobody looks while it runs: the kernel refuses, or what there is at its end is too much."""
    monkeypatch.setattr("grader.sandbox.supervision.POLL_SECONDS", 30)
    outcome, log = execute(f"import mmap, os\n{code}")
    assert outcome.ending == "output" or (outcome.status == 1 and "No space left on device" in log)
    copied = [path for path in execute.out.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in copied) <= LIMITS.output_bytes + 1 and len(copied) <= LIMITS.output_files


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_files_without_a_byte_count_in_private_places_too(place, execute):
    """Each takes a kilobyte of the kernel's memory, which nobody counts where there is no control group."""
    outcome, log = execute(f"for i in range(300_000): open(f'{place}/{{i}}', 'wb').close()")
    assert outcome.ending == "output" or (outcome.status == 1 and "No space left on device" in log)


def test_who_lacks_room_is_to_blame_though_the_disk_is_full_for_all(execute, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=0))
    outcome, log = execute(
        "print('begins', flush=True)\n" + "open('/tmp/x', 'wb').write(b'')\nraise OSError(28, 'full')",
        says=("begins", "ready"),
    )
    assert (outcome.ending, outcome.status) == ("exited", 1)


def test_what_a_program_leaves_is_copied_and_no_link_is_followed(execute):
    (execute.given / "secret").write_text("secret")
    outcome, _ = execute("""
        import os
        os.makedirs("/out/a/b")
        open("/out/a/b/file", "wb").write(bytes(range(256)) * 10_000)
        os.symlink("/job/secret", "/out/link")
        os.symlink("/job", "/out/folder")
        os.mkfifo("/out/pipe")
        open("/out/closed", "w").write("x")
        os.chmod("/out/closed", 0)
        os.mkdir("/out/shut", 0)
        for _ in range(19):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        open("file", "w").write("x")
    """)
    assert (outcome.ending, outcome.status) == ("exited", 0)
    assert (execute.out / "a" / "b" / "file").read_bytes() == bytes(range(256)) * 10_000
    assert {path.name for path in execute.out.iterdir()} - {"closed", "shut", "d" * 200} == {"a"}
    assert not list(execute.out.glob("**/d*/file"))  # its path is too long for whoever would look at it


@pytest.mark.parametrize(("folders", "ending"), [(DEEPEST, "exited"), (DEEPEST + 1, "output")])
def test_folders_nest_only_so_deep(folders, ending, execute):
    outcome, _ = execute(f"import os\nfor _ in range({folders}): os.mkdir('d'); os.chdir('d')\nopen('file', 'w')")
    assert outcome.ending == ending
    assert len(list(execute.out.glob("**/file"))) == (ending == "exited")


def test_what_a_program_leaves_keeps_nobody_busy(execute):
    """To open each file by way of all folders above would take the grader seconds."""
    used = time.process_time()
    execute("""
        import os
        for _ in range(490):
            os.mkdir("d")
            os.chdir("d")
        for i in range(1500):
            open(str(i), "w")
    """)
    assert time.process_time() - used < 0.5


def test_what_a_limit_ended_leaves_what_it_wrote(execute):
    outcome, _ = execute("open('/out/x', 'w').write('1')\nwhile True: pass", replace(LIMITS, seconds=1.2))
    assert outcome.ending == "time" and (execute.out / "x").read_text() == "1"


def test_a_flood_of_output_is_cut_and_does_not_block(execute):
    outcome, log = execute("for i in range(300_000): print('x' * 20)")
    assert (outcome.ending, outcome.status) == ("exited", 0)
    assert 2_000_000 <= len(log) < 2_100_000


@pytest.mark.parametrize(("flood", "seconds"), [(b"\n" * 2**16, 1.0), (b"x" * 2**16, 0.25)], ids=["lines", "bytes"])
def test_a_flood_of_output_costs_the_grader_little(flood, seconds, tmp_path):
    told, writer = os.pipe()

    def write():
        end = time.monotonic() + 2
        with open(writer, "wb", buffering=0) as file:
            while time.monotonic() < end:
                file.write(flood)

    flooding = threading.Thread(target=write)
    flooding.start()
    used, heard = time.thread_time(), []
    with open(told, "rb") as stream, open(tmp_path / "log", "w") as log:
        keep_log(stream, log, [heard.append])
    used = time.thread_time() - used
    flooding.join()
    assert used < seconds
    assert len(heard) <= LOG_BYTES / LINE_BYTES <= (tmp_path / "log").stat().st_size <= LOG_BYTES + 5000


@pytest.mark.parametrize("ends", [BrokenPipeError, SystemExit])  # of a pipe; what rich makes of it
def test_a_program_outlives_whoever_hears_it(ends, tmp_path):
    def watch(line):
        raise ends

    (tmp_path / "out").mkdir()
    (tmp_path / "program.py").write_text("for i in range(20_000): print('x' * 20)")
    program = Program(str(tmp_path / "program.py"), "", {}, tmp_path / "out")
    outcome = run(program, LIMITS, tmp_path / "log", watch, launch=plainly)
    assert (outcome.ending, outcome.status) == ("exited", 0)
    assert len((tmp_path / "log").read_text()) == 20_000 * 21


def test_where_its_log_cannot_be_written_a_program_still_ends_well(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "program.py").write_text("for i in range(20_000): print('x' * 20)\nopen('ended', 'w')")
    program = Program(str(tmp_path / "program.py"), "", {}, tmp_path / "out")
    with pytest.raises(OSError, match="No space left"):
        run(program, LIMITS, Path("/dev/full"), launch=plainly)
    assert (tmp_path / "out" / "ended").exists()


def test_nothing_survives(execute):
    """A child in a session of its own would write on, if it lived."""
    execute("""
        import os, time
        if not os.fork():
            os.setsid()
            for i in range(100):
                open("/out/alive", "w").write(str(i))
                time.sleep(0.05)
        time.sleep(0.3)
    """)
    before = (execute.out / "alive").read_text()
    time.sleep(0.4)
    assert (execute.out / "alive").read_text() == before


def test_the_sandbox_s_own_failure_is_told_apart(tmp_path):
    missing = {"/program.py": tmp_path / "absent.py"}
    (tmp_path / "out").mkdir()
    outcome = run(Program("/program.py", "", missing, tmp_path / "out"), LIMITS, tmp_path / "log")
    assert outcome.ending == "sandbox" and "absent.py" in outcome.detail


def ended_from_outside(execute, kill) -> str:
    """How a program ends where `kill`, given its process on this machine, is called while the student's part runs."""
    begun, launch = [], execute.launch

    def launched(program, limits, group):
        begun.append(launch(program, limits, group))
        return begun[0]

    execute.launch = launched
    code = "import time; print('begins', flush=True); print('kill', flush=True); time.sleep(60)"
    hear = lambda line: kill(begun[0].pid) if line.strip() == "kill" else None  # noqa: E731
    (execute.given / "program.py").write_text(code)
    program = Program("/job/program.py", "", {"/job": execute.given}, execute.out, says=("begins", "ready"))
    return run(program, LIMITS, execute.log, hear, launched).ending


def test_the_end_of_the_first_process_is_the_program_s_own(execute):
    """Of its namespace, that is; nothing but itself can have ended that."""

    def kill(pid):
        inner = psutil.Process(pid).children() if execute.started else [psutil.Process(pid)]
        inner[0].kill()

    execute.started = execute.launch is Bubblewrapped
    assert ended_from_outside(execute, kill) == "exited"


def test_the_end_of_what_no_program_can_reach_is_ours(execute):
    server = execute.launch
    kill = (
        (lambda pid: server.process.kill()) if server is not Bubblewrapped else (lambda pid: psutil.Process(pid).kill())
    )
    assert ended_from_outside(execute, kill) == "sandbox"


@pytest.mark.parametrize("says", ["", "begins"])
def test_a_limit_is_the_program_s_only_once_the_student_s_part_begins(says, execute):
    code = f"import time; print({says!r}, flush=True); time.sleep(60)"
    outcome, _ = execute(code, replace(LIMITS, seconds=1.2), says=("begins", "ready"))
    assert outcome.ending == ("time" if says else "sandbox")


def test_the_first_process_outlives_every_signal_of_its_program(execute):
    outcome, _ = execute("""
        import os, signal, sys, time
        for number in signal.valid_signals():
            os.kill(1, number)
        time.sleep(0.1)
        sys.exit(7)
    """)
    assert (outcome.ending, outcome.status) == ("exited", 7)


def test_without_a_sandbox_the_limits_still_hold(tmp_path):
    assert Execute(tmp_path, plainly)("while True: pass", replace(LIMITS, seconds=1.2))[0].ending == "time"
