"""Submissions to test with: a valid one that every test may spoil in its own way."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from grader.apart import Apart
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.rerun.mounted_code import PRELOAD, VisibleCode
from grader.rules import Limits, Rules
from grader.sandbox import bubblewrap
from grader.sandbox.fork_server import ForkServer
from project.training.command_line import complete_config

NO_SANDBOX = bubblewrap.unavailable()
needs_sandbox = pytest.mark.skipif(NO_SANDBOX is not None, reason=f"no sandbox can run here: {NO_SANDBOX}")

TINY_GLYPHS = {"train": 300, "val": 100, "test": 100, "noise": 0.1, "warp": 0.2, "clutter": 0.0}


@pytest.fixture(autouse=True)
def without_wandb(monkeypatch):
    """Grading logs reruns in a process of its own, which takes seconds; what tests that turns it on."""
    monkeypatch.setenv("WANDB_MODE", "disabled")


@pytest.fixture(scope="session", autouse=True)
def processes_apart_serve_many_tests():
    """A process that reads submissions takes half a second to start; here the next one to ask for the same gets it."""
    idle: dict[tuple[object, ...], tuple[object, subprocess.Popen]] = {}
    start, leave, errors = Apart.start, Apart.__exit__, os.fstat(2).st_ino

    def key(apart: Apart):
        return apart.module, apart.seconds, apart.memory

    def surroundings():
        """What a process got from its test, which may catch what it says, too."""
        return os.fstat(2).st_ino, {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"}

    def started(apart: Apart):
        saw, process = idle.get(key(apart), (None, None))
        if process is None or saw != surroundings() or process.poll() is not None:
            return start(apart)
        del idle[key(apart)]
        apart.process = process
        return process

    def left(apart: Apart, *error: object) -> None:
        if apart.process and not any(error) and surroundings()[0] == errors:
            end(idle.pop(key(apart), (None, None))[1])
            idle[key(apart)], apart.process = (surroundings(), apart.process), None
        leave(apart, *error)

    def end(process: subprocess.Popen | None) -> None:
        if process:
            process.kill()
            process.communicate()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Apart, "start", started)
        patch.setattr(Apart, "__exit__", left)
        yield
    for _, process in idle.values():
        end(process)


@pytest.fixture(scope="session")
def fork_server():
    with closing(ForkServer(VisibleCode().inputs, PRELOAD, [])) as server:
        server.start()
        yield server


@pytest.fixture(scope="session")
def config() -> str:
    """The quickstart's complete configuration, small and short."""
    tiny = ["--model.network.width=4", "--trainer.max_epochs=1", "--data.batch_size=50"]
    return complete_config(["--config", "configs/quickstart.yaml", *tiny])


@pytest.fixture(scope="session")
def rules() -> Rules:
    """The assignment's rules on few easy images."""
    dataset = {"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS}
    return Rules.load().but(target_accuracy=0.02, dataset=dataset, limits=Limits(minutes=2, memory_gb=4))


@pytest.fixture
def write_submission(tmp_path, config):
    """Writes a valid submission folder; `change` edits its configuration, `files` adds or replaces files (None removes)."""

    def write(name="kim-minji", change=lambda config: None, parent=tmp_path / "submissions", **files) -> Path:
        settings = yaml.safe_load(config)
        change(settings)
        contents = {
            "config.yaml": yaml.safe_dump(settings, sort_keys=False),
            "student.yaml": yaml.safe_dump({"id": name, "name": name.title()}),
            "REPORT.md": REPORT,
            "CONCLUSION.md": CONCLUSION,
            **{file.replace("_py", ".py"): content for file, content in files.items()},
        }
        folder = parent / name
        folder.mkdir(parents=True)
        for file, content in contents.items():
            if content is not None:
                (folder / file).write_text(content, encoding="utf-8")
        return folder

    return write
