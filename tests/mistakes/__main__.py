"""`python -m tests.mistakes`: acts every mistake out, and prints a table of what is said of it.

Exit status 1 where one ends by a traceback, by status 0, or in more than one line and one of a cure.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ.update(WANDB_MODE="offline", OMP_NUM_THREADS="1")

from tests.mistakes.acting import mistakes  # noqa: E402  (torch reads them)
from tests.mistakes.commands import write_made_up_course  # noqa: E402


def main() -> int:
    faults = 0
    print("| mistake | what is said | exit status |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="mistakes-") as scratch:
        os.environ["FIFTEEN_EPOCHS_CACHE"] = f"{scratch}/cache"
        course = Path(scratch) / "course"
        write_made_up_course(course)
        for number, mistake in enumerate(mistakes(course), 1):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            told = mistake.act(folder)
            said = " ".join(line.strip() for line in told.lines).replace(f"{folder}", "TMP").replace(scratch, "TMP")
            print(f"| {cell(mistake.name)} | {cell(said)} | {told.status} |", flush=True)
            if told.fault:
                faults += 1
                print(f"{mistake.name}: {told.fault}", file=sys.stderr)
    print(f"\n{number} mistakes, {faults} of them told badly")
    return int(bool(faults))


def cell(text: str) -> str:
    """A text in a table's cell; of a long one, the beginning and the end."""
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-90:]}"


if __name__ == "__main__":
    sys.exit(main())
