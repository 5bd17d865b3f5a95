"""The fork server: what only it could let through, from one program to the next and to itself."""

import os
import signal
import threading
from contextlib import closing

import pytest

from grader.rerun.mounted_code import PRELOAD, VisibleCode
from grader.sandbox.fork_server import ForkServer
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.supervision import run
from tests.grader.conftest import needs_sandbox
from tests.grader.test_sandbox import Execute

pytestmark = needs_sandbox


@pytest.fixture
def execute(fork_server):
    with scratch_folder(fork_server.scratch) as folder:
        yield Execute(folder, fork_server)


def test_a_program_inherits_nothing_but_its_three_streams(execute):
    _, log = execute("import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))")
    assert log.strip() == "[0, 1, 2, 3]"  # 3 is the listing's own


def test_what_one_program_leaves_the_next_does_not_find(execute):
    _, log = execute("""
        import os, sys, json
        places = [os.path.exists(place + "/left") for place in ("/out", "/tmp", "/dev/shm", "/shelf/scratch")]
        print(places, hasattr(json, "left"), os.environ.get("LEFT"))
        json.left = os.environ["LEFT"] = "x"
        for place in ("/tmp", "/dev/shm"):
            open(place + "/left", "w").write("x")
    """)
    _, again = execute("""
        import os, json
        print([os.path.exists(place + "/left") for place in ("/tmp", "/dev/shm")], os.listdir("/shelf"), hasattr(json, "left"), os.environ.get("LEFT"))
    """)
    assert log.strip() == "[False, False, False, False] False None"
    assert again.strip() == "[False, False] [] False None"


def test_two_programs_at_once_do_not_meet(fork_server):
    """A socket with an abstract name, shared memory with a key, and processes: none is common. No terminal can be opened."""
    meet = """
        import ctypes, os, socket, time
        libc = ctypes.CDLL(None)
        try:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind("\\0meeting")
        except OSError:
            print("met: socket")
        if libc.shmget(4711, 4096, 0o1666 | 0o2000) == -1:  # create, and fail where it is there
            print("met: memory")
        time.sleep(1.5)
        others = [pid for pid in os.listdir("/proc") if pid.isdigit()]
        try:
            print(len(others), "processes", os.ttyname(os.openpty()[1]))
        except PermissionError:
            print(len(others), "processes, no terminal")
    """
    logs = []

    def one() -> None:
        with scratch_folder(fork_server.scratch) as folder:
            logs.append(Execute(folder, fork_server)(meet)[1])

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logs == ["2 processes, no terminal\n"] * 2


def test_the_first_process_of_a_program_is_out_of_its_reach(execute):
    outcome, log = execute("""
        import os, signal, sys
        for place in ("mem", "environ", "root", "cwd", *(f"fd/{number}" for number in os.listdir("/proc/1/fd"))):
            try:
                os.listdir(f"/proc/1/{place}") if place == "root" else open(f"/proc/1/{place}", "rb").read(1)
                print("read", place)
            except OSError:
                print("refused")
        os.kill(1, signal.SIGKILL)
        os.kill(1, signal.SIGTERM)
        sys.exit(7)
    """)
    assert set(log.split()) == {"refused"} and (outcome.ending, outcome.status) == ("exited", 7)


def test_no_mount_can_be_taken_away(execute):
    _, log = execute("""
        import ctypes
        libc = ctypes.CDLL(None)
        for place in (b"/proc", b"/tmp", b"/job", b"/out", b"/dev/pts", b"/shelf"):
            print(libc.umount2(place, 2))
        print([line.split()[0] for line in open("/proc/self/uid_map")])
        try:
            open("/proc/sys/user/max_user_namespaces", "w").write("9")
            print("written")
        except OSError:
            print("refused")
    """)
    assert log.split() == ["-1"] * 6 + ["['1000']", "refused"]


def test_the_ends_of_programs_are_theirs_alone(execute):
    assert execute("import sys; sys.exit('a word')")[0].status == 1
    outcome, log = execute("raise ValueError('no')")
    assert outcome.status == 1 and "ValueError: no" in log
    assert execute("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")[0].status == -signal.SIGSEGV
    assert execute("import os; os._exit(300)")[0].status == 300 % 256


def test_where_it_cannot_start_it_says_why():
    code = VisibleCode().inputs.items()
    without = {inside: path for inside, path in code if not inside.startswith("/app/project/")}
    with closing(ForkServer(without, PRELOAD, [])) as server:
        server.start()
        with pytest.raises(OSError, match="No module named 'project'"):
            server.wait_until_ready()


def test_a_server_that_was_killed_is_started_again(fork_server, execute):
    execute("print('before')")
    os.kill(fork_server.process.pid, signal.SIGKILL)
    fork_server.process.wait()
    assert execute("print('after')")[1] == "after\n"


def test_nothing_outside_its_folders_can_be_given(fork_server, tmp_path):
    (tmp_path / "out").mkdir()
    outcome = run(
        Program("/job/x.py", "", {"/job": tmp_path}, tmp_path / "out"),
        ResourceLimits(),
        tmp_path / "log",
        launch=fork_server,
    )
    assert outcome.ending == "sandbox" and "none of the fork server's folders" in outcome.detail
