"""What the grader costs beside the trainings: its wall-clock against the same trainings run bare, one at a time.

`serial` is about the grader as it comes: on a CPU it trains one submission on each core. `one_by_one` is about `--jobs 1`,
where each has all cores, as it has when it is run bare.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.measuring import environment, in_turns, ratio, report
from grader.engines.engine import Engine
from grader.engines.local import LocalEngine
from grader.engines.ray_cluster import RayEngine
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.grade import grade
from grader.grading.settings import Settings
from grader.intake.submission import take_in
from grader.ledger.results_folder import open_results
from grader.publish.publishing import publish
from grader.rerun.configuration import rerun_config
from grader.rerun.grading_data import prepare
from grader.rerun.job import Job
from grader.rules import Rules
from grader.secret import BYTES, Secret
from project.training.command_line import complete_config

SECRET = Secret(bytes(BYTES))
LENGTHS = {  # about how long a training takes on this machine, options of its network, and how many of them
    "3s": (3, [], 20),
    "30s": (30, ["--model.network.width=60", "--model.network.convs_per_stage=2"], 4),
}
TRIED = 2  # epochs, to see how long one takes
MOST_EPOCHS = Rules().max_epochs


def rules() -> Rules:
    return Rules.load().but(seeds_near_target=1, target_accuracy=0.01)


def write_submissions(folder: Path, options: list[str], count: int) -> None:
    """So many submissions alike, but for who handed them in."""
    config = complete_config(["--config", "configs/quickstart.yaml", *options])
    for number in range(count):
        own = folder / f"student-{number}"
        own.mkdir(parents=True)
        files = {"config.yaml": config, "student.yaml": f"id: student-{number}\nname: Student {number}\n"}
        for name, text in {**files, "REPORT.md": REPORT, "CONCLUSION.md": CONCLUSION}.items():
            (own / name).write_text(text, encoding="utf-8")


def bare(folder: Path, scratch: Path, device: str = "cpu") -> float:
    """Sum of the seconds that fit takes, by its own account, in a process for each training."""
    data = prepare(rules(), SECRET, scratch)
    total = 0.0
    for own in sorted(folder.iterdir()):
        job = Job(take_in(own), 0, rules(), data, device, scratch, sandboxed=False)
        place = Path(tempfile.mkdtemp(dir=scratch))
        config = rerun_config(job, data.training)
        config["run"]["folder"] = str(place)
        (place / "config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "main.py", "fit", "--config", str(place / "config.yaml")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        total += json.loads((place / "run" / "summary.json").read_text())["seconds"]
    return total


def epochs(seconds: float, options: list[str], scratch: Path, device: str = "cpu") -> int:
    """As many as take about so many seconds here."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    write_submissions(folder, [*options, f"--trainer.max_epochs={TRIED}"], 1)
    return max(1, min(MOST_EPOCHS, round(seconds * TRIED / bare(folder, scratch, device))))


def on_ray(folder: Path, scratch: Path) -> float:
    """The same on a Ray cluster of this machine alone, which is there before."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": torch.get_num_threads(), "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        return graded(folder, scratch, 1, RayEngine(cluster.address))
    finally:
        cluster.shutdown()


def graded(folder: Path, scratch: Path, threads: int, engine: Engine) -> float:
    """Seconds of a whole grading on CPUs, whose submissions must all pass."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        seconds, entries = board(folder, scratch, rules(), Settings("cpu", engine=engine))
    finally:
        torch.set_num_threads(before)
    all_passed(entries)
    return seconds


def board(folder: Path, scratch: Path, by: Rules, settings: Settings) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of a whole grading: intake, checks, trainings, predictions, ledger, pages; and the leaderboard's entries."""
    results = Path(tempfile.mkdtemp(dir=scratch))
    started = time.perf_counter()
    with redirect_stdout(StringIO()):
        with open_results(results, new=True, secret=SECRET) as opened:
            grade(folder, opened, by, settings)
            publish(opened)
    seconds = time.perf_counter() - started
    return seconds, json.loads((results / "leaderboard.json").read_text())["entries"]


def all_passed(entries: list[dict[str, Any]]) -> None:
    """Raises RuntimeError where one did not: what was measured is then no grading."""
    others = [
        f"{entry['student']}: {entry['verdict']}, {entry['reason']}"
        for entry in entries
        if entry["verdict"] != "passed"
    ]
    if others:
        raise RuntimeError("; ".join(others))


def main(rounds: int) -> dict:
    cores = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        arms = {}
        for length, (about, options, count) in LENGTHS.items():
            folder, many = scratch / length, epochs(about, options, scratch)
            print(f"trainings of about {about} s: {many} epochs, {count} of them", flush=True)
            options = [*options, f"--trainer.max_epochs={many}"]
            write_submissions(folder, options, count)
            arms[f"bare {length}"] = lambda folder=folder: bare(folder, scratch)
            arms[f"graded {length}"] = lambda folder=folder: graded(folder, scratch, 1, LocalEngine(at_once=cores))
            arms[f"--jobs 1 {length}"] = lambda folder=folder: graded(folder, scratch, cores, LocalEngine())
        arms["on ray 3s"] = lambda: on_ray(scratch / "3s", scratch)
        pair = scratch / "pair"
        write_submissions(pair, options, 2)  # of the longer ones
        arms["one thread, one by one"] = lambda: graded(pair, scratch, 1, LocalEngine())
        arms["one thread, two at once"] = lambda: graded(pair, scratch, 1, LocalEngine(at_once=2))
        found = in_turns(arms, rounds, "s")
    ratios = {f"serial_{length}": ratio(found[f"graded {length}"], found[f"bare {length}"]) for length in LENGTHS}
    ratios |= {f"one_by_one_{each}": ratio(found[f"--jobs 1 {each}"], found[f"bare {each}"]) for each in LENGTHS}
    ratios["two_at_once"] = ratio(found["one thread, two at once"], found["one thread, one by one"])
    ratios["ray_over_local"] = ratio(found["on ray 3s"], found["graded 3s"])
    return report("grading", found, ratios)
