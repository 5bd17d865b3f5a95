"""A student who withdraws: files and pages are erased for good, and in the ledger a number takes the place of the name."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from grader.grading.class_list import class_list
from grader.grading.kept_roster import kept_roster
from grader.grading.presence import presence
from grader.grading.ranking import standings
from grader.grading.withdrawals import mark, withdrawn
from grader.intake.roster import Roster
from grader.intake.veil import NOBODY, Marked, terms_of
from grader.ledger.ledger import Ledger, now
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import ROSTER_FILE, OpenResults, pages_locked
from grader.ledger.submission_store import place
from grader.ledger.submissions import NUMBERED
from grader.publish.erasure import digests_of, erase, erase_passed_over, words_of
from grader.publish.export_files import FILES
from grader.publish.pseudonyms import drawn
from grader.publish.release import DRAFT, EXPORTS, SITE
from grader.publish.traces import Traces
from grader.publish.wandb_runs import run_id
from grader.safe_text import printable
from project.support.errors import UserError
from project.support.files import write_atomically

BEGUN = "withdrawal.json"  # in the results folder, for as long as a student is being erased
# What is made of the ledger anew, by `leaderboard`, `similar`, `review` and `export`
DERIVED = (SITE, DRAFT, "documents", "similar.csv", *FILES.values(), *EXPORTS.values())
KEPT_FOR_A_GROUP = ("to_draw.json", "trainee.yaml")  # of a training, for the pages of the others
WITHOUT_NAMES = ("data", "withheld", "assets")  # folders in which no student is named


class Unknown(UserError):
    """The ledger knows no such student."""


@dataclass(frozen=True)
class Begun:
    """A withdrawal, as it is kept until it is done: whose, what tells of the student (also what others' pages must
    not name, as the veil looks for it), and the decision."""

    student: str
    words: list[str]
    number: str
    by: str
    reason: str
    veiled: list[str] = field(default_factory=list)


def note_down(opened: OpenResults, student: str, by: str, reason: str) -> None:
    """Note down that a student is to be erased from a results folder, unless that is noted or done: from then on,
    `erase_noted` does it, and so does whoever publishes.

    Raises:
        Unknown: The ledger knows no such student.
    """
    with pages_locked(opened.folder):
        if student not in {each.student for each in noted(opened)}:
            go_on(opened)
            if not number_of(opened, student):
                begin(opened, student, by, reason)


def number_of(opened: OpenResults, student: str) -> str:
    """The number in the place of a student who is erased; empty where nobody is."""
    gone, sought = withdrawn(opened.ledger), mark(student, opened.secret)
    here = student in opened.ledger.ids()
    return "" if here else next((number for number, found in gone.items() if found == sought), "")


def erase_noted(opened: OpenResults) -> dict[str, Traces]:
    """Erase whoever is to be erased. Returns what was erased, and the number in its place, by the id that was."""
    with pages_locked(opened.folder):
        return go_on(opened)


def begin(opened: OpenResults, student: str, by: str, reason: str) -> None:
    """Note down whom to erase: the student, under earlier ids, too."""
    ledger, known = opened.ledger, opened.ledger.ids()
    if student not in known - {*withdrawn(ledger)}:
        raise Unknown(f"{printable(student)}: the ledger knows no such student; the ids are on the leaderboard")
    superseded = presence(ledger.runs(), ledger.flags(), ledger.called()).superseded
    ids = [student]
    for each in ids:  # which grows
        ids += sorted(old for old, new in superseded.items() if new == each and old in known and old not in ids)
    numbers = (name for at in range(1, len(known) + len(ids) + 1) if (name := f"{NUMBERED}{at}") not in known)
    listed = kept_roster(opened.folder)
    people, begun = class_list(standings(ledger, opened.rules), listed), []
    for each, number in zip(reversed(ids), numbers):
        words = words_of(ledger, each)
        if row := listed.get(each):
            words |= {row.name, row.id, row.number, row.github, *row.logins}
        veiled = sorted(terms_of(NOBODY, [people[each][1]]).words) if each in people else []
        begun.append(asdict(Begun(each, sorted(words), number, by, reason, veiled)))
    write_atomically(opened.folder / BEGUN, json.dumps(begun, ensure_ascii=False), mode=0o600)


def noted(opened: OpenResults) -> list[Begun]:
    """Who is to be erased. Raises UserError where that cannot be read."""
    path = opened.folder / BEGUN
    try:
        return [Begun(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        raise UserError(f"{path}: is damaged; delete it, and call `withdraw` again") from None


def go_on(opened: OpenResults) -> dict[str, Traces]:
    """Erase who was noted down, where pages are locked. Returns what was erased, by the id that was."""
    erased = dict[str, Traces]()
    for each in noted(opened):
        erased[each.student] = traces = Traces.of(each.student, each.words, each.number)
        listed = kept_roster(opened.folder)
        erase_passed_over(opened.ledger, each.student, opened.rules)
        erase_files(opened, each.student, each.number)
        if listed.pop(each.student, None):
            write_atomically(opened.folder / ROSTER_FILE, Roster([*listed.values()]).to_json())
        veiled = Marked.of(each.veiled, opened.secret.digest("veil").hex())
        marks = {
            "mark": mark(each.student, opened.secret),
            "also": sorted(mark(word, opened.secret) for word in traces.told),
            "veil": [veiled.lengths, veiled.marks],
            "drawn": drawn(each.student, opened.secret),
        }
        erase(opened.ledger, each.student, traces, now(), each.by, marks, each.reason)
    (opened.folder / BEGUN).unlink(missing_ok=True)
    return erased


def erase_files(opened: OpenResults, student: str, number: str) -> None:
    """Erase what was kept of a student, and all that is made of the ledger anew."""
    results, ledger = opened.folder, opened.ledger
    own, shared = digests_of(ledger, student)
    for digest in own:
        for kind in ("zip", "json", "code.json"):
            place(results, digest, kind).unlink(missing_ok=True)
    for_others = results / "attempts" / number
    if shared and (results / "attempts" / student).is_dir():
        (results / "attempts" / student).rename(for_others)
    for path in for_others.rglob("*"):
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


def exports_of(results: Path) -> list[str]:
    """What was exported of the whole class, and a withdrawal erases: nobody makes it anew but by `export`."""
    return [name for name in EXPORTS.values() if any((results / place / name).exists() for place in ("", DRAFT))]


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
            if traces.mentioned(f"{path.relative_to(results)}\n{text_of(path)}"):
                yield path


def text_of(path: Path) -> str:
    """What stands in a file; in a database its values, each apart from the next."""
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return "\n".join(database.iterdump())
    return path.read_bytes().decode("utf-8", "ignore")
