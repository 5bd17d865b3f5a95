"""Jobs on a Ray cluster: a host on each of its nodes, and what becomes of jobs whose node is lost."""

import itertools
import logging
import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from grader.engines import machine
from grader.engines.engine import Train, Work
from grader.engines.needs import Needs
from grader.engines.node_worker import Files, NodeWorker
from grader.engines.slots import places
from grader.ledger.measurement import Measurement
from grader.rerun.grading_data import GradingData
from grader.rerun.job import Job
from grader.rerun.mounted_code import REPOSITORY
from project.support.errors import UserError

SHIPPED = ("project", "grader", "configs")  # what nodes need of this repository
SECONDS_BETWEEN_LOOKS = 3.0
POLL_SECONDS = 0.5
SECONDS_WITHOUT_HEAD = 30  # Ray itself ends our process after 60
SECONDS_WITHOUT_NODES = 300
LOSSES = 3  # of a node in a row, or failures there of so many students' jobs in a row, after which it is left alone
SECONDS_TO_CLOSE = 10


@dataclass(frozen=True)
class RayEngine:
    """The nodes of a Ray cluster, of which this machine is one. Each node does what LocalEngine does.

    Attributes:
        address: Of the head, HOST:PORT.
        at_once: Trainings at once on each node's CPU; without it, as `at_once_on_cpu` says.
    """

    address: str
    at_once: int | None = None

    def now(self) -> float:
        return time.monotonic()

    def device(self, wanted: str) -> str:
        gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in nodes(self.address))
        if wanted == "cuda" and not gpus:
            raise UserError("--device cuda: no node of the Ray cluster offers a GPU; leave it at auto to train on CPUs")
        return "cuda" if gpus and wanted != "cpu" else "cpu"

    def about(self, device: str) -> dict[str, Any]:
        count = len(nodes(self.address))
        label = f"a Ray cluster of {count} node{'' if count == 1 else 's'}, on {'GPUs' if device == 'cuda' else 'CPUs'}"
        return {"device": label, "driver": None, "versions": machine.versions()}

    @contextmanager
    def session(self, needs: Needs) -> Iterator[Train]:
        nodes(self.address)
        cluster = Cluster(self, needs)
        try:
            cluster.look()
            yield cluster.run
        finally:
            cluster.close()


def nodes(address: str) -> list[dict[str, Any]]:
    """The nodes that are there. Connects first, where that has not been done; raises UserError where it cannot."""
    if find_spec("ray") is None:
        raise UserError("--engine ray: Ray is not installed; pip install '.[ray]'")
    if not reachable(address):  # Ray would try for minutes
        raise UserError(f"--address {address}: nothing answers there; see docs/cluster.md for how to start a cluster")
    import ray
    import ray.exceptions

    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        with tempfile.TemporaryDirectory(prefix="fifteen-epochs-code-") as code:
            try:
                for name in SHIPPED:
                    shutil.copytree(REPOSITORY / name, Path(code, name), ignore=shutil.ignore_patterns("__pycache__"))
                ray.init(address, runtime_env={"working_dir": code}, log_to_driver=False, logging_level=logging.ERROR)
            except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                said = (str(error).strip().splitlines() or ["it does not answer"])[0]
                raise UserError(f"--address {address}: no Ray cluster there ({said}); see docs/cluster.md") from None
    return [node for node in ray.nodes() if node["Alive"]]


@dataclass(eq=False)
class Node:
    """One node, as seen from here.

    Attributes:
        name: Its address.
        host: The actor on it; None once it is lost or cannot be used.
        asked: What the host has not answered yet: references, each with the number of a job, or another question.
        jobs: What the host holds, by number, each with the time at which the node is taken for lost.
        count: Jobs that it can hold; 0 until it says so.
        machine: What its measurements record of it. Kept when its host is lost, as another may start there.
        losses: How often in a row it was lost.
        failed: Students whose jobs have failed there since the last that did not: the jobs of one may do so anywhere.
    """

    id: str
    name: str
    host: Any = None
    asked: dict[Any, int | Literal["about", "said"]] = field(default_factory=dict)
    jobs: dict[int, tuple[Job, float]] = field(default_factory=dict)
    count: int = 0
    machine: dict[str, Any] = field(default_factory=dict)
    losses: int = 0
    failed: set[str] = field(default_factory=set)


