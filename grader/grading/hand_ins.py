"""What counts of a folder of downloads: whose it is, which attempt, and when it was handed in. Nothing of it is executed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from grader.apart import Apart, Failed
from grader.grading.git_dates import git_dates
from grader.grading.git_to_tar import NoSandbox, exported
from grader.grading.groups import for_groups
from grader.grading.personal_rules import lateness
from grader.grading.staff import fits
from grader.intake.downloads import Download, find_downloads
from grader.intake.git_repositories import has_files
from grader.intake.identity import NOT_LISTED, identified, place_of
from grader.intake.last_in_time import counted
from grader.intake.loose_files import put_together
from grader.intake.roster import ROSTER, Roster
from grader.intake.submission import Unusable
from grader.intake.time_sources import BY_COMMIT, BY_FILE, BY_GIT, BY_MEMBERS, RECORDED
from grader.ledger.terms import NO_TERMS, Terms
from grader.rules import Rules
from grader.safe_text import printable
from grader.sandbox.scratch import scratch_folder
from project.support.errors import UserError
from project.support.wording import counted as number_of

MOST_LATE = 0.25  # of a class, above which a person is asked
FEWEST = 4  # hand-ins of which that says something
MINUTES = 10  # within which a download dates all files


def read_roster(folder: Path, named: Path | None) -> Roster | None:
    """The roster that is named, or `roster.csv` among the downloads. Raises UserError."""
    place = named or folder / ROSTER
    return Roster.read(place) if named or place.is_file() else None


def hand_ins(
    folder: Path,
    rules: Rules,
    roster: Roster | None = None,
    held: dict[str, str] | None = None,
    terms: Mapping[str, Terms] | None = None,
    veil: Callable[[str], str] | None = None,
) -> list[Download]:
    """The downloads that count, one for each student, in the order of the ids.

    Args:
        held: Ids of an earlier run, with the names of what was handed in under them.
        terms: By id, what was decided for single students: who has an extension is in time for longer.
        veil: What the ledger calls a path, where that names whoever has withdrawn.

    Raises:
        UserError: There are none, or a table among them cannot be read.
    """
    zone = zone_of(rules)
    found = dated_by_git(put_together(find_downloads(folder, zone, roster)))
    dated, claims = [], dict[str, tuple[str, str]]()
    with Apart("grader.grading.examination") as apart:
        for each in found:
            if veil and (called := veil(place_of(each))) != place_of(each):
                each = replace(each, place=called)
            if not each.student or each.time_by == BY_FILE:
                each, claim = looked_into(each, apart, zone)
                claims[place_of(each)] = claim
            dated.append(each)
    if not dated:
        raise UserError(f"{folder}: no submissions; expected folders, archives or git repositories in it")
    known = [
        replace(each, flags=tuple(flag for flag in each.flags if flag != NOT_LISTED))
        if fits(rules, each.student, each.source.name)  # a roster lists no baselines
        else each
        for each in identified(dated, claims, roster, held)
    ]

    def late(download: Download) -> bool:
        return is_late(download, rules, terms or {})

    return for_groups(counted(known, late), roster, late)


def is_late(download: Download, rules: Rules, terms: Mapping[str, Terms]) -> bool:
    """By the system's own mark, or by its time."""
    own = terms.get(download.student, NO_TERMS)
    return bool(lateness(download.submitted, download.late, download.time_by, rules, own))


def zone_of(rules: Rules) -> tzinfo:
    """The time zone of times without one: the deadline's, else this machine's."""
    return (rules.deadline or datetime.now().astimezone()).tzinfo or UTC


def dated_by_git(downloads: Sequence[Download]) -> list[Download]:
    """With git's date for what lies in a repository and has no recorded time. A link has none of what it leads to."""
    undated = [each for each in downloads if each.time_by == BY_FILE and not each.source.is_symlink()]
    dates: dict[Path, tuple[datetime, str]] = {}
    shared: dict[Path, list[Download]] = {}
    for each in undated:
        if has_files(each.source):
            if time := git_dates(each.source, ["."]).get("."):
                dates[each.source] = time, BY_COMMIT
        elif root := repository_of(each.source):
            shared.setdefault(root, []).append(each)
    for root, inside in shared.items():
        places = {each.source.resolve().relative_to(root).as_posix(): each.source for each in inside}
        dates |= {places[place]: (time, BY_GIT) for place, time in git_dates(root, [*places]).items()}
    return [
        replace(each, submitted=dates[each.source][0], time_by=dates[each.source][1]) if each.source in dates else each
        for each in downloads
    ]


def repository_of(folder: Path) -> Path | None:
    """The checked-out repository that a folder lies in."""
    return next((place for place in folder.resolve().parents if (place / ".git").is_dir()), None)


def looked_into(download: Download, apart: Apart, zone: tzinfo) -> tuple[Download, tuple[str, str]]:
    """With the time of what is packed in it, if there is no other; and the id and name in its student.yaml."""
    with scratch_folder() as scratch:
        try:
            packed = exported(download.source.absolute(), scratch)
            is_tar = packed != download.source.absolute()
            said = apart.call("glance", str(download.source.absolute()), str(packed) if is_tar else None)
        except (Unusable, Failed, NoSandbox):  # whoever examines it says what is wrong with it
            return download, ("", "")
    if said["changed"] and download.time_by == BY_FILE and not download.parts:
        changed = datetime.fromisoformat(said["changed"])
        changed = changed if changed.tzinfo else changed.replace(tzinfo=zone)
        download = replace(download, submitted=changed, time_by=BY_COMMIT if is_tar else BY_MEMBERS)
    return download, (said["id"], said["name"])


def ask_about_times(
    downloads: Sequence[Download],
    rules: Rules,
    in_time_before: Collection[str] = (),
    terms: Mapping[str, Terms] | None = None,
) -> None:
    """Stop where times would reject much of a class, or are nothing but the download's.

    Args:
        in_time_before: Whose earlier attempt was in time, and counts on.
        terms: As for `hand_ins`.

    Raises:
        UserError: It says what is odd, and how to go on.
    """
    if rules.deadline is None or len(downloads) < FEWEST:
        return
    known = terms or {}
    late = [each for each in downloads if is_late(each, rules, known) and each.student not in in_time_before]
    guessed = [each.submitted for each in late if each.submitted and each.time_by not in RECORDED]
    odd = ""
    if len(late) > MOST_LATE * len(downloads):
        odd = f"{len(late)} of {number_of(len(downloads), 'hand-in')} would be late"
    elif len(guessed) >= FEWEST and max(guessed) - min(guessed) <= timedelta(minutes=MINUTES):
        odd = f"{number_of(len(guessed), 'hand-in')} would be late"
    if odd:
        told = sorted({each.time_by for each in late})
        span = ""
        if len(guessed) > 1 and max(guessed) - min(guessed) <= timedelta(minutes=MINUTES):
            span = f" and lie within {MINUTES} minutes of each other, as a download leaves them"
        said = f"{odd}, by {'; '.join(told)}{span}"
        more = "write times.csv beside them, or, if these are right, add --accept-times"
        raise UserError(f"{said}: look at --dry-run; {more}")
    if dates := [each for each in downloads if each.time_by not in RECORDED]:
        first = printable(dates[0].source.name)
        print(f"{number_of(len(dates), 'time')} no system recorded, such as {first}'s: by {dates[0].time_by}")
