"""What a run would do: who, which attempt, when, from where, what the checks say, and how long it may take."""

import os
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from grader.grading.attempts import once
from grader.grading.groups import said_of_groups
from grader.grading.hand_ins import ask_about_times, hand_ins, read_roster
from grader.grading.presence import held, said_of_others
from grader.grading.ranking import judged
from grader.grading.register_submissions import in_time_before, note_missing, note_run, register, without_moved
from grader.grading.settings import Settings
from grader.grading.staff import is_staff, said_of_staff
from grader.grading.text_table import as_table
from grader.grading.verdicts import pending_trainings
from grader.grading.withdrawals import veil, without_withdrawn
from grader.intake.checks import for_instructor
from grader.intake.downloads import Download
from grader.ledger.results_folder import LEDGER, OpenResults, mendable, open_results
from grader.ledger.rounds import of_round
from grader.ledger.submissions import Graded
from grader.rules import Rules
from grader.secret import Secret
from project.support.errors import UserError
from project.support.wording import counted

COLUMNS = ("student", "name", "handed in as", "when", "by", "whose by", "checks", "trainings", "minutes")
GLYPHS_EPOCH = 2.0  # seconds, of the quickstart on one core beside another one
STATE = (LEDGER, "secret.json", "assignment.json")


def dry_run(folder: Path, results: Path | None, rules: Rules, settings: Settings, secret: Secret | None = None) -> str:
    """The list, as a table and some lines. It is made in a copy of the results folder, which stays as it is.

    Args:
        secret: That a run would begin with, where the folder has none yet.

    Raises:
        UserError: As a run does; odd times are told, and stop nothing.
    """
    roster = read_roster(folder, settings.roster)
    with copied(results, secret) as opened:
        terms = opened.ledger.terms()
        downloads = hand_ins(
            folder, rules, roster, held(opened.ledger.runs(), opened.ledger.held()), terms, veil(opened)
        )
        downloads, roster = without_withdrawn(downloads, roster, opened)
        downloads = without_moved(downloads, roster, folder, opened)
        odd = ""
        try:
            ask_about_times(downloads, rules, in_time_before(opened, rules), terms)
        except UserError as error:
            odd = str(error)
        work = register(downloads, opened, rules, roster)
        note_run(folder, downloads, opened)
        ledger = opened.ledger
        others = [*said_of_others(ledger.runs(), ledger.held(), ledger.flags(), ledger.called())]
        missing = note_missing(roster, folder, opened, rules) if roster else []
        seconds, how = seconds_a_training(opened, rules, settings.device == "cuda")
        by_student = {each.student: each for each in downloads}
        rows, total = [], 0.0
        known = [*judged(opened.ledger, rules)]
        trained = {graded.student for graded in once(graded for graded, _ in known if graded.student in work)}
        for graded, verdict in known:
            if graded.student not in work and graded.digest:
                continue  # of an earlier run alone
            trainings = len(pending_trainings(graded, rules)) if graded.student in trained else 0
            total += (minutes := trainings * seconds / 60)
            refused = verdict.name in ("rejected", "missing")
            said = "; ".join([for_instructor(verdict.reason) if refused else found_by_checks(graded), *graded.flags])
            rows.append([*about(graded, by_student.get(graded.student)), said, str(trainings), f"{minutes:.1f}"])
    device = settings.engine.about(settings.device)["device"]
    listed = f"{counted(len(downloads), 'student')} handed in something"
    listed += (
        f"; of {len(roster.students)} on the roster, {len(missing)} did not" if roster else "; no roster was found"
    )
    takes = how.format(f"{counted(round(total), 'minute')} {on(device)}")
    lines = [as_table(COLUMNS, rows), f"{listed}. {takes}. Nothing was trained or written."]
    if groups := said_of_groups(roster):
        lines.append(groups)
    if staff := said_of_staff(graded.student for graded, _ in known if is_staff(graded, rules)):
        lines.append(staff)
    return "\n\n".join([*lines, *others, *([f"A run stops here: {odd}"] if odd and not settings.accept_times else [])])


@contextmanager
def copied(results: Path | None, secret: Secret | None) -> Iterator[OpenResults]:
    """A results folder to throw away, with the state of another one, if there is one, and of practice before it."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "results"
        copy.mkdir()
        if results:
            copy_state(results, copy)
            copy_state(of_round(results, "practice"), of_round(copy, "practice"))
            if (results / "submissions").is_dir():
                shutil.copytree(results / "submissions", copy / "submissions", copy_function=linked)
        with open_results(copy, new=True, secret=secret) as opened:
            yield opened


def copy_state(results: Path, copy: Path) -> None:
    """Copy what verdicts are taken by, if there are results."""
    if not (results / LEDGER).is_file():
        return
    copy.mkdir(exist_ok=True)
    with (
        mendable(results),
        closing(sqlite3.connect(results / LEDGER)) as old,
        closing(sqlite3.connect(copy / LEDGER)) as new,
    ):
        old.backup(new)
    for file in STATE[1:]:
        if (results / file).is_file():
            shutil.copy2(results / file, copy / file)


def linked(source: str, target: str) -> None:
    """A second name of the same file, which is only ever replaced as a whole; a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def seconds_a_training(opened: OpenResults, rules: Rules, on_gpu: bool) -> tuple[float, str]:
    """How long a training takes, and a sentence that says how that is known: measured before, or what the quickstart took
    on Glyphs.

    Where neither is known, the limit, which says no more than that.
    """
    took = [
        measurement.seconds / measurement.epochs
        for graded, _ in judged(opened.ledger, rules)
        for measurement in graded.measurements.values()
        if measurement.seconds and measurement.epochs
    ]
    if took:
        return statistics.median(took) * rules.max_epochs, "The trainings take about {}"
    if not on_gpu and rules.dataset == Rules().dataset:
        return GLYPHS_EPOCH * rules.max_epochs, "The trainings take, very roughly, for none was measured yet, {}"
    return 60 * rules.limits.minutes, "No training was measured yet; by their limit, they take at most {}"


def on(device: str) -> str:
    """Where that is, by what is recorded of a device: `CPU: cpu (1 thread)` is one whose name nobody knows."""
    kind, _, name = device.partition(": ")
    return f"on this {kind} ({name.removeprefix('cpu (')}" if name.startswith("cpu (") else f"on {name}"


def about(graded: Graded, download: Download | None) -> list[str]:
    """Who, what, when, by what, and by what that is known whose it is."""
    if download is None:
        return [graded.student, graded.name, "-", "-", "-", "roster"]
    what = graded.source + (f" (of {download.attempts + 1})" if download.attempts else "")
    when = (
        graded.submitted.isoformat(" ", "minutes")
        if graded.submitted
        else "in time" * (not graded.marked_late) or "late"
    )
    return [graded.student, graded.name, what, when, graded.time_by, download.whose_by]


def found_by_checks(graded: Graded) -> str:
    """What the checks say of one that is not rejected."""
    warned = [finding["where"] for finding in graded.findings or [] if finding["severity"] != "reject"]
    return f"{counted(len(warned), 'warning')}: {', '.join(dict.fromkeys(warned))}" if warned else "ok"
