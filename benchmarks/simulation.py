"""A course graded on a cluster that is made up, by the grader's own schedule and ledger: jobs only pass time.

The clock is the cluster's own, so that a week takes minutes; what the grader itself takes is measured by a real one.
"""

import heapq
import itertools
import math
import random
import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from benchmarks.measuring import alone, in_turns, report
from grader.engines.engine import Train
from grader.engines.needs import Needs
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.grade import grade
from grader.grading.ranking import judged
from grader.grading.settings import Settings
from grader.grading.verdicts import pending_trainings
from grader.ledger.measurement import Measurement, Strategy
from grader.ledger.results_folder import open_results
from grader.rerun.job import Job
from grader.rules import Rules
from grader.secret import BYTES, Secret
from project.assignment import FAMILIES
from project.training.command_line import complete_config

NODES, GPUS = 16, 4  # and so many on each node
FAILING = 0.01  # share of the nodes that fail in an hour
SECONDS_TO_COME_BACK = 1800
SECONDS_TO_NOTICE = {
    "dead": 2,
    "cut off": 64,
}  # as measured with Ray; what is cut off goes on, and tells when it is back


@dataclass
class Simulated:
    """An engine whose nodes, time and trainings are made up.

    Attributes:
        busy: Seconds of GPUs in which they trained; `useful` is of those the part whose results count.
        late: Results that came for a job that had been given up.
        failures: Of nodes.
    """

    seed: int
    failing: float
    clock: float = 0.0
    busy: float = 0.0
    useful: float = 0.0
    late: int = 0
    failures: int = 0
    events: list[tuple] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def now(self) -> float:
        return self.clock

    def device(self, wanted: str) -> str:
        return "cuda"

    def about(self, device: str) -> dict[str, Any]:
        return {"device": f"{NODES * GPUS} GPUs that are made up", "driver": None, "versions": {}}

    def at(self, seconds: float, happens: str, *what: Any) -> None:
        heapq.heappush(self.events, (seconds, next(self.order), happens, what))

    @contextmanager
    def session(self, needs: Needs) -> Iterator[Train]:
        yield self.run

    def run(self, work: Any) -> Iterator[tuple[Job, Measurement]]:
        held: dict[int, tuple[Job, str, float]] = {}  # jobs by number, each with its node and when it began
        free = {str(number): GPUS for number in range(NODES)}  # of the nodes that are there
        back: dict[str, float] = {}  # of nodes that are cut off: when they can tell again
        died: set[int] = set()  # jobs that ended with their nodes
        for node in free:
            self.at(self.until_failure(), "fails", node)
        while True:
            while free and max(free.values()) and (job := work.next_job()):
                node = max(free, key=free.get)
                free[node] -= 1
                number, seconds = next(self.order), self.seconds(job)
                held[number] = job, node, self.clock
                self.at(self.clock + seconds, "returns", number, node, seconds)
            if not held and work.next_time() is None:
                return
            if (later := work.next_time()) is not None and later > self.clock:
                self.at(later, "passes")
            self.clock, _, happens, what = heapq.heappop(self.events)
            if happens == "returns":
                number, node, seconds = what
                if number in died:
                    continue
                if back.get(node, 0.0) > self.clock:
                    self.at(back[node], *("returns", *what))
                elif number in held:
                    job, _, _ = held.pop(number)
                    self.busy, self.useful = self.busy + seconds, self.useful + seconds
                    free[node] += 1
                    yield job, self.result(job)
                else:
                    self.late += 1  # the node was given up meanwhile
            elif happens == "fails":
                (node,) = what
                self.failures += 1
                how = self.draw.choice(list(SECONDS_TO_NOTICE))
                if how == "dead":
                    died |= {number for number, (_, on, _) in held.items() if on == node}
                back[node] = self.clock + SECONDS_TO_COME_BACK
                del free[node]
                self.at(self.clock + SECONDS_TO_NOTICE[how], "is noticed", node)
                self.at(back[node], "is back", node)
            elif happens == "is noticed":
                for number in [number for number, (_, on, _) in held.items() if on == what[0]]:
                    job, _, began = held.pop(number)
                    self.busy += self.clock - began
                    yield job, Measurement(outcome="infrastructure", said="the node was lost")
            elif happens == "is back":
                free[what[0]] = GPUS
                self.at(self.clock + self.until_failure(), "fails", *what)

    def until_failure(self) -> float:
        return self.draw.expovariate(-math.log(1 - self.failing) / 3600) if self.failing else math.inf

    def seconds(self, job: Job) -> float:
        """Some four minutes, by the epochs and by chance."""
        draw = random.Random(f"{job.submission.student} {job.seed} {self.seed}")
        return 20 * epochs(int(job.submission.student[1:])) * draw.lognormvariate(0, 0.3)

    def result(self, job: Job) -> Measurement:
        """Some crash; a quarter is so near the target that two more trainings follow."""
        draw = random.Random(f"{job.submission.student} {job.seed} {self.seed}")
        if draw.random() < 0.02:
            return Measurement(outcome="crashed", said="training crashed")
        accuracy = random.Random(job.submission.student).gauss(0.82, 0.06) + draw.gauss(0, 0.003)
        return Measurement(
            outcome="scored",
            accuracy=min(accuracy, 0.99),
            samples=2000,
            epochs=15,
            parameters=10**5,
            seconds=240.0,
            strategies={family: [Strategy(name="made up")] for family in FAMILIES},
        )


