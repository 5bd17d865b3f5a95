"""The machines that the sandbox must hold on: who grades there, and which control groups there are.

Each is made on this one for a single command: a user without rights, a group that is handed on to them, none, or a kernel of
its own (see `tests/sandbox_kernel/guest.py`). Nothing of it is left.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.sandbox_kernel import guest

USER = 65534
ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("memory", "pids", "cpuacct")
SECONDS = 1800
SCOPE = """\
echo '+memory +pids' > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/scope
chown -R {user} /sys/fs/cgroup/scope
echo $$ > /sys/fs/cgroup/scope/cgroup.procs
chmod 1777 "$TMPDIR"
"""


@dataclass(frozen=True)
class Machine:
    """Who grades, and with control groups of which version; 0 for none."""

    root: bool
    groups: int

    def __str__(self) -> str:
        groups = f"control groups {self.groups}" if self.groups else "no control groups"
        return f"{'root' if self.root else 'a user'}, {groups}"

    def missing(self) -> str | None:
        """Why it cannot be made here; None where it can."""
        if self.groups == 2:
            return None if guest.KERNEL else "needs Debian's kernel in a process: apt-get install user-mode-linux"
        if os.getuid():
            return "needs root here"
        if self.groups == 1 and not all((ROOT / name / "tasks").exists() for name in CONTROLLERS):
            return "this kernel has no control groups of version 1"
        tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
        return tried.stderr.strip() or None

    def run(self, command: list[str]) -> str:
        """What a command prints there, from this repository's root."""
        start = "exec" if self.root else f"exec setpriv --reuid {USER} --regid {USER} --clear-groups"
        lines = [] if self.root else opened([Path(sys.base_prefix), Path(sys.prefix), guest.REPOSITORY])
        lines += [
            "export HOME=${TMPDIR:-/tmp} MPLCONFIGDIR=${TMPDIR:-/tmp}/matplotlib",
            f"{start} {shlex.join(command)}",
        ]
        with tempfile.TemporaryDirectory() as folder, self.group() as joined:
            os.chmod(folder, 0o755)
            script = Path(folder, "script")
            script.write_text("\n".join(["set -e", *joined, *lines]))
            if self.groups == 2:
                return guest.run(["sh", str(script)])[1]
            environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(guest.REPOSITORY)}
            done = subprocess.run(
                ["unshare", "--mount", "sh", str(script)],
                cwd=guest.REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=SECONDS,
            )
            return done.stdout

    @contextmanager
    def group(self) -> Iterator[list[str]]:
        """The lines by which a shell joins a group that its user may divide."""
        if self.groups == 0:
            yield ["mount -t tmpfs none /sys/fs/cgroup"]
        elif self.groups == 2:
            yield [SCOPE.format(user=0 if self.root else USER)]
        else:
            own = dict(line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines())
            folders = []
            for name in CONTROLLERS:
                folders.append(Path(tempfile.mkdtemp(prefix="tried-", dir=ROOT / name / own[name].lstrip("/"))))
                if not self.root:
                    for path in (folders[-1], *folders[-1].iterdir()):
                        os.chown(path, USER, USER)
            try:
                yield [f"echo $$ > {folder}/cgroup.procs" for folder in folders]
            finally:
                for folder in folders:
                    for each in (*(path for path in folder.iterdir() if path.is_dir()), folder):
                        with suppress(OSError):
                            each.rmdir()


def opened(needed: list[Path]) -> list[str]:
    """The lines that let any user see some folders, though they lie in folders that are closed to others: these are hidden."""
    lines, hidden = ["mount -t tmpfs none /mnt"], dict[Path, list[Path]]()
    for path in needed:
        closed = [parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001]
        if closed:
            hidden.setdefault(closed[0], []).append(path)
    for number, (folder, paths) in enumerate(hidden.items()):
        kept = [(path, f"/mnt/{number}-{index}") for index, path in enumerate(paths)]
        lines += [f"mkdir {place} && mount --rbind {shlex.quote(str(path))} {place}" for path, place in kept]
        lines.append(f"mount -t tmpfs -o mode=755 none {shlex.quote(str(folder))}")
        lines += [f"mkdir -p {path} && mount --rbind {place} {path}" for path, place in kept]
    return lines


MACHINES = [Machine(root, groups) for groups in (2, 1, 0) for root in (True, False)]
