"""The hostile suite as a table: `python -m tests.hostile`. Case, expected, got, seconds."""

import io
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

from project.training.command_line import quieten
from tests.hostile import config, intake, programs
from tests.hostile.cases import graded, shortcomings

GROUPS = {
    "honest": [*intake.HONEST, *config.HONEST, *programs.HONEST],
    "intake": intake.CASES,
    "config": config.CASES,
    "import time": programs.IMPORT_TIME,
    "budget": programs.BUDGET,
    "metric": programs.METRIC,
    "resources": programs.RESOURCES,
    "isolation": programs.ISOLATION,
}


def main() -> int:
    quieten()
    started, wrong = time.monotonic(), 0
    print(f"{'group':12} {'case':52} {'expected':13} {'got':13} {'':5} {'s':>5}")
    for group, cases in GROUPS.items():
        for case in cases:
            before = time.monotonic()
            with tempfile.TemporaryDirectory() as scratch:
                with redirect_stdout(io.StringIO()):
                    entry = graded(case, Path(scratch))
                found = shortcomings(case, entry, Path(scratch))
            wrong += bool(found)
            mark = "WRONG" if found else "ok"
            said = "; ".join(found or [entry.reason, *entry.flags]).strip("; ")
            seconds = time.monotonic() - before
            print(
                f"{group:12} {case.name:52} {case.verdict:13} {entry.verdict:13} {mark:5} {seconds:5.1f}  {said[:100]}",
                flush=True,
            )
    total = sum(map(len, GROUPS.values()))
    print(f"{total} cases, {wrong} wrong, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
