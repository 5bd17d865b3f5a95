"""The engine on a Ray cluster: what goes wrong there loses nothing, and what cannot be is one line."""

import pytest

from grader.cli import main
from grader.rerun import machine
from project.errors import UserError
from tests.grader.conftest import needs_sandbox

ray = pytest.importorskip("ray", reason="needs the ray extra: pip install '.[ray]'")
pytestmark = pytest.mark.ray
WRONG = ("lost", "doubled", "charged", "left")


@needs_sandbox
def test_a_node_is_lost_and_every_result_is_there_once(tmp_path):
    from tests.hostile.cluster import happen

    found = happen("lose-node", tmp_path, students=4, seeds=1)
    assert not any(found[what] for what in WRONG) and found["again"], found


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("kill-host", "kill-fork-server", "stall-host", "lose-head", "kill-grader", "stop-grader"),
        "lose-one-after-the-other",
    ],
)
def test_whatever_fails_no_result_is_lost_or_doubled_and_no_student_charged(name, tmp_path):
    from tests.hostile.cluster import happen

    found = happen(name, tmp_path)
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
    [("", [0, 1]), ("3,5", [3, 5]), ("GPU-bb,GPU-aa", [7, 2]), ("1,-1,2", [1])],
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
