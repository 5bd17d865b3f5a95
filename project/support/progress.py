"""The progress of long work: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10


def importing_torch() -> None:
    """Say in a terminal, where somebody waits, that a command has begun. In a log, what it prints first comes soon enough."""
    if sys.stderr.isatty():
        print("importing torch, which takes some seconds ...", file=sys.stderr, flush=True)


@contextmanager
def fraction_shown(label: str) -> Iterator[Callable[[float], object]]:
    """Gives a function to call, as often as you like, with the share of the work that is done, in [0, 1]."""
    if sys.stderr.isatty():
        layout = "{desc} {percentage:3.0f} % |{bar}| {elapsed}, {remaining} left"
        with tqdm(total=1.0, desc=label, bar_format=layout, file=sys.stderr) as bar:
            yield lambda done: bar.update(done - bar.n)
        return
    printed = time.monotonic()
    print(f"{label} ...", file=sys.stderr, flush=True)

    def show(done: float) -> None:
        nonlocal printed
        if time.monotonic() - printed > SECONDS_BETWEEN_LINES:
            printed = time.monotonic()
            print(f"{label}: {done:.0%}", file=sys.stderr, flush=True)

    yield show
