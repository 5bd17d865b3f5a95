"""The day a GPU is at hand: everything that only a GPU shows, `python -m benchmarks gpu --minutes 25 --images PATH --json FILE`.

Tasks in the order of their worth, each in a process of its own and within its own minutes, none of which is as long as a
slot of ten. What a task found is in FILE as soon as it is there, whatever becomes of the next one, and the same command goes
on where it stopped. A task that failed is tried twice more, after all others. Nothing is fetched. `--pretend` runs the same
code on what is here, at a tiny scale: it lets one task fail, one hang and one die, kills the day in the middle and goes on.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu_tasks import ROOT, ROWS, TASKS, Scale, Task, pretended
from project.support.errors import UserError
from project.support.files import write_atomically
from project.support.wording import counted

TRIES = 3  # one of which a slot that ends may cost
Start = Callable[[str, int, Path], "subprocess.Popen[str]"]  # a task's name, which try it is, where its result belongs


def day(
    tasks: dict[str, Task],
    file: Path,
    minutes: float,
    start: Start,
    first: Mapping[str, float] | None = None,
    pretend: bool = False,
) -> dict[str, Any]:
    """Do what is left of the day, as far as it fits into these minutes.

    Args:
        file: Where each result is written as soon as it is there; what it has is not done again.
        start: Starts a task's process, in a session of its own.
        first: Minutes of the first try, where they are others.
        pretend: Whether the results mean nothing, which the file says.
    """
    end = time.monotonic() + 60 * minutes
    known, too_long = read(file, pretend), set()
    while left := [name for name in tasks if open_still(known.get(name)) and name not in too_long]:
        name = min(left, key=lambda name: known.get(name, {}).get("tries", 0))
        most = tasks[name].minutes if name in known else (first or {}).get(name, tasks[name].minutes)
        if time.monotonic() + 60 * most > end:
            print(f"{name}: may take {most:g} minutes, which are not left", flush=True)
            too_long.add(name)
        else:
            attempt(name, most, known, start, partial(keep, file, known, pretend))
    return known


def open_still(one: dict[str, Any] | None) -> bool:
    """Whether a task of which this is known is to be tried."""
    return one is None or "result" not in one and one["tries"] < TRIES


def attempt(name: str, minutes: float, known: dict[str, Any], start: Start, write: Callable[[], None]) -> None:
    """Try a task once, and write down what it came to; before it begins, that it did."""
    number = known.get(name, {"tries": 0})["tries"] + 1
    known[name] = {"tries": number, "failed": "it did not end, and neither did the day: killed, or the slot was over"}
    write()
    print(f"{time.strftime('%H:%M:%S')}  {name}", flush=True)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        with start(name, number, result) as process:
            try:
                said, _ = process.communicate(timeout=60 * minutes)
                ended = f"it ended with {process.returncode}: {last_lines(said)}"
            except subprocess.TimeoutExpired:
                ended = f"it took more than {minutes:g} minutes"
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with all that it started
        seconds = round(time.monotonic() - begun, 1)
        found = json.loads(result.read_text()) if result.exists() else None
    known[name] = {"tries": number, "seconds": seconds, **({"failed": ended} if found is None else {"result": found})}
    write()
    print(f"{'':10}{f'failed: {ended}' if found is None else 'done'}, {seconds} s", flush=True)


def last_lines(said: str) -> str:
    return " | ".join(line.strip() for line in said.strip().splitlines()[-3:])[-500:]


def read(file: Path, pretend: bool = False) -> dict[str, Any]:
    """What is known of each task. Raises UserError for a file that is none of ours, or of the other kind of day."""
    if not file.exists():
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        known, pretended = dict(kept["tasks"]), bool(kept["pretend"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"--json {file}: has no results of such a day; name another file") from None
    if pretended != pretend:
        kind = "pretended" if pretended else "real"
        raise UserError(f"--json {file}: has the results of a {kind} day; name another file")
    return known


def keep(file: Path, known: dict[str, Any], pretend: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    made = {"benchmark": "gpu", "pretend": pretend, "tasks": known, "rows": rows(known)}
    write_atomically(file, json.dumps(made, indent=2) + "\n")


def rows(known: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each row the mean over its tasks' values, their deviation and number, and whether what is due is met."""
    made = []
    for row in ROWS:
        of = [
            one["result"]
            for task, one in known.items()
            if "result" in one and row.task in (task, task.split(", seed")[0])
        ]
        values = [float(found[row.what]) for found in of if found.get(row.what) is not None]
        mean = statistics.mean(values) if values else None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        met = None
        if mean is not None and row.due is not None:
            met = mean <= row.due if row.at_most else mean >= row.due
        made.append({**row._asdict(), "mean": mean, "deviation": deviation, "count": len(values), "met": met})
    return made


