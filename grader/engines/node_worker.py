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
from grader.rerun.visible_code import VisibleCode
from grader.sandbox import bubblewrap
from grader.sandbox.scratch import Scratch

if TYPE_CHECKING:  # with them comes torch: a fork server imports it at the same time as we do
    from grader.rerun.grading_data import GradingData
    from grader.rerun.job import Job

DATA = "data"
LINES_KEPT = 200
SECONDS_BETWEEN_LINES = 0.5

Files = dict[str, bytes]  # by name


class NodeWorker:
    """To be used by any number of threads; it lives as long as the thread that made it.

    Args:
        needs: What the jobs have in common; the folder of their data is one of this node's.
        at_once, ahead: See Slots.
        cores: Of this node's processor, for all trainings at once.
    """

    def __init__(self, needs: Needs, at_once: int, ahead: int, cores: int):
        self.problem = bubblewrap.unavailable() if needs.sandboxed else None
        self.folder = Scratch()
        self.scratch = self.folder.path
        self.data: dict[str, GradingData] = {}
        self.lock = threading.Lock()
        self.lines: deque[tuple[int, str]] = deque(maxlen=LINES_KEPT)
        self.device = needs.device
        if self.problem is None:
            (self.scratch / DATA).mkdir()
            # Ray may remove what it brought here while programs still run of it.
            code, needs = VisibleCode().copied(self.scratch / "code"), replace(needs, data=self.scratch / DATA)
            threads = machine.thread_share(needs.device, at_once, cores)
            servers = fork_servers(needs, code, threads)

            import torch

            from grader.engines.slots import Slots

            torch.set_num_threads(threads)
            self.slots = Slots(needs, at_once, ahead, code, servers)
            self.slots.__enter__()

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
            number: Of its lease; its lines are told under this number.
            job: Its folders are another machine's.
            images: Fetches the files of its data's two folders.
        """
        with tempfile.TemporaryDirectory(dir=self.scratch) as place:
            folder = Path(place)
            try:
                own = replace(job, data=self.placed(job.data, images), folder=folder)
                result = self.slots.run(own, lambda line: self.lines.append((number, line)))
            except OSError as error:  # a full disk, say: this node's, and not the end of the grading
                result = Measurement(outcome="infrastructure", said=f"the node cannot write: {error}")
            return result, {file.name: file.read_bytes() for file in folder.iterdir()}

    def placed(self, data: "GradingData", images: Callable[[], dict[str, Files]]) -> "GradingData":
        """The data with folders of this node, fetched once."""
        key = data.training.parent.name  # which the pages know the images by
        with self.lock:
            if key not in self.data:
                place = self.scratch / DATA / key
                shutil.rmtree(place, ignore_errors=True)  # of a time that failed
                for part, files in images().items():
                    (place / part).mkdir(parents=True)
                    for name, content in files.items():
                        (place / part / name).write_bytes(content)
                self.data[key] = replace(data, training=place / "training", scoring=place / "scoring")
            return self.data[key]

    def said(self) -> list[tuple[int, str]]:
        """Lines of running jobs since the last call, with their numbers. Takes its time, so that it can be called again
        at once."""
        time.sleep(SECONDS_BETWEEN_LINES)
        return [self.lines.popleft() for _ in range(len(self.lines))]

    def close(self) -> None:
        """End everything that runs."""
        if self.problem is None:
            self.slots.stop.set()
            self.slots.__exit__()
        self.folder.remove()
