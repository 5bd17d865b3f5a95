"""What can go wrong with a Ray cluster, done to a real one in the midst of a grading, and what came of it.

`python -m tests.hostile.cluster [CASE ...]` prints the table. Trainings are tiny, and run in sandboxes as ever.
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.hostile.cases import RULES
from tests.hostile.classroom import faults, miscounted, write_class

STUDENTS, SEEDS = 4, 2
PATIENCE = 0.3  # minutes of a training, of which a lease allows six
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


def lose_node(scene: Scene) -> None:
    """A node is gone with all its processes."""
    scene.cluster.remove_node(scene.nodes.pop(), allow_graceful=False)


def kill_host(scene: Scene) -> None:
    """The process that holds a node's jobs is killed."""
    processes(HOST)[0].kill()


def kill_fork_server(scene: Scene) -> None:
    """What starts a node's programs is killed, with those that run."""
    processes(FORK_SERVER)[0].kill()


def stall_host(scene: Scene) -> None:
    """A host stands still, its job is given to another, and then it goes on."""
    host = processes(HOST)[0]
    host.suspend()
    wait_for(scene.grading, "has not given a job back in time")
    host.resume()


def lose_head(scene: Scene) -> None:
    """The head is gone; a new cluster is begun, and the same command."""
    scene.cluster.head_node.kill_gcs_server(check_alive=False)
    said = scene.grading.communicate(timeout=120)[0]
    assert scene.grading.returncode == 2 and "is gone; what is recorded is safe" in said, said
    scene.cluster.shutdown()
    scene.cluster, scene.nodes = new_cluster()
    scene.grading = scene.begin()


def kill_grader(scene: Scene) -> None:
    """The grader is killed, and the same command given again."""
    scene.grading.kill()
    scene.grading.wait()
    scene.grading = scene.begin()


def stop_grader(scene: Scene) -> None:
    """The grader is stopped by hand, and the same command given again."""
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
    """Let one thing go wrong while two trainings run, wait for the end, and count.

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
        for _ in range(3):  # programs run by then
            wait_for(scene.grading, ": training")
        time.sleep(random.Random(name).uniform(0, 2))
        CASES[name](scene)
        said = scene.grading.communicate(timeout=300)[0]
        if scene.grading.returncode:
            raise AssertionError(said)
    finally:
        if scene.grading.poll() is None:
            scene.grading.kill()
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