def table(known: dict[str, Any], tasks: dict[str, Task]) -> str:
    """All rows, and what is not done."""
    columns = {"mean": 9, "deviation": 11, "count": 7, "due": 7, "aim": 7}
    lines = [f"{'':48}" + "".join(f"{name:>{width}}" for name, width in columns.items())]
    for row in rows(known):
        cells = "".join(
            f"{'' if row[key] is None else format(row[key], '.4g'):>{width}}" for key, width in columns.items()
        )
        met = {True: "met", False: "NOT MET", None: ""}[row["met"]]
        lines.append(f"{row['task']:26}{row['what']:22}{cells}  {met}".rstrip())
    for name, one in ((name, known.get(name)) for name in tasks):
        if one is None:
            lines.append(f"{name}: not begun")
        elif "result" not in one:
            lines.append(f"{name}: failed ({counted(one['tries'], 'try', 'tries')}): {one['failed']}")
    return "\n".join(lines)


FAULTS: dict[str, Callable[[], object]] = {  # what befalls the first try of a pretended day's tasks
    "sandboxes": lambda: 1 / 0,
    "step": lambda: time.sleep(10**6),
    "augment": lambda: os.kill(os.getpid(), signal.SIGKILL),
}
SHORT = {"step": 0.1}  # minutes, of the one that hangs
KILLED_IN = "epoch"  # the pretended day


def main(options: argparse.Namespace) -> int:
    """Do what is left of the day, and print its table. Returns 0 where every task has its result, else 1."""
    if options.task:
        return measure(options)
    if options.json is None:
        raise UserError("gpu: needs --json FILE, where each result is written, and where it goes on")
    read(options.json, options.pretend)
    if not options.pretend:
        check_machine(options)
    with tempfile.TemporaryDirectory() as folder:
        options.images = (options.images or tiny_images(Path(folder, "images"))).absolute()
        if options.pretend and not options.inner:
            kill_in_the_middle(options)
        first = SHORT if options.pretend else None
        known = day(TASKS, options.json, options.minutes, partial(started, options), first, options.pretend)
    print(f"\n{table(known, TASKS)}\nwritten to {options.json}")
    return int(any("result" not in known.get(name, {}) for name in TASKS))


def check_machine(options: argparse.Namespace) -> None:
    import torch

    if options.images is None:
        raise UserError(
            "gpu: needs --images PATH, CIFAR-10 as train/<class>/* and val/<class>/*, as nothing is fetched"
        )
    if not torch.cuda.is_available():
        raise UserError("gpu: torch sees no GPU; --pretend acts the day out on what is here")


def command_of(options: argparse.Namespace, *more: str) -> list[str]:
    pretend = ["--pretend"] if options.pretend else []
    return [sys.executable, "-m", "benchmarks", "gpu", "--images", str(options.images), *pretend, *more]


def started(options: argparse.Namespace, name: str, number: int, result: Path) -> "subprocess.Popen[str]":
    command = command_of(options, "--json", str(result), "--task", name, "--number", str(number))
    both = subprocess.STDOUT
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=both, text=True)


def measure(options: argparse.Namespace) -> int:
    """A task, in a process of its own, which ends with the day's."""
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    if options.pretend and options.number == 1 and options.task in FAULTS:
        FAULTS[options.task]()
    from benchmarks.measuring import machine, quietly

    quietly()
    scale = pretended(options.images) if options.pretend else Scale("cuda", options.images)
    about = machine()
    write_atomically(options.json, json.dumps({"machine": about, **TASKS[options.task].measure(scale)}))
    return 0


def end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)


def kill_in_the_middle(options: argparse.Namespace) -> None:
    """Begin the day in another process, and kill that in the middle of a task."""
    more = ["--json", str(options.json), "--minutes", str(options.minutes), "--inner"]
    process = subprocess.Popen(command_of(options, *more), cwd=ROOT)
    while KILLED_IN not in read(options.json, True) and process.poll() is None:
        time.sleep(0.1)
    process.kill()
    process.wait()
    print("killed; now the same command once more", flush=True)


def tiny_images(folder: Path) -> Path:
    """Images that show nothing."""
    import numpy as np
    from PIL import Image

    draws = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(200):
            own = folder / split / f"class{number % 10}"
            own.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draws.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(own / f"{number}.png")
    return folder