class Cluster:
    """One run of jobs on a Ray cluster.

    Attributes:
        work: What is run, from `run` on.
        looked: When it last looked which nodes are there.
        refused: Why the last node that cannot be used cannot be.
    """

    work: Work

    def __init__(self, engine: RayEngine, needs: Needs):
        import ray

        self.ray, self.engine, self.needs = ray, engine, needs
        self.numbers = itertools.count()
        self.nodes: dict[str, Node] = {}
        self.images: dict[Path, Callable[[], dict[str, Files]]] = {}
        self.head = ray.get_runtime_context().gcs_address
        self.head_seen = self.node_seen = engine.now()
        self.looked, self.refused = -math.inf, ""

    def run(self, work: Work) -> Iterator[tuple[Job, Measurement]]:
        self.work = work
        self.head_seen = self.node_seen = self.engine.now()  # nobody has looked since the session began
        while True:
            self.look()
            while (node := self.freest()) and (job := self.work.next_job()):
                self.begin(node, job)
            if not any(node.jobs for node in self.nodes.values()) and self.work.next_time() is None:
                return
            yield from self.answers()
            now = self.engine.now()
            for node in self.nodes.values():
                if any(ends <= now for _, ends in node.jobs.values()):
                    yield from self.lose(node, "it has not given a job back in time")

    def look(self) -> None:
        """See which nodes are there, and start a host on each. Raises UserError where none can train any more."""
        now = self.engine.now()
        if now - self.looked < SECONDS_BETWEEN_LOOKS:
            return
        self.looked = now
        if not reachable(self.head):
            if now - self.head_seen > SECONDS_WITHOUT_HEAD:
                raise UserError(
                    f"the head of the Ray cluster, {self.head}, is gone; what is recorded is safe: start the cluster "
                    "again, and the same command goes on"
                )
            return  # Ray would wait for it
        try:
            there = self.ray.nodes()
        except self.ray.exceptions.RayError:  # it listens, and does not answer
            return
        self.head_seen = now
        for found in there:
            if found["Alive"] and found["Resources"].get("GPU" if self.needs.device == "cuda" else "CPU", 0) >= 1:
                node = self.nodes.setdefault(found["NodeID"], Node(found["NodeID"], found["NodeManagerAddress"]))
                if node.host is None and node.losses < LOSSES:
                    self.settle(node, found["Resources"])
        if any(node.count for node in self.nodes.values()):
            self.node_seen = now
        elif self.refused and not any(node.host or node.machine for node in self.nodes.values()):
            raise UserError(f"no node of the Ray cluster can be used: {self.refused}")
        elif now - self.node_seen > SECONDS_WITHOUT_NODES:
            raise UserError(
                "the Ray cluster has had no node to train on for minutes; are their CPUs and GPUs in use by others? "
                "What is recorded is safe, and the same command goes on"
            )

    def settle(self, node: Node, resources: dict[str, float]) -> None:
        """Start a host on a node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        memory = resources.get("memory", 0.0)  # in bytes, of what Ray gives to those who ask
        at_once = self.engine.at_once or machine.at_once_on_cpu(self.needs.memory_gb, cores, memory)
        remote = self.ray.remote(NodeWorker).options(
            num_cpus=cores,
            num_gpus=gpus if self.needs.device == "cuda" else 0,
            max_concurrency=places(self.needs, gpus, at_once) + 2,  # two more, for the other questions
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        node.host = remote.remote(self.needs, at_once, max(1, cores))
        node.asked = {node.host.about.remote(): "about"}

    def freest(self) -> Node | None:
        """The node with the largest share of its places free; None where none is."""
        free = [node for node in self.nodes.values() if len(node.jobs) < node.count]
        return min(free, key=lambda node: len(node.jobs) / node.count, default=None)

    def begin(self, node: Node, job: Job) -> None:
        number = next(self.numbers)
        node.jobs[number] = job, self.engine.now() + self.needs.longest
        if job.data.training not in self.images:
            self.images[job.data.training] = self.shipped(job.data)
        node.asked[node.host.run.remote(number, job, self.images[job.data.training])] = number

    def shipped(self, data: GradingData) -> Callable[[], dict[str, Files]]:
        """Put the images where every node can fetch them, by calling what this returns."""
        parts = {"training": data.training, "scoring": data.scoring}
        files = {part: {f.name: f.read_bytes() for f in folder.iterdir()} for part, folder in parts.items()}
        return partial(self.ray.get, self.ray.put(files))

    def answers(self) -> Iterator[tuple[Job, Measurement]]:
        """Wait a moment for answers, and yield the jobs that have ended."""
        asked = {reference: node for node in self.nodes.values() for reference in node.asked}
        if not asked:
            time.sleep(POLL_SECONDS)
            return
        self.ray.wait(list(asked), timeout=POLL_SECONDS)
        for reference in self.ray.wait(list(asked), num_returns=len(asked), timeout=0)[0]:
            node = asked[reference]
            question = node.asked.pop(reference, None)
            if question is None:  # the node has been given up since
                continue
            try:
                answer = self.ray.get(reference)
            except self.ray.exceptions.RayError as error:
                yield from self.lose(node, last_line(error))
                continue
            if question == "about":
                self.welcome(node, answer)
            elif question == "said":
                self.hear(node, answer)
            else:
                yield from self.returned(node, question, *answer)

    def welcome(self, node: Node, said: dict[str, Any]) -> None:
        """A host is there; use it, unless it cannot be."""
        problem = said["problem"]
        if problem is None:
            ours, theirs = machine.versions(), said["machine"]["versions"]
            unlike = [f"{name} {theirs.get(name)}, not {ours[name]}" for name in ours if theirs.get(name) != ours[name]]
            problem = f"it has {', '.join(unlike)}" if unlike else None
        if problem is not None:
            self.refused = f"{node.name}: {problem}"
            print(f"node {self.refused}; it is not used", flush=True)
            self.ray.kill(node.host)
            node.host, node.losses = None, LOSSES
            return
        node.count, node.machine = said["count"], said["machine"] | {"node": node.name}
        print(f"node {node.name}: {node.machine['device']}", flush=True)
        node.asked[node.host.said.remote()] = "said"

    def hear(self, node: Node, lines: list[tuple[int, str]]) -> None:
        for number, line in lines:
            if number in node.jobs:
                self.work.watch(node.jobs[number][0], line)
        node.asked[node.host.said.remote()] = "said"

    def returned(self, node: Node, number: int, result: Measurement, files: Files) -> Iterator[tuple[Job, Measurement]]:
        """A host gives a job back. One that keeps failing is given up: soon free again, it would take all jobs."""
        job, _ = node.jobs.pop(number)
        job.folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (job.folder / Path(name).name).write_bytes(content)
        yield job, result.but(machine=node.machine)
        if result.outcome != "infrastructure":
            node.losses = 0
            node.failed.clear()
            return
        node.failed.add(job.submission.student)
        if len(node.failed) >= LOSSES:
            node.losses = LOSSES
            yield from self.lose(node, f"the jobs of {LOSSES} students failed in a row, the last: {result.said}")

    def lose(self, node: Node, why: str) -> Iterator[tuple[Job, Measurement]]:
        """Give a host up. Its jobs are to be run again anywhere; what it may still say of them is not heard."""
        self.ray.kill(node.host)
        jobs = node.jobs
        node.host, node.asked, node.jobs, node.count = None, {}, {}, 0
        node.losses += 1
        print(f"node {node.name} is lost: {why}", flush=True)
        for job, _ in jobs.values():
            yield job, Measurement(outcome="infrastructure", said=f"node {node.name} was lost: {why}")

    def close(self) -> None:
        """End all hosts, and with them whatever runs on them, and leave the cluster."""
        if not reachable(self.head):
            return  # without it, they end by themselves
        hosts = [node.host for node in self.nodes.values() if node.host]
        if closing := [host.close.remote() for host in hosts]:
            self.ray.wait(closing, num_returns=len(closing), timeout=SECONDS_TO_CLOSE)
        for host in hosts:
            self.ray.kill(host)
        self.ray.shutdown()


def reachable(address: str) -> bool:
    """Whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def last_line(error: Exception) -> str:
    """The heart of one of Ray's long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
