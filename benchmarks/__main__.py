"""Benchmarks of speed: `python -m benchmarks epoch|step|startup|target|contention|study|grading|gpu|... --json FILE`.

Each measures its arms in turns, prints them all, and writes them with the machine and the ratios' spread.
"""

import argparse
import importlib
import sys
from pathlib import Path

from project.support.errors import UserError, exit_status

ABOUT = {
    "epoch": "an epoch: the common template, ours, a bare loop, the arithmetic alone",
    "step": "a step: what logging adds to the bare Trainer",
    "augment": "crop, flip and normalisation of an image: per sample, and ours",
    "startup": "seconds until --help and --print_config answer",
    "target": "recipes on real photographs, whole processes (needs --images)",
    "contention": "a fit beside a process that keeps one core busy",
    "study": "a study of 50 short trainings against 50 processes of fit",
    "gpu": "the day a GPU is at hand: all that only a GPU shows, in slots of --minutes (--pretend without one)",
    "grading": "the grader's wall-clock against the same trainings run bare",
    "simulation": "a course on a cluster that is made up: utilisation, what is lost, the grader's own cost",
    "rendering": "leaderboard and pages of large courses: seconds and memory",
    "day": "a class with odd students hands in by each way: what becomes of whom, and seconds of each step",
    "term": "a term with practice, policy, readers and an appeal: whose grade changes at each step, and how many trainings",
    "lecture": "the lecture's claims: what each study was expected to show, and what it found",
}
ROUNDS = {
    "epoch": 5,
    "step": 7,
    "augment": 9,
    "startup": 7,
    "target": 3,
    "contention": 5,
    "study": 3,
    "gpu": 1,
    "grading": 3,
    "simulation": 1,
    "rendering": 3,
    "day": 1,
    "term": 1,
    "lecture": 1,
}


def main(args: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in ABOUT.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--json", type=Path, help="file for the numbers")
        command.add_argument("--rounds", type=int, default=ROUNDS[name], help="measurements of every arm")
        command.add_argument("--images", type=Path, help="an archive of images; the embedded dataset without")
        command.add_argument("--count", type=int, default=12_800, help="training images of an epoch")
        command.add_argument("--workers", type=int, help="of the template's DataLoader; one a core by default")
        command.add_argument("--recipes", default="cifar10_fast_cpu", help="of target, separated by commas")
        command.add_argument(
            "--template-epochs", type=int, default=13, help="of target: in which the template gets to 80 %%; 0 for none"
        )
        command.add_argument(
            "--submissions", default="1000,10000", help="of simulation and rendering: sizes, by commas"
        )
        command.add_argument("--students", default="200", help="of day: sizes of the class, separated by commas")
        command.add_argument("--way", help="of day: canvas, moodle, ..., separated by commas; all of them by default")
        command.add_argument("--epochs", type=int, default=3, help="of each training of contention and study")
        command.add_argument("--minutes", type=float, default=25, help="of gpu: no task begins that may end later")
        command.add_argument(
            "--pretend", action="store_true", help="of gpu: act it out, at a tiny scale, with failures"
        )
        for hidden, kind in (("--task", str), ("--number", int)):  # of the gpu day's own processes
            command.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
        command.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
        command.add_argument("--studies", help="of lecture: capacity, ..., separated by commas; all of them by default")
    options = parser.parse_args(args)
    if options.command == "target" and not options.images:
        parser.error("target needs --images ARCHIVE, such as cifar10.tar.xz with train/<class>/* and val/<class>/*")

    if options.command == "gpu":
        from benchmarks.gpu import main as gpu

        return exit_status(lambda _: gpu(options), ())

    import torch

    from benchmarks.measuring import machine, quietly, write
    from project.datasets.glyphs import Glyphs
    from project.datasets.image_archive import ImageArchive

    quietly()
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    try:
        source = ImageArchive(str(options.images)) if options.images else Glyphs()
    except UserError as error:
        parser.error(str(error))
    sizes = [int(size) for size in options.submissions.split(",")]
    workers = torch.get_num_threads() if options.workers is None else options.workers
    arguments = {
        "epoch": (source, options.rounds, options.count, workers),
        "step": (options.rounds,),
        "augment": (source, options.rounds, options.count),
        "startup": (options.rounds,),
        "target": (options.recipes.split(","), options.images, options.rounds, options.template_epochs),
        "contention": (options.rounds, options.epochs),
        "study": (options.rounds, options.epochs),
        "grading": (options.rounds,),
        "simulation": (sizes, options.rounds),
        "rendering": (sizes, options.rounds),
        "term": (),
        "lecture": (options.studies.split(",") if options.studies else (),),
        "day": (options.way.split(",") if options.way else None, [int(size) for size in options.students.split(",")]),
    }
    result = importlib.import_module(f"benchmarks.{options.command}").main(*arguments[options.command])
    if options.json:
        write(options.json, {"machine": about, **result})
    return int(bool(result.get("problems")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
