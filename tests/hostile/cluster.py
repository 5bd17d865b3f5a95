"""What can go wrong with a Ray cluster, done to a real one in the midst of a grading, and what came of it.

`python -m tests.hostile.cluster [CASE ...]` prints the table. Trainings are tiny, and run in sandboxes as ever.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.hostile.cases import RULES
from tests.hostile.classroom import faults, miscounted, write_class

STUDENTS, SEEDS = 4, 2
PATIENCE = 0.3  # minutes of a training, of which a lease allows fourteen
SECONDS_TO_TRAIN = 600  # at most, from the start of a grading to its first training, on a machine that is busy
HOST, FORK_SERVER = "ray::NodeWorker", "/walls/fork_server_main.py"
GRADER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a background shell started ignores it
import grader.grading.settings, grader.engines.ray_cluster
from grader.cli import main

grader.grading.settings.SPARE_MINUTES = 0.2
grader.engines.ray_cluster.SECONDS_WITHOUT_HEAD = 2
sys.exit(main(["run", *sys.argv[1:]]))
"""


@dataclass
class Scene:
    """A cluster of two nodes beside its head, and a grading on it."""

    cluster: Any
    nodes: list[Any]
    begin: Callable[[], subprocess.Popen]
    grading: subprocess.Popen | None = None


def processes(words: str) -> list[psutil.Process]:
    """Those of whose command line this is a part."""
    return [each for each in psutil.process_iter(["cmdline"]) if words in " ".join(each.info["cmdline"] or [])]


def held_training(scene: Scene) -> tuple[Any, psutil.Process, psutil.Process]:
    """Wait until a program runs on a node, and make it stand still: its job cannot end before what happens next.

    Returns:
        The node, its host, and the program.
    """
    deadline = time.monotonic() + SECONDS_TO_TRAIN
    while time.monotonic() < deadline and scene.grading.poll() is None:
        for node in scene.nodes:
            with suppress(psutil.NoSuchProcess):  # they come and go while we look
                for host, program in running(node):
                    program.suspend()
                    while program.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE):
                        time.sleep(0.01)
                    if program.status() == psutil.STATUS_STOPPED:
                        return node, host, program
        time.sleep(0.05)
    scene.grading.kill()
    raise AssertionError(f"no program runs on any node:\n{scene.grading.stdout.read()}")


def running(node: Any) -> list[tuple[psutil.Process, psutil.Process]]:
    """The first process of each program that runs on a node, with the host that it belongs to."""
    raylets = [process for kind, process in node.live_processes() if kind == "raylet"]
    hosts = [each for raylet in raylets for each in psutil.Process(raylet.pid).children() if is_of(each, HOST)]
    found = []
    for host in hosts:
        forked = [each for each in host.children(recursive=True) if is_of(each, FORK_SERVER)]
        inside = [each for each in forked if each.name() != "bwrap" and each.parent().name() == "bwrap"]
        found += [(host, each) for each in sorted(inside, key=psutil.Process.create_time)[1:]]  # the eldest forks them
    return found


def is_of(process: psutil.Process, words: str) -> bool:
    return words in " ".join(process.cmdline())


def lose_node(scene: Scene) -> None:
    """A node is gone with all its processes."""
    node, _, _ = held_training(scene)
    scene.nodes.remove(node)
    scene.cluster.remove_node(node, allow_graceful=False)


def kill_host(scene: Scene) -> None:
    """The process that holds a node's jobs is killed."""
    _, host, _ = held_training(scene)
    host.kill()


def kill_fork_server(scene: Scene) -> None:
    """What starts a node's programs is killed, with those that run."""
    _, host, program = held_training(scene)
    next(each for each in program.parents() if each.ppid() == host.pid).kill()


def stall_host(scene: Scene) -> None:
    """A host stands still, its job is given to another, and then it goes on."""
    _, host, program = held_training(scene)
    host.suspend()
    program.resume()
    wait_for(scene.grading, "has not given a job back in time")
    host.resume()


