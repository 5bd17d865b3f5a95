"""A node's part of a cluster: one process that has the node's slots, gets jobs and gives results back."""

import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.engines import machine
from grader.engines.needs import Needs, fork_servers
from grader.ledger.measurement import Measurement
from grader.rerun.mounted_code import VisibleCode
from grader.safe_text import printable
from grader.sandbox import bubblewrap
from grader.sandbox.scratch import Scratch

if TYPE_CHECKING:  # they import torch, which takes seconds: the fork servers are to begin first
    from grader.rerun.grading_data import GradingData
    from grader.rerun.job import Job

LINES_KEPT = 200
SECONDS_BETWEEN_LINES = 0.5

Files = dict[str, bytes]  # by name


class NodeWorker:
    """To be used by any number of threads; it lives as long as the thread that made it.

    Args:
        needs: What the jobs have in common; the folder of their data becomes one of this node's.
        at_once: See Slots.
        cores: Of this node's processor, for all trainings at once.
    """

    def __init__(self, needs: Needs, at_once: int, cores: int):
        self.problem = bubblewrap.unavailable() if needs.sandboxed else None
        self.scratch = Scratch()
        self.lines: deque[tuple[int, str]] = deque(maxlen=LINES_KEPT)
        self.device, self.images = needs.device, self.scratch.path / "data"
        self.placed: dict[str, GradingData] = {}
        self.lock = threading.Lock()
        if self.problem is None:
            self.images.mkdir()
            needs = replace(needs, data=self.images)
            # Ray may remove its own copy of the code before all programs end.
            code = VisibleCode().copied(self.scratch.path / "code")
            threads = machine.thread_share(needs.device, at_once, cores)
            servers = fork_servers(needs, code, threads)

            import torch

            from grader.engines.slots import Slots

            torch.set_num_threads(threads)
            self.slots = Slots(needs, at_once, code, servers)

    def about(self) -> dict[str, Any]:
        """`problem`, why nothing can run here; else `count`, the jobs that can be run at once, and the `machine`."""
        if self.problem is not None:
            return {"problem": self.problem}
        if not self.slots.count:
            return {"problem": "torch sees no GPU there"}
        return {"problem": None, "count": self.slots.count, "machine": machine.about(self.device)}

    def run(self, number: int, job: "Job", images: Callable[[], dict[str, Files]]) -> tuple[Measurement, Files]:
        """Run a job. Returns its result, and what it leaves in its folder.

        Args:
            number: Given back with each line that the job prints.
            job: Its folders are another machine's.
            images: Fetches the files of its data's two folders.
        """
        with tempfile.TemporaryDirectory(dir=self.scratch.path) as place:
            folder = Path(place)
            try:
                own = replace(job, data=self.data(job.data, images), folder=folder)
                result = self.slots.run(own, lambda line: self.lines.append((number, line)))
            except Exception as error:  # a full disk, say: this node's fault, and not the end of the grading
                said = f"the node failed: {type(error).__name__}: {printable(str(error))}"
                result = Measurement(outcome="infrastructure", said=said)
            return result, {file.name: file.read_bytes() for file in folder.iterdir()}

    def data(self, data: "GradingData", images: Callable[[], dict[str, Files]]) -> "GradingData":
        """The data with folders of this node, fetched once."""
        key = data.training.parent.name  # by which the pages find the images
        with self.lock:
            if key not in self.placed:
                place = self.images / key
                shutil.rmtree(place, ignore_errors=True)  # what an attempt that failed has left
                for part, files in images().items():
                    (place / part).mkdir(parents=True)
                    for name, content in files.items():
                        (place / part / name).write_bytes(content)
                self.placed[key] = replace(data, training=place / "training", scoring=place / "scoring")
            return self.placed[key]

    def said(self) -> list[tuple[int, str]]:
        """Lines of running jobs since the last call, with their numbers. It waits a moment: it is called again at once."""
        time.sleep(SECONDS_BETWEEN_LINES)
        return [self.lines.popleft() for _ in range(len(self.lines))]

    def close(self) -> None:
        """End everything that runs."""
        if self.problem is None:
            self.slots.stop.set()
            self.slots.close()
        self.scratch.remove()