def epochs(number: int) -> int:
    """Of a student's trainings."""
    return 3 + number % 13


def write_course(folder: Path, count: int) -> None:
    """So many archives, of 3 to 15 epochs."""
    text = complete_config(["--config", "configs/quickstart.yaml"])
    folder.mkdir()
    for number in range(count):
        config = text.replace("max_epochs: 15", f"max_epochs: {epochs(number)}")
        files = {"config.yaml": config, "student.yaml": f"id: s{number}\nname: Student {number}\n"}
        with zipfile.ZipFile(folder / f"s{number}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in {**files, "REPORT.md": REPORT, "CONCLUSION.md": CONCLUSION}.items():
                packed.writestr(name, content)


def simulate(count: int, seed: int, failing: float) -> dict[str, float]:
    """Grade a course of so many submissions, and tell what came of it. To be called in a process of its own."""
    rules, engine = Rules.load(), Simulated(seed, failing)
    with tempfile.TemporaryDirectory() as name:
        folder, results = Path(name, "submissions"), Path(name, "results")
        write_course(folder, count)
        settings = Settings(sandboxed=False, engine=engine).checked()
        started = time.perf_counter()
        with open_results(results, new=True, secret=Secret(bytes(BYTES), seed)) as opened:
            with redirect_stdout(StringIO()):
                grade(folder, opened, rules, settings)
            seconds = time.perf_counter() - started
            query = "SELECT student, training FROM measurements WHERE counts"
            found = [tuple(row) for row in opened.ledger.database.execute(query)]
            lost = sum(len(pending_trainings(graded, rules)) for graded, _ in judged(opened.ledger, rules))
    return {
        "submissions": count,
        "failing": failing,
        "results": len(found),
        "lost": lost,
        "doubled": len(found) - len(set(found)),
        "late": engine.late,
        "node failures": engine.failures,
        "hours": engine.clock / 3600,
        "utilisation": engine.busy / engine.clock / (NODES * GPUS),
        "useful": engine.useful / engine.busy,
        "grader's ms a result": 1000 * seconds / len(found),
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


def main(sizes: list[int], rounds: int) -> dict:
    """Courses of each size, with nodes that fail and with none that do, in processes of their own."""
    courses: list[dict[str, float]] = []

    def simulated(size: int, failing: float) -> float:
        courses.append(alone(simulate, size, len(courses), failing))
        print("  ".join(f"{name} {value:.4g}" for name, value in courses[-1].items()), flush=True)
        return courses[-1]["grader's ms a result"]

    arms = {
        f"{size}, {failing:.0%} of nodes fail an hour": lambda size=size, failing=failing: simulated(size, failing)
        for size in sizes
        for failing in (0.0, FAILING)
    }
    found = in_turns(arms, rounds, "ms of the grader's for a result")
    return report("simulation", found, {}, courses=courses)