def lose_head(scene: Scene) -> None:
    """The head is gone; a new cluster is begun, and the same command."""
    held_training(scene)
    scene.cluster.head_node.kill_gcs_server(check_alive=False)
    said = scene.grading.communicate(timeout=120)[0]
    assert scene.grading.returncode == 2 and "is gone; what is recorded is safe" in said, said
    scene.cluster.shutdown()
    scene.cluster, scene.nodes = new_cluster()
    scene.grading = scene.begin()


def kill_grader(scene: Scene) -> None:
    """The grader is killed, and the same command given again."""
    held_training(scene)
    scene.grading.kill()
    scene.grading.communicate()
    scene.grading = scene.begin()


def stop_grader(scene: Scene) -> None:
    """The grader is stopped by hand, and the same command given again."""
    held_training(scene)
    scene.grading.send_signal(signal.SIGINT)
    said = scene.grading.communicate(timeout=60)[0]
    assert scene.grading.returncode == 130 and "Nothing is lost" in said, said
    scene.grading = scene.begin()


def lose_one_after_the_other(scene: Scene) -> None:
    """A host is killed, a node is lost, and a new one joins."""
    kill_host(scene)
    wait_for(scene.grading, "is lost")
    lose_node(scene)
    scene.nodes.append(scene.cluster.add_node(num_cpus=1))


CASES = {
    case.__name__.replace("_", "-"): case
    for case in (
        *(lose_node, kill_host, kill_fork_server, stall_host, lose_head, kill_grader, stop_grader),
        lose_one_after_the_other,
    )
}


def new_cluster() -> tuple[Any, list[Any]]:
    """A head that trains nothing, and two nodes that do."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    return cluster, [cluster.add_node(num_cpus=1) for _ in range(2)]


def wait_for(grading: subprocess.Popen, words: str) -> None:
    """Read what the grader says up to a line with these words."""
    said = []
    for line in grading.stdout:
        said.append(line)
        if words in line:
            return
    raise AssertionError(f"{words!r} is not in {''.join(said)}")


def happen(name: str, scratch: Path, students: int = STUDENTS, seeds: int = SEEDS) -> dict[str, int | float]:
    """Let one thing go wrong while a training runs, wait for the end, and count.

    Returns:
        Results `lost` and `doubled`, students `charged`; attempts that were made `again`, programs that were `left`
        running, and `seconds`.
    """
    submissions, results, rules = scratch / "submissions", scratch / "results", scratch / "rules.yaml"
    write_class(submissions, students)
    asked = RULES.but(seeds=seeds, limits=RULES.limits.but(minutes=PATIENCE)).model_dump(mode="json")
    rules.write_text(yaml.safe_dump(asked))
    started = time.monotonic()
    cluster, nodes = new_cluster()

    def begin() -> subprocess.Popen:
        options = ["--out", results, "--rules", rules, "--secret-seed", "1", "--wandb", "disabled"]
        command = [sys.executable, "-c", GRADER, submissions, *options, "--engine", "ray", "--address"]
        command = [*map(str, command), scene.cluster.address]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    scene = Scene(cluster, nodes, begin)
    try:
        scene.grading = begin()
        CASES[name](scene)
        said = scene.grading.communicate(timeout=300)[0]
        if scene.grading.returncode:
            raise AssertionError(said)
    finally:
        scene.grading.kill()
        scene.grading.communicate()
        scene.cluster.shutdown()
    found = miscounted(results, students, seeds)
    left = sum(each.ppid() == 1 for each in processes(FORK_SERVER))  # others may be other graders'
    return {**found, "again": faults(results), "left": left, "seconds": round(time.monotonic() - started, 1)}


def main(names: list[str]) -> int:
    """Print a line for each case. Exit status 1 where something was lost, doubled, charged or left."""
    wrong = 0
    print(
        f"{'case':26} {'lost':>5} {'doubled':>8} {'charged':>8} {'again':>6} {'left':>5} {'seconds':>8}   what goes wrong"
    )
    for name in names or CASES:
        with tempfile.TemporaryDirectory() as scratch:
            found = happen(name, Path(scratch))
        wrong += any(found[what] for what in ("lost", "doubled", "charged", "left"))
        numbers = "{lost:5} {doubled:8} {charged:8} {again:6} {left:5} {seconds:8}".format(**found)
        print(f"{name:26} {numbers}   {CASES[name].__doc__.strip().splitlines()[0]}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
