"""From downloads to submissions that are noted, kept and checked: nothing of them is executed, and none stays in memory."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from grader.apart import Apart, Failed
from grader.grading.attempts import NO_TIME, counting, of_the_same
from grader.grading.document_reading import read_documents
from grader.grading.examination import Examined, refused
from grader.grading.git_to_tar import NoSandbox, exported
from grader.grading.kept_roster import keep_roster, kept_roster
from grader.grading.personal_rules import in_time
from grader.grading.quotas import Runs, ids_by_place, quota, said_of_renamed, same_place, was_trained
from grader.grading.ranking import judged
from grader.grading.verdicts import checks_by
from grader.grading.withdrawals import measured_for
from grader.intake.downloads import Download
from grader.intake.identity import BY_CLAIM, BY_PLACE, NOT_LISTED, KnownIds, of_roster, place_of
from grader.intake.loose_files import as_folder
from grader.intake.roster import Roster, Student
from grader.intake.submission import Submission, Unusable, stem_of, take_in, unusable
from grader.ledger.ledger import Ledger, now
from grader.ledger.results_folder import OpenResults
from grader.ledger.submission_store import kept, place
from grader.ledger.submissions import (
    HANDED_IN_BY,
    LISTED_OVER,
    OFF_ROSTER,
    Graded,
    Noted,
    carrier,
    is_number,
    terms_for,
)
from grader.ledger.terms import Terms
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from grader.safe_text import normal, printable, storable
from grader.sandbox.scratch import scratch_folder
from project.support.errors import note

AS_BEFORE = ("name", "digest", "tier", "source", "submitted", "marked_late", "time_by")
TRIED_AGAIN = "{}; it is passed over, and the same command tries it again"


def register(
    downloads: Sequence[Download], opened: OpenResults, rules: Rules, roster: Roster | None = None
) -> dict[str, float]:
    """Note each submission in the ledger, keep its files and check them. What is wrong with one is that one's verdict.

    One that came late takes the place of none that was in time, also when that was downloaded before; it is noted before that one.
    What a fault of ours keeps from being read is passed over, with a note.

    Args:
        downloads: One for each student, as `grader.grading.hand_ins` gives them.
        roster: Who else is in the class, whose id nobody else may say to have.

    Returns:
        By student, an estimate of how long a training takes, in any unit.
    """
    work: dict[str, float] = {}
    decided = opened.ledger.decided()
    known, places = KnownIds(downloads, roster), ids_by_place(opened.ledger.runs())
    present = {each.student for each in downloads}
    came_late: dict[Any, Examined | None] = {}
    with Apart("grader.grading.examination") as apart:
        for download in downloads:
            try:
                found = examined(apart, download, opened.folder, rules.max_epochs)
            except NoSandbox as error:
                note(TRIED_AGAIN.format(printable(str(error), 300)))
                continue
            if opened.secret.part == "practice":
                by = carrier(found.student, download.known_as)  # whose quota a group's hand-in is of, for all of it
                by = found.student if is_number(by) else by
                also = same_place(places, by, place_of(download), present)
                if used := beyond_quota(opened.ledger, by, found.digest, rules, also):
                    note(f"{found.student}: {used}; what was trained before stays on the board")
                    if found.student in opened.ledger.students():
                        work[found.student] = found.work  # of which a training may still be wanted
                    continue
            noted, own = about(found, download, opened, rules), found.digest
            before = next(counting(opened.ledger, rules, found.student, decided), None)
            if before and of_the_same(before, noted) and only_before_in_time(before, noted, rules, decided.terms):
                if again := kept_examined(apart, before, download, opened.folder, rules.max_epochs):
                    if found.digest != before.digest:
                        late = printable(download.source.name)
                        note(f"{found.student}: {late} came late; {before.source}, which was in time, still counts")
                        opened.ledger.note_findings(found.student, found.digest, checks_by(rules), found.findings)
                        opened.ledger.note_passed_over(now(), noted)
                    as_before = {name: getattr(before, name) for name in AS_BEFORE}
                    noted = replace(noted, **as_before, known_as=handed_in_as(before, noted.known_as))
                    found = again
            for each, of_late in examined_late(apart, download, opened.folder, rules.max_epochs, came_late):
                if of_late.digest != noted.digest:
                    of_late = of_late.model_copy(update={"student": found.student, "name": found.name})
                    opened.ledger.note_findings(found.student, of_late.digest, checks_by(rules), of_late.findings)
                    opened.ledger.note_passed_over(now(), about(of_late, each, opened, rules))
            if download.attempts and noted.digest == own:
                print(f"{found.student}: {printable(download.source.name)} counts, of {download.attempts + 1} attempts")
            noted.flags.extend(known.flags(download, found.own_id))
            opened.ledger.note_findings(found.student, found.digest, checks_by(rules), found.findings)
            opened.ledger.note(now(), noted)
            work[found.student] = found.work
    return work


def examined_late(
    apart: Apart, download: Download, results: Path, max_epochs: int, known: dict[Any, Examined | None]
) -> Iterator[tuple[Download, Examined]]:
    """What came late beside a download, the earliest last. What cannot be read through a fault of ours waits, with a note.

    Args:
        known: What was examined before, and is filled here: a group's files are examined once, and not for each member.
    """
    for each in sorted(download.passed_over, key=lambda each: each.submitted or NO_TIME, reverse=True):
        files = (each.source, each.parts, each.told)
        if files not in known:
            try:
                known[files] = examined(apart, each, results, max_epochs)
            except NoSandbox as error:
                note(TRIED_AGAIN.format(printable(str(error), 300)))
                known[files] = None
        if found := known[files]:
            yield each, found


def beyond_quota(ledger: Ledger, student: str, digest: str, rules: Rules, also: set[str]) -> str:
    """Why an attempt is not trained in practice; empty where it is, or was."""
    if was_trained(ledger, student, digest):
        return ""
    used = quota(ledger, student, rules, datetime.now(UTC), also)
    under = f" (also as {', '.join(used.also)}, in the same place)" if used.said and used.also else ""
    return used.said + under


def renamed(folder: Path, downloads: Sequence[Download], runs: Runs) -> str:
    """A line about those who may have got a new quota of practice by another name; empty without any."""
    lies = {each.student: place_of(each) for each in downloads}
    untold = {each.student: lies[each.student] for each in downloads if each.whose_by in (BY_CLAIM, BY_PLACE)}
    return said_of_renamed(runs, folder_name(folder), untold, lies)


def about(found: Examined, download: Download, opened: OpenResults, rules: Rules) -> Noted:
    """What the ledger notes of a download."""
    source, images = printable(PurePath(download.place or download.source).name), images_key(rules, opened.secret)
    noted = (found.student, found.name, found.digest, found.tier, source, download.submitted, download.late, images)
    known_as = dict(download.known_as)
    if number := measured_for(opened, carrier(found.student, known_as), found.digest):
        known_as[HANDED_IN_BY] = [number]
    return Noted(*noted, download.time_by, list(download.flags), known_as)


def note_run(folder: Path, downloads: Iterable[Download], opened: OpenResults) -> None:
    """Note in the ledger over which folder this run is, and where the hand-ins lie of those whom the ledger has."""
    known = opened.ledger.ids()
    lie = {each.student: place_of(each) for each in downloads if each.student in known}
    opened.ledger.note_run(now(), folder_name(folder), lie)


def without_moved(
    downloads: Sequence[Download], roster: Roster | None, folder: Path, opened: OpenResults
) -> list[Download]:
    """The downloads without those of whoever is on no roster but another folder's now, such as another section's, and handed in
    there last: here lies what they handed in before. Each is told."""
    listed = {student.student for student in roster.students} if roster else set()
    here, runs = folder_name(folder), opened.ledger.runs()
    last = {student: where for where, lie in runs for student in lie}
    before = {student for where, lie in runs if where == here for student in lie if last[student] != here}
    rows = kept_roster(opened.folder).items() if roster else ()
    others = [row for student, row in rows if student in before - listed]
    elsewhere, left = Roster(others), []
    for each in downloads:
        by_account = each.about and not each.doubted
        moved, _ = elsewhere.match(each.about) if by_account else elsewhere.match_text(stem_of(each.source))
        if moved and NOT_LISTED in each.flags:
            told = f"is that of {moved.student}, who handed in over another folder since, and is on its roster"
            note(f"{printable(each.source.name)}: {told}; passed over")
        else:
            left.append(each)
    return left


def folder_name(folder: Path) -> str:
    """As the ledger notes a run's folder."""
    return storable(normal(str(folder.resolve())))


