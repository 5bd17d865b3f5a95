"""The engine on a Ray cluster: what goes wrong there loses nothing, and what cannot be is one line."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from grader.cli import main
from grader.engines import machine
from grader.engines import ray_cluster as cluster
from grader.engines.needs import Needs
from grader.engines.ray_cluster import RayEngine
from grader.ledger.measurement import Measurement
from project.support.errors import UserError
from tests.grader.conftest import needs_sandbox
from tests.grader.engines import LOST, scored

ray = pytest.importorskip("ray", reason="needs the ray extra: pip install '.[ray]'")
pytestmark = pytest.mark.ray
WRONG = ("lost", "doubled", "charged", "left")


@pytest.mark.slow
@needs_sandbox
def test_a_node_is_lost_and_every_result_is_there_once(tmp_path):
    from tests.hostile.cluster import happen

    found = happen("lose-node", tmp_path, students=4, seeds=1)
    assert not any(found[what] for what in WRONG) and found["again"], found


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("name", ["kill-host", "kill-fork-server", "stall-host", "lose-one-after-the-other"])
def test_whatever_fails_no_result_is_lost_or_doubled_and_no_student_charged(name, tmp_path):
    from tests.hostile.cluster import happen

    found = happen(name, tmp_path)
    assert not any(found[what] for what in WRONG) and found["again"], found


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("name", ["lose-head", "kill-grader", "stop-grader"])
def test_a_grader_that_ends_too_soon_goes_on_where_it_was(name, tmp_path):
    from tests.hostile.cluster import happen

    found = happen(name, tmp_path)  # nobody was left to record what was lost with it
    assert not any(found[what] for what in WRONG), found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--engine", "ray", "--address", "127.0.0.1:9"], "--address 127.0.0.1:9: nothing answers there"),
        (["--engine", "ray", "--address", "nonsense"], "--address nonsense: nothing answers there"),
        (["--address", "127.0.0.1:9"], "add --engine ray"),
    ],
)
def test_no_cluster_is_one_line(options, said, write_submission, tmp_path, capsys):
    command = ["run", str(write_submission().parent), "--out", str(tmp_path / "results"), "--unsafe-no-sandbox"]
    assert main([*command, *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [("", [2, 7]), ("3,5", [3, 5]), ("GPU-bb,GPU-aa", [7, 2]), ("1,-1,2", [1])],
)
def test_gpus_go_by_the_numbers_of_their_devices(visible, numbers, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr("torch.cuda.device_count", lambda: len(numbers))
    monkeypatch.setattr(machine, "said_by", lambda *command: "2, GPU-aa11\n7, GPU-bb22")
    assert machine.gpus() == numbers


def test_gpus_that_nobody_can_number_are_one_line(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1234")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr(machine, "said_by", lambda *command: "")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES=MIG-1234"):
        machine.gpus()


class MadeUpRay:
    """Stands in for Ray: nodes whose hosts answer at once, or never.

    Args:
        nodes: By name, what becomes of a job there; None for a host that never answers.
        late: The node that gives its jobs back only after it has been given up.
    """

    def __init__(self, nodes: dict[str, Callable[[str], Measurement] | None], late: str = ""):
        self.hosts, self.answers, self.late, self.late_answers = nodes, {}, late, {}
        self.settled, self.killed, self.done = [], [], []

    def get_runtime_context(self):
        return SimpleNamespace(gcs_address="here:1")

    def nodes(self):
        return [
            {"NodeID": f"{i:056x}", "NodeManagerAddress": name, "Alive": True, "Resources": {"CPU": 1.0}}
            for i, name in enumerate(self.hosts)
        ]

    def remote(self, actor):
        return SimpleNamespace(options=self.options)

    def options(self, scheduling_strategy, **more):
        name = list(self.hosts)[int(scheduling_strategy.node_id, 16)]
        return SimpleNamespace(remote=lambda *arguments: self.host(name))

    def host(self, name: str):
        self.settled.append(name)
        said = {"problem": None, "count": 2, "machine": {"versions": machine.versions(), "device": "CPU: made up"}}

        def asked(answer: Callable) -> SimpleNamespace:
            def remote(*arguments):
                reference = object()
                if self.hosts[name]:
                    self.answers[reference] = lambda: answer(*arguments)
                return reference

            return SimpleNamespace(remote=remote)

        def run(number, job, images):
            self.done.append((name, job.name))
            return self.hosts[name](job.name), {}

        def run_late(*arguments):
            reference = object()
            self.late_answers[reference] = lambda: run(*arguments)
            return reference

        runs = SimpleNamespace(remote=run_late) if name == self.late else asked(run)
        return SimpleNamespace(name=name, about=asked(lambda: said), run=runs, said=asked(list), close=asked(list))

    def wait(self, references, num_returns=1, timeout=None):
        return [reference for reference in references if reference in self.answers][:num_returns], []

    def get(self, reference):
        return self.answers.pop(reference)()

    def kill(self, host):
        self.killed.append(host.name)
        if host.name == self.late:
            self.answers |= self.late_answers

    def put(self, files):
        return "images"

    def shutdown(self):
        pass


@pytest.fixture
def graded_on(monkeypatch, tmp_path):
    """Runs so many jobs on nodes that are made up; a job that fails through no fault of its own is queued again."""

    def graded_on(nodes, count: int, late: str = "", longest: float = 10**5, whose=str):
        made = MadeUpRay(nodes, late)
        monkeypatch.setattr(cluster, "nodes", lambda address: None)
        monkeypatch.setattr(cluster, "reachable", lambda address: True)
        monkeypatch.setattr(cluster, "SECONDS_BETWEEN_LOOKS", 0.0)
        monkeypatch.setattr(cluster.RayEngine, "now", lambda self: next(clock))
        clock, waiting = iter(range(10**6)), [str(number) for number in range(count)]
        work = SimpleNamespace(
            next_job=lambda: described(waiting.pop(0)) if waiting else None,
            next_time=lambda: -1.0 if waiting else None,
            watch=None,
        )

        def described(name: str) -> SimpleNamespace:
            data = SimpleNamespace(training=tmp_path, scoring=tmp_path)
            submission = SimpleNamespace(files={}, student=whose(name))
            return SimpleNamespace(name=name, folder=tmp_path, data=data, submission=submission)

        results = []
        for name in ("get_runtime_context", "nodes", "remote", "wait", "get", "kill", "put", "shutdown"):
            monkeypatch.setattr(ray, name, getattr(made, name))
        with RayEngine("here:1").session(Needs("cpu", False, Path(), longest=longest)) as train:
            for job, result in train(work):
                results.append((job.name, result.outcome))
                if result.outcome == "infrastructure":
                    waiting.append(job.name)
        return made, results

    return graded_on


def good(job: str) -> Measurement:
    return scored()


def test_a_node_that_fails_and_fails_is_left_alone_and_others_do_its_jobs(graded_on):
    made, results = graded_on({"sound": good, "broken": lambda job: LOST}, 12)
    passed = [name for name, outcome in results if outcome == "scored"]
    assert sorted(passed, key=int) == [str(number) for number in range(12)]
    assert made.killed.count("broken") == 1 and made.settled.count("broken") == 1
    assert cluster.LOSSES <= sum(node == "broken" for node, _ in made.done) <= cluster.LOSSES + 2


def test_what_fails_of_one_student_s_is_not_held_against_a_node(graded_on):
    left = iter(range(12))
    faults = lambda job: LOST if job in "01" and next(left, None) is not None else good(job)  # noqa: E731
    made, results = graded_on({"only": faults}, 2, whose=lambda name: "mallory")
    assert [outcome for _, outcome in results].count("infrastructure") == 12
    assert made.settled == made.killed == ["only"]  # the latter at the end


def test_a_node_that_fails_now_and_then_is_kept(graded_on):
    times = iter(range(10**6))
    sometimes = lambda job: LOST if next(times) % 2 else good(job)  # noqa: E731
    made, results = graded_on({"unreliable": sometimes}, 12)
    assert sum(outcome == "scored" for _, outcome in results) == 12 and made.settled == ["unreliable"]


@pytest.mark.parametrize("losses", [1, 3])
def test_what_a_node_says_after_it_is_given_up_does_not_count(losses, graded_on, monkeypatch):
    monkeypatch.setattr(cluster, "LOSSES", losses)
    made, results = graded_on({"stalls": good, "sound": good}, 6, late="stalls", longest=100)
    assert sorted(name for name, outcome in results if outcome == "scored") == [str(number) for number in range(6)]
    assert any(outcome == "infrastructure" for _, outcome in results) and made.answers.keys() & made.late_answers


def test_a_host_that_never_answers_gets_no_job(graded_on):
    made, results = graded_on({"silent": None, "sound": good}, 6)
    assert len(results) == 6 and {node for node, _ in made.done} == {"sound"}


def test_a_cluster_where_no_host_answers_is_one_line(graded_on):
    with pytest.raises(UserError, match="has had no node to train on for minutes"):
        graded_on({"silent": None}, 6)
