"""Jobs on a Ray cluster: a host on each of its nodes, and what becomes of jobs whose node is lost."""

import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grader.engines import machine
from grader.engines.engine import Train, Work
from grader.engines.leases import Leases
from grader.engines.needs import Needs
from grader.engines.node_worker import Files, NodeWorker
from grader.engines.slots import places
from grader.ledger.measurement import Measurement
from grader.rerun.grading_data import GradingData
from grader.rerun.job import Job
from grader.rerun.visible_code import REPOSITORY
from project.support.errors import UserError

SHIPPED = ("project", "grader", "configs")  # what nodes need of this repository
SECONDS_BETWEEN_LOOKS = 3.0
POLL_SECONDS = 0.5
SECONDS_WITHOUT_HEAD = 30  # Ray itself ends our process after 60
SECONDS_WITHOUT_NODES = 300
LOSSES = 3  # faults of ours on one node in a row, until it is left alone
SECONDS_TO_CLOSE = 10


@dataclass(frozen=True)
class RayEngine:
    """The nodes of a Ray cluster, of which this machine is one. Each node does what LocalEngine does.

    Attributes:
        address: Of the head, HOST:PORT.
        at_once, ahead: See Slots, of each node; without `at_once`, as `at_once_on_cpu` says.
    """

    address: str
    at_once: int | None = None
    ahead: int = 1

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
    """The nodes that are there, connecting first where that has not been done. Raises UserError where it cannot."""
    if find_spec("ray") is None:
        raise UserError("--engine ray: Ray is not installed; pip install '.[ray]'")
    if not reachable(address):  # Ray would try for minutes
        raise UserError(f"--address {address}: nothing answers there; see docs/cluster.md for how to start a cluster")
    import ray
    import ray.exceptions

    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        code = Path(tempfile.mkdtemp(prefix="fifteen-epochs-code-"))
        try:
            for name in SHIPPED:
                shutil.copytree(REPOSITORY / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
            environment = {"working_dir": str(code)}
            ray.init(address, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            said = (str(error).strip().splitlines() or ["it does not answer"])[0]
            raise UserError(f"--address {address}: no Ray cluster there ({said}); see docs/cluster.md") from None
        finally:
            shutil.rmtree(code, ignore_errors=True)
    return [node for node in ray.nodes() if node["Alive"]]


@dataclass(eq=False)
class Node:
    """One node, as seen from here.

    Attributes:
        name: Its address.
        host: The actor on it; None once it is lost or cannot be used.
        asked: What the host has been asked for and not answered: references, each with what it is about.
        count: Jobs that it can hold; 0 until it says so.
        losses: Faults of ours there since its last result.
    """

    id: str
    name: str
    host: Any = None
    asked: dict[Any, Any] = field(default_factory=dict)
    count: int = 0
    machine: dict[str, Any] = field(default_factory=dict)
    losses: int = 0


class Cluster:
    """One run of jobs on a Ray cluster.

    Attributes:
        work: What is run, from `run` on.
    """

    ABOUT, SAID = "about", "said"  # what a host can be asked beside jobs, which go by the numbers of their leases

    work: Work

    def __init__(self, engine: RayEngine, needs: Needs):
        import ray

        self.ray, self.engine, self.needs = ray, engine, needs
        self.leases = Leases(needs.longest)
        self.nodes: dict[str, Node] = {}
        self.images: dict[Path, Fetch] = {}
        self.head = ray.get_runtime_context().gcs_address
        self.head_seen = self.node_seen = engine.now()
        self.looked: float | None = None
        self.refused = ""  # why the last node that cannot be used cannot be
        self.welcomed = False  # whether any node could be used: then one may come back

    def run(self, work: Work) -> Iterator[tuple[Job, Measurement]]:
        self.work = work
        self.head_seen = self.node_seen = self.engine.now()  # nobody has looked since it was opened
        while True:
            self.look()
            while (node := self.freest()) and (job := self.work.next_job()):
                self.begin(node, job)
            if not self.leases and self.work.next_time() is None:
                return
            yield from self.answers()
            for lease in self.leases.overdue(self.engine.now()):
                yield from self.lose(self.nodes[lease.node], "it has not given a job back in time")

    def look(self) -> None:
        """See which nodes are there, and have a host on each. Raises UserError where nothing can come of it any more."""
        now = self.engine.now()
        if self.looked is not None and now - self.looked < SECONDS_BETWEEN_LOOKS:
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
            self.node_seen, self.welcomed = now, True
        elif self.refused and not self.welcomed and not any(node.host for node in self.nodes.values()):
            raise UserError(f"no node of the Ray cluster can be used: {self.refused}")
        elif now - self.node_seen > SECONDS_WITHOUT_NODES:
            raise UserError(
                "the Ray cluster has had no node to train on for minutes; are their CPUs and GPUs in use by others? "
                "What is recorded is safe, and the same command goes on"
            )

    def settle(self, node: Node, resources: dict[str, float]) -> None:
        """Have a host on a node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        on_gpus = self.needs.device == "cuda"
        memory = resources.get("memory", 0.0)  # what Ray leaves to those who ask for it
        at_once = self.engine.at_once or machine.at_once_on_cpu(self.needs.memory_gb, cores, memory)
        jobs = places(self.needs, gpus, at_once, self.engine.ahead)
        remote = self.ray.remote(NodeWorker).options(
            num_cpus=cores,
            num_gpus=gpus if on_gpus else 0,
            max_concurrency=jobs + 2,  # for the questions beside
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        node.host = remote.remote(self.needs, at_once, self.engine.ahead, max(1, cores))
        node.asked = {node.host.about.remote(): self.ABOUT}

    def freest(self) -> Node | None:
        """The node with the largest share of its places free; None where none is."""
        shares = {node: 1 - len(self.leases.of(node.id)) / node.count for node in self.nodes.values() if node.count}
        best = max(shares, key=shares.get, default=None)
        return best if best and shares[best] > 0 else None

    def begin(self, node: Node, job: Job) -> None:
        lease = self.leases.give(job, node.id, self.engine.now())
        images = self.images.get(job.data.training) or self.ship(job.data)
        node.asked[node.host.run.remote(lease.number, job, images)] = lease.number

    def ship(self, data: GradingData) -> "Fetch":
        """Put the images where every node can fetch them."""
        parts = {"training": data.training, "scoring": data.scoring}
        files = {part: {f.name: f.read_bytes() for f in folder.iterdir()} for part, folder in parts.items()}
        self.images[data.training] = Fetch(self.ray.put(files))
        return self.images[data.training]

    def answers(self) -> Iterator[tuple[Job, Measurement]]:
        """Wait a moment for answers, and yield the jobs that have ended."""
        asked = {reference: node for node in self.nodes.values() for reference in node.asked}
        if not asked:
            time.sleep(POLL_SECONDS)
            return
        self.ray.wait(list(asked), timeout=POLL_SECONDS)
        for reference in self.ray.wait(list(asked), num_returns=len(asked), timeout=0)[0]:
            node = asked[reference]
            if reference not in node.asked:  # the node has been given up since
                continue
            about = node.asked.pop(reference)
            try:
                answer = self.ray.get(reference)
            except self.ray.exceptions.RayTaskError as error:  # a fault in our own code there
                if about not in (self.ABOUT, self.SAID):
                    failed = Measurement(outcome="infrastructure", said=f"{node.name} failed: {last_line(error)}")
                    yield from self.returned(node, about, failed)
                else:
                    yield from self.lose(node, last_line(error))
            except self.ray.exceptions.RayError as error:
                yield from self.lose(node, last_line(error))
            else:
                if about == self.ABOUT:
                    self.welcome(node, answer)
                elif about == self.SAID:
                    self.hear(node, answer)
                else:
                    result, files = answer
                    yield from self.returned(node, about, result.but(machine=node.machine), files)

    def welcome(self, node: Node, said: dict[str, Any]) -> None:
        """A host is there; use it, unless it cannot be."""
        problem = said["problem"]
        if problem is None:
            ours, theirs = machine.versions(), said["machine"]["versions"]
            unlike = [
                f"{name} {theirs.get(name)}, not {version}"
                for name, version in ours.items()
                if theirs.get(name) != version
            ]
            problem = f"it has {', '.join(unlike)}" if unlike else None
        if problem is not None:
            self.refused = f"{node.name}: {problem}"
            print(f"node {self.refused}; it is not used", flush=True)
            self.ray.kill(node.host)
            node.host, node.losses = None, LOSSES
            return
        node.count, node.machine = said["count"], said["machine"] | {"node": node.name}
        print(f"node {node.name}: {node.machine['device']}", flush=True)
        node.asked[node.host.said.remote()] = self.SAID

    def hear(self, node: Node, lines: list[tuple[int, str]]) -> None:
        for number, line in lines:
            if lease := self.leases.held.get(number):
                self.work.watch(lease.job, line)
        node.asked[node.host.said.remote()] = self.SAID

    def returned(
        self, node: Node, number: int, result: Measurement, files: Files | None = None
    ) -> Iterator[tuple[Job, Measurement]]:
        """A host gives a job back. One that fails and fails is given up: it would take all jobs, being free so soon."""
        yield from self.end(number, result, files)
        node.losses = node.losses + 1 if result.outcome == "infrastructure" else 0
        if node.losses >= LOSSES:
            yield from self.lose(node, f"{LOSSES} failures in a row, the last: {result.said}")

    def end(self, number: int, result: Measurement, files: Files | None = None) -> Iterator[tuple[Job, Measurement]]:
        """Yield the job of a lease with its result; nothing where the lease has been ended before."""
        if lease := self.leases.end(number):
            lease.job.folder.mkdir(parents=True, exist_ok=True)
            for name, content in (files or {}).items():
                (lease.job.folder / Path(name).name).write_bytes(content)
            yield lease.job, result

    def lose(self, node: Node, why: str) -> Iterator[tuple[Job, Measurement]]:
        """Give a host up. Its jobs are to be run again, by whomever; what it may still say of them is not heard."""
        if node.host is None:
            return
        self.ray.kill(node.host)
        node.host, node.asked, node.count = None, {}, 0
        node.losses += 1
        print(f"node {node.name} is lost: {why}", flush=True)
        for lease in self.leases.of(node.id):
            yield from self.end(
                lease.number, Measurement(outcome="infrastructure", said=f"node {node.name} was lost: {why}")
            )

    def close(self) -> None:
        """End all hosts, and with them whatever runs on them, and leave the cluster."""
        if not reachable(self.head):
            return  # they end when they miss it
        hosts = [node.host for node in self.nodes.values() if node.host]
        if closing := [host.close.remote() for host in hosts]:
            self.ray.wait(closing, num_returns=len(closing), timeout=SECONDS_TO_CLOSE)
        for host in hosts:
            self.ray.kill(host)
        self.ray.shutdown()


class Fetch:
    """Gets what was shipped, on whatever node it is called."""

    def __init__(self, reference: Any):
        self.reference = reference

    def __call__(self) -> dict[str, Files]:
        import ray

        return ray.get(self.reference)


def reachable(address: str) -> bool:
    """Whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        return True
    except (OSError, ValueError, OverflowError):
        return False


def last_line(error: Exception) -> str:
    """The heart of one of Ray's long messages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