def folder_mark(name: str) -> str:
    """That of a run's folder, without its name, which may be a student's."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def in_time_before(opened: OpenResults, rules: Rules) -> set[str]:
    """Who has an attempt in the ledger that was in time."""
    return {each.student for each in counting(opened.ledger, rules) if each.digest and in_time(each, rules, each.terms)}


def note_missing(roster: Roster, folder: Path, opened: OpenResults, rules: Rules) -> list[Student]:
    """Keep the roster, and note in the ledger who is on it and never handed in anything. Returns them.

    Who was noted so by the rosters of earlier runs over this folder alone, and is not on this one, is on no list any more, and told.
    Whom a run over another folder listed, such as one of another section, stays, and is told.
    """
    handed_in = opened.ledger.students()
    missing = [student for student in roster.students if student.student not in handed_in]
    images, here = images_key(rules, opened.secret), folder_mark(folder_name(folder))
    before = {each.student: each for each, verdict in judged(opened.ledger, rules) if verdict.name == "missing"}
    listed_over = {student: {*each.known_as.get(LISTED_OVER, [])} for student, each in before.items()}
    for student in missing:
        places = sorted(listed_over.get(student.student, set()) | {here})
        noted = (student.student, storable(student.name), "", "", "", None, False, images)
        opened.ledger.note(now(), Noted(*noted, known_as=of_roster(student) | {LISTED_OVER: places}))
    listed, stay = {student.student for student in roster.students}, []
    for each in [each for student, each in before.items() if student not in listed]:
        places = sorted(listed_over[each.student] - {here})
        told, gone = f"{printable(each.name)} ({each.student})", here in listed_over[each.student] and not places
        if gone:
            note(f"{told}: handed in nothing, and is not on this roster; left out")
        else:
            stay.append(told)
        noted = (each.student, each.name, "", "", "", None, False, each.images)
        known_as = {**each.known_as, LISTED_OVER: places}
        opened.ledger.note(now(), Noted(*noted, flags=[OFF_ROSTER] if gone else each.flags, known_as=known_as))
    if stay:
        note(
            f"{', '.join(stay)}: handed in nothing, not on this roster; listed by that of a run over another folder, so they stay"
        )
    keep_roster(roster, opened)
    return missing


def only_before_in_time(before: Graded, noted: Noted, rules: Rules, known: Mapping[str, Terms]) -> bool:
    """Whether of two attempts of a student the earlier one alone was in time, each for whoever handed it in."""
    of_noted = terms_for(noted.student, noted.known_as, known)
    return in_time(before, rules, before.terms) and not in_time(noted, rules, of_noted)


def handed_in_as(before: Noted, known_as: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """What others call a student now, with whoever of the group handed in the attempt of before."""
    by = {HANDED_IN_BY: before.known_as[HANDED_IN_BY]} if HANDED_IN_BY in before.known_as else {}
    return {kind: texts for kind, texts in known_as.items() if kind != HANDED_IN_BY} | by


def kept_examined(apart: Apart, noted: Noted, download: Download, results: Path, max_epochs: int) -> Examined | None:
    """An earlier attempt, examined as it was kept; None where it could not be read then, or its files are gone."""
    archive = replace(download, source=place(results, noted.digest), parts=(), student=noted.student, name=noted.name)
    if not archive.source.exists():
        return None
    found = examined(apart, archive, results, max_epochs)
    return found if found.digest == noted.digest else None


def examined(apart: Apart, download: Download, results: Path, max_epochs: int) -> Examined:
    """A download, examined in a process of its own; refused where that fails."""
    source, student, name = download.source.absolute(), download.student, download.name
    with scratch_folder() as scratch:
        try:
            packed = as_folder(download.parts, scratch) if download.parts else exported(source, scratch)
            about = (str(source), None if packed == source else str(packed), student, name, download.told)
            given = (*about, str(results.absolute()), max_epochs)
            found = Examined(**apart.call("examine", *given, None))
            if found.documents:
                files = kept(results, found.digest)
                documents = {file: files[file] for file in found.documents if file in files}
                texts = read_documents(documents, found.digest, results)
                found = Examined(**apart.call("examine", *given, texts))
            return found
        except Unusable as error:
            reason = str(error)
        except Failed as error:
            reason = f"reading and checking it {error}"
        return refused(source, reason, student, name, results)


def read_submission(source: Path, student: str = "", name: str = "") -> Submission:
    """The submission in a folder, archive or repository. One that cannot be read comes back with `unusable` set."""
    with scratch_folder() as scratch:
        try:
            return take_in(source, exported(source, scratch), student, name)
        except Unusable as error:
            return unusable(source, str(error), student, name)
