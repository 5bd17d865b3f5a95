"""What a student's code can read in its sandboxes: nothing that tells one look at its network from another, and no source
of further images."""

import json
import re
from pathlib import Path

import pytest
import torch

from grader.intake.submission import take_in
from grader.rerun.grading_data import prepare
from grader.rerun.job import Job, Slot
from grader.rerun.questions import Look
from grader.rerun.rerun import Rerun
from grader.rerun.weights import as_file
from grader.sandbox.bubblewrap import Bubblewrapped
from grader.sandbox.scratch import scratch_folder
from grader.secret import BYTES, Secret
from tests.grader.conftest import needs_sandbox

pytestmark = needs_sandbox
MARK = "VISIBLE "
NETWORK = """
import importlib, json, os, socket, sys
import torch

def content(path):
    try:
        return open(path, "rb").read(100_000).decode("latin-1")
    except OSError as error:
        return error.strerror

def files(top):
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) != sys.prefix]  # libraries, wherever they lie
        for path in sorted(os.path.join(folder, name) for name in folders + names):
            told = os.lstat(path)
            yield path, oct(told.st_mode), told.st_nlink, told.st_uid, told.st_size if os.path.isfile(path) else None

def importable(name):
    try:
        return bool(importlib.import_module(name))
    except ImportError:
        return False

proc = ("mountinfo", "cgroup", "limits", "cmdline", "environ", "status", "uid_map", "oom_score_adj", "personality")
space = os.statvfs("/out")
print("VISIBLE " + json.dumps({
    **{name: content(f"/proc/self/{name}") for name in proc},
    "first": content("/proc/1/cmdline"), "argv": sys.argv, "path": sys.path, "environment": dict(os.environ),
    "names": [socket.gethostname(), *os.uname()], "cwd": os.getcwd(), "uid": os.getuid(), "cores": os.cpu_count(),
    "top": sorted(os.listdir("/")), "job": [*files("/job")], "data": [*files("/data")], "temporary": [*files("/tmp")],
    "settings": [content("/job/job.json"), content("/job/config.yaml"), content("/data/classes.json")],
    "written": [*files("/out")], "space": [space.f_blocks, space.f_files], "descriptors": sorted(os.listdir("/proc/self/fd")),
    "app": [path for path, *_ in files("/app") if "__pycache__" not in path],
    "compiled": [path for path, *_ in files("/app") if "__pycache__" in path and "glyphs" in path],
    "imported": sorted(name for name in sys.modules if name.startswith("project.datasets.")),
    "importable": [name for name in DATASETS if importable(name)],
}), flush=True)

class Net(torch.nn.Module):
    def __init__(self, num_classes=10, in_channels=3, image_size=32):
        super().__init__()
        self.head = torch.nn.Linear(in_channels * image_size**2, num_classes)

    def forward(self, x):
        return self.head(x.flatten(1))
"""
DATASETS = sorted(
    f"project.datasets.{path.stem}" for path in Path("project/datasets").glob("*.py") if path.stem != "__init__"
)
LOOKS = ("predictor", "again", "untrained")
# Numbers that the kernel counts up for each mount, and names that are drawn
DRAWN = [
    (r"(?m)^\d+ \d+ \d+:\d+ ", "N "),
    (r"(master|shared):\d+ ", ""),
    (r"/tmp\w{8}/", "/DRAWN/"),
    (r"cpus_allowed.*", ""),
]


@pytest.fixture(params=[pytest.param("started", marks=pytest.mark.slow), "forked"])
def rerun(request, write_submission, rules, tmp_path):
    def own(config):
        config["model"]["network"] = "submission.net.Net"

    code = NETWORK.replace("DATASETS", repr(DATASETS))
    submission = take_in(write_submission(change=own, net_py=code))
    data = prepare(rules, Secret(bytes(BYTES), 5), tmp_path / "results")
    job = Job(submission, 1, rules, data, "cpu", tmp_path / "job")
    job.folder.mkdir()
    launch = Bubblewrapped if request.param == "started" else request.getfixturevalue("fork_server")
    with scratch_folder(None if launch is Bubblewrapped else launch.scratch) as scratch:
        yield Rerun(job, Slot(launch=launch, threads=1), scratch, lambda line: None)


def visible(rerun: Rerun, stage: str) -> dict:
    """What the network's module found when it was imported for a look."""
    network = {"head.weight": torch.zeros(10, 3 * 32**2), "head.bias": torch.zeros(10)}
    looks = [Look(as_file(network), torch.zeros(4, 32, 32, 3, dtype=torch.uint8))]
    rerun.ask(stage, looks, 4)
    assert not list(rerun.scratch.iterdir()), "what it wrote takes no room any more"
    log = (rerun.job.folder / f"{stage}.log").read_text()
    (line,) = (line for line in log.splitlines() if line.startswith(MARK))
    return json.loads(line.removeprefix(MARK))


def test_no_look_can_be_told_from_another_by_what_is_around_it(rerun):
    seen = {}
    for stage in LOOKS:
        found = visible(rerun, stage)
        assert "/job" in found["mountinfo"] and found["job"] and found["argv"], "it did look"
        found["status"] = re.findall(
            r"(?m)^(?:Pid|PPid|Threads|Uid|Groups|Cap\w+|Seccomp\w*|Cpus_allowed):.*", found["status"]
        )
        for name, text in found.items():
            for pattern, instead in DRAWN if isinstance(text, str) else ():
                found[name] = text = re.sub(pattern, instead, text)
        seen[stage] = found
    for name in seen["again"]:
        assert seen["again"][name] == seen["predictor"][name] == seen["untrained"][name], name


def test_what_draws_further_images_is_not_there(rerun):
    found = visible(rerun, "predictor")
    assert found["importable"] == ["project.datasets.source", "project.datasets.tensor_folder"]
    assert set(found["imported"]) <= set(found["importable"]), "nor did the fork server leave it in memory"
    assert [path for path in found["app"] if "/datasets/" in path] == [
        f"/app/project/datasets/{name}.py" for name in ("__init__", "source", "tensor_folder")
    ]
    assert not found["compiled"], "and no code of it either"
