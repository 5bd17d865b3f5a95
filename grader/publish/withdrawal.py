"""A student who withdraws: files and pages are erased for good, and in the ledger a number takes the place of the name."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from grader.grading.kept_roster import kept_roster
from grader.grading.presence import presence
from grader.grading.withdrawals import mark
from grader.intake.roster import Roster
from grader.ledger.erasure import Traces, digests_of, erase, withdrawn, words_of
from grader.ledger.ledger import Ledger, now
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import ROSTER_FILE, OpenResults
from grader.ledger.submission_store import place
from grader.publish.export_files import FILES
from grader.publish.release import DRAFT, EXPORTS, SITE
from grader.publish.wandb_runs import run_id
from project.support.errors import UserError
from project.support.files import write_atomically

# What is made of the ledger anew, by `leaderboard`, `similar`, `review` and `export`
DERIVED = (SITE, DRAFT, "documents", "similar.csv", *FILES.values(), *EXPORTS.values())
KEPT_FOR_A_GROUP = ("to_draw.json", "trainee.yaml")  # of a training, for the pages of the others
WITHOUT_NAMES = ("data", "withheld")  # folders in which no student is named


def withdraw(opened: OpenResults, student: str, by: str, reason: str) -> Traces:
    """Erase a student from a results folder; stopped, the same call goes on. Returns what was erased, and the number in its place.

    Raises:
        UserError: The ledger knows no such student.
    """
    known = {row[0] for row in opened.ledger.database.execute("SELECT DISTINCT student FROM submissions")}
    if student not in known - {*withdrawn(opened.ledger)}:
        raise UserError(f"{student}: the ledger knows no such student; the ids are on the leaderboard")
    number = next(name for at in range(1, len(known) + 2) if (name := f"withdrawn-{at}") not in known)
    earlier = presence(opened.ledger.runs(), opened.ledger.flags()).superseded
    for same in [old for old, new in earlier.items() if new == student and old in known]:  # under an id of before
        withdraw(opened, same, by, reason)
        return withdraw(opened, student, by, reason)
    listed = kept_roster(opened.folder)
    row = listed.pop(student, None)
    words = words_of(opened.ledger, student)
    if row:
        words |= {row.name, row.id, row.number, row.github, *row.logins}
    traces = Traces.of(student, words, number)
    erase_files(opened, student, number)
    if row:
        write_atomically(opened.folder / ROSTER_FILE, Roster([*listed.values()]).to_json())
    erase(opened.ledger, student, traces, now(), by, mark(student, opened.secret), reason)
    return traces


def erase_files(opened: OpenResults, student: str, number: str) -> None:
    """Erase what was kept of a student, and all that is made of the ledger anew."""
    results, ledger = opened.folder, opened.ledger
    own, shared = digests_of(ledger, student)
    for digest in own:
        for kind in ("zip", "json", "code.json"):
            place(results, digest, kind).unlink(missing_ok=True)
    if shared and (results / "attempts" / student).is_dir():
        (results / "attempts" / student).rename(results / "attempts" / number)
        for path in (results / "attempts" / number).rglob("*"):
            if path.is_file() and path.name not in KEPT_FOR_A_GROUP:
                path.unlink()
    ablations = results / "ablations"
    runs = list_runs(results, ledger, student)
    for path in (
        results / "attempts" / student,
        ablations / student,
        ablations / f"{student}.png",
        results / "appeals" / student,
        *runs,
        *(results / name for name in DERIVED),
    ):
        remove(path)


def list_runs(results: Path, ledger: Ledger, student: str) -> list[Path]:
    """What W&B logged of a student's trainings, and its leaderboards, in which everybody is."""
    rows = ledger.database.execute("SELECT measurement FROM measurements WHERE student != ?", [student])
    others = {run_id(Measurement.model_validate_json(row[0])) for row in rows}
    return [path for path in (results / "wandb").glob("*") if path.name.rpartition("-")[2] not in others]


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there; of a link, the link."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def mentioning(results: Path, traces: Traces) -> Iterator[Path]:
    """Files of a results folder in which the student still is: what persons put there, such as an export by another name."""
    for folder, folders, files in os.walk(results):
        folders[:] = [name for name in folders if name not in WITHOUT_NAMES]
        for path in (Path(folder, name) for name in files):
            text = f"{path.relative_to(results)}\n{path.read_bytes().decode('utf-8', 'ignore')}"
            if traces.pattern.search(text):
                yield path
