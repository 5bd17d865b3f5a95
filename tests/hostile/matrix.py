"""A case of each mechanism that depends on how programs start and on who grades, for each machine and launcher.

`python -m tests.hostile.matrix [WORD ...]` prints the table, of mechanisms in whose names all words are.
"""

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

from grader.engines import slots
from tests.hostile import programs
from tests.hostile.attacks import ATTACKS, DONE, Result, report
from tests.hostile.cases import Case, graded, shortcomings
from tests.hostile.machines import MACHINES, Machine

LAUNCHERS = ("forked", "bubblewrap")
WHOLE = {
    "faults": "os._exit(0) at import",
    "predicting": "clusters of the images that score",
    "weights": "a training set in a buffer",
    "budgets": "passes of its own within a step",
    "knowledge": "learns before its training, on images of its own",
    "evidence": "the code of one of its functions",
}
CASES = {f"{kind}: {case.name}": case for kind, name in WHOLE.items() for case in programs.CASES if case.name == name}
assert len(CASES) == len(WHOLE), "a case has another name now"


def whole(case: Case, forked: bool, scratch: Path) -> tuple[str, str]:
    """What becomes of a submission, and what is wrong with that."""
    servers = slots.fork_servers
    if not forked:
        slots.fork_servers = lambda *arguments: []
    try:
        with redirect_stdout(io.StringIO()):
            entry = graded(case, scratch)
    finally:
        slots.fork_servers = servers
    return entry.verdict, "; ".join(shortcomings(case, entry, scratch))


def submissions(name: str, words: list[str]) -> Iterator[Result]:
    """Grade the cases here."""
    for mechanism in chosen(CASES, words):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            got, wrong = whole(CASES[mechanism], name == "forked", Path(scratch))
        yield Result(mechanism, got, wrong, time.monotonic() - began)


def chosen(names: Iterable[str], words: list[str]) -> list[str]:
    return [name for name in names if all(word in name for word in words)]


def tried_on(machine: Machine, name: str, words: list[str]) -> list[Result]:
    """What comes of everything on a machine that is made for it."""
    found = []
    if chosen([attack.name for attack in ATTACKS], words):
        found += told(machine, ["tests.hostile.attacks", name, str(machine.groups), *words])
    if chosen(CASES, words) and machine.groups != 2:  # on a kernel in a process, importing torch alone takes minutes
        found += told(machine, ["tests.hostile.matrix", "--inside", name, *words])
    return found


def told(machine: Machine, module: list[str]) -> list[Result]:
    """What a module says there, and that it came to its end."""
    said = machine.run([sys.executable, "-m", *module])
    found = [Result(**json.loads(line)) for line in said.splitlines() if line.startswith('{"mechanism"')]
    if not said.rstrip().endswith(DONE):
        found.append(Result("the machine", "", f"it did not come to its end: {' '.join(said.split())[-300:]}", 0.0))
    return found


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--inside"]:
        report(submissions(arguments[1], arguments[2:]))
        return 0
    wrong, count = 0, 0
    print(f"{'machine':28} {'launcher':10} {'mechanism':58} {'got':14} {'':5} {'s':>5}")
    for machine in MACHINES:
        for name in LAUNCHERS:
            if reason := machine.missing():
                print(f"{machine!s:28} {name:10} not tried: {reason}")
                continue
            for result in tried_on(machine, name, arguments):
                count, wrong = count + 1, wrong + bool(result.wrong)
                mark = "WRONG" if result.wrong else "ok"
                print(
                    f"{machine!s:28} {name:10} {result.mechanism:58} {result.got:14} {mark:5} {result.seconds:5.1f}"
                    f"  {result.wrong[:100]}",
                    flush=True,
                )
    print(f"{count} tried, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
