"""A folder with all that is known of one student's grade, for the student: nothing of others, and nothing that scores.

A training's log is in it, a prediction's is not: a student's own code could have printed the images that score into it.
Others' names are veiled wherever anybody but the grader wrote.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from grader.grading.class_list import class_list
from grader.grading.kept_roster import kept_roster
from grader.grading.personal_rules import open_until
from grader.grading.ranking import Entry, judged, standings
from grader.grading.verdicts import verdict
from grader.grading.withdrawals import veiled_words
from grader.intake.veil import NOBODY, veiled
from grader.ledger.decision_kinds import READERS
from grader.ledger.decisions import CLASS, Decision, roots
from grader.ledger.ledger import Ledger, now
from grader.ledger.past_measurements import PastMeasurement, past_hand_ins, past_measurements
from grader.ledger.results_folder import OpenResults, pages_locked
from grader.ledger.submissions import Graded
from grader.publish.appeal_pages import as_markdown
from grader.publish.pages.build import swap
from grader.publish.public_words import FLAGS, OTHER_FLAG, derived
from grader.rules import Rules
from grader.sandbox.scratch import scratch_folder
from grader.secret import EarlierSecret
from project.support.errors import UserError
from project.support.files import output

RECORD = "appeal.json"
LOG = "trainee.log"
PRIVATE = {"dataset", "dataset_replaced", "site", "student_folders"}  # of the rules
Hide = Callable[[str], str]


def write_appeal(opened: OpenResults, student: str, out: Path, language: str = "en") -> None:
    """Write the folder anew. What a killed process left beside it, this removes.

    Raises:
        UserError: The student is unknown, the folder cannot be written, or is there and not an appeal of this student's.
    """
    entries = standings(opened.ledger, opened.rules)
    entry = next((each for each in entries if each.student == student), None)
    if entry is None:
        raise unknown(student)
    if out.exists() and (whose := written_for(out)) != student:
        what = f"the appeal of {whose}" if whose else "no appeal"
        raise UserError(f"--out {out}: is there already, and {what}; name a folder that is not")
    found, logs = record(opened, entry, entries)
    with output("--out", out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(out.parent) as made:
            made.chmod(0o755)
            (made / "logs").mkdir()
            for log, text in logs.items():
                (made / log).write_text(text, encoding="utf-8")
            (made / RECORD).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            (made / "appeal.md").write_text(as_markdown(found, language), encoding="utf-8")
            with pages_locked(opened.folder):  # under which whoever withdraws is erased
                if student not in opened.ledger.ids():
                    raise unknown(student)
                swap(made, out)


def unknown(student: str) -> UserError:
    return UserError(f"{student}: the ledger knows no such student; the ids are in leaderboard.csv")


def written_for(folder: Path) -> str:
    """Whose appeal a folder is; empty where it is none."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return str(found["student"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def record(opened: OpenResults, entry: Entry, entries: list[Entry]) -> tuple[dict[str, Any], dict[str, str]]:
    """All that is known of one student, as plain data, and the logs by their place in the folder."""
    ledger, rules = opened.ledger, opened.rules
    others = [
        people
        for student, people in class_list(entries, kept_roster(opened.folder), veiled_words(opened)).items()
        if student != entry.student
    ]
    # By what roster and accounts tell: by what others call themselves, they could blot out words of the student's.
    of_student = partial(veiled, author=NOBODY, others=[told for _, told in others])
    of_staff = partial(veiled, author=NOBODY, others=[known for known, _ in others])  # who may have named anybody
    handed_in = past_hand_ins(ledger, entry.student)
    known = {each["digest"] for each in handed_in}  # of a group: what counted for the student, too
    measured = [each for by in ledger.carriers(entry.student) for each in past_measurements(ledger, by)]
    past = sorted((each for each in measured if each.digest in known), key=attrgetter("id"))
    logs = {each.id: opened.folder / each.measurement.folder / LOG for each in past if each.measurement.folder}
    kept = {number: log for number, log in logs.items() if log.is_file()}
    names = {each.id: log_name(each) for each in past if each.id in kept}
    graded, _ = next(judged(ledger, rules, entry.student))
    of_reason = of_student if graded.terms.disqualified is None else of_staff  # who gives the reason then
    shown = seeds_may_be_told(opened)
    found = {
        "version": 1,
        "student": entry.student,
        "name": entry.name,
        "written": now(),
        "rules": rules.model_dump(mode="json", exclude=PRIVATE),
        "result": result(entry, of_student, of_staff, of_reason),
        "handed_in": [hidden(each, of_student, "source") for each in handed_in],
        "findings": [
            hidden(each, of_student, *each)
            for each in graded.findings or []
            if each.get("family", "") in ("", *rules.families)
        ],
        "rounds": rounds(graded, ledger.round(graded.carrier), past, rules, of_reason),
        "trainings": [training(each, shown, names.get(each.id, ""), of_student) for each in past],
        "decisions": decisions(ledger, entry.student, graded.carrier, of_staff),
    }
    texts = {names[number]: of_student(log.read_text("utf-8", "replace")) for number, log in kept.items()}
    return found, texts


def seeds_may_be_told(opened: OpenResults) -> bool:
    """Whether nobody can hand in any more who could train for these seeds, and they tell nothing of an earlier secret."""
    rules, extended = opened.rules, open_until(opened.rules, opened.ledger.terms().values())
    last = max(filter(None, (rules.free_until, rules.taken_until, extended)), default=None)
    return not isinstance(opened.secret, EarlierSecret) and last is not None and datetime.now().astimezone() > last


def log_name(each: PastMeasurement) -> str:
    variant = f"-{each.variant.replace(' ', '-')}" if each.variant else ""
    return f"logs/training-{each.training + 1}{variant}-round-{each.round}-row-{each.id}.txt"


def result(entry: Entry, of_student: Hide, of_staff: Hide, of_reason: Hide) -> dict[str, Any]:
    """What the grade is now."""
    shown = entry.model_dump(mode="json", exclude={"version", "student", "name", "reason"})
    points = {name: value for name, value in (entry.points or {}).items() if name != "unfinished"}
    if points:
        points["comment"] = of_staff(points["comment"])
    return shown | {
        "reason": of_reason(entry.own_reason),
        "flags": [*dict.fromkeys(derived(flag, FLAGS, OTHER_FLAG) for flag in entry.flags)],  # they can name others
        "warnings": [*map(of_student, entry.warnings)],
        "points": points,
    }


def rounds(graded: Graded, last: int, past: list[PastMeasurement], rules: Rules, hide: Hide) -> list[dict[str, Any]]:
    """What each round of measurements comes to by the rules of today: the old against the new after a regrade.

    Args:
        last: The round that `graded` is of.
    """
    of_this = [each for each in past if (each.digest, each.images, each.variant) == (graded.digest, graded.images, "")]
    found = []
    for number in sorted({each.round for each in of_this}):
        of_round = [each for each in of_this if each.round == number]
        own = replace(
            graded,
            measurements={each.training: each.measurement for each in of_round if each.counts},
            infrastructure=next((each.measurement for each in reversed(of_round) if not each.counts), None),
            faults_alone=graded.faults_alone if number == last else 0,
        )
        said = verdict(own, rules)
        accuracy = said.ranked.accuracy if said.ranked else None
        found.append({"round": number, "verdict": said.name, "reason": hide(said.reason), "accuracy": accuracy})
    return found


def training(each: PastMeasurement, seeds_shown: bool, log: str, hide: Hide) -> dict[str, Any]:
    """A measurement, and how it was made."""
    measured = each.measurement.model_dump(mode="json", exclude={"folder", "publicly"})
    measured["said"] = hide(each.measurement.said)
    measured["flags"] = [derived(flag, FLAGS, OTHER_FLAG) for flag in each.measurement.flags]
    for name in ("frames", "remarks"):
        measured[name] = [*map(hide, measured[name])]
    return {
        **{name: getattr(each, name) for name in ("id", "started", "ended", "digest", "variant", "round", "counts")},
        "training": each.training + 1,
        "seed": each.seed if seeds_shown else None,
        "measurement": measured,
        "circumstances": each.circumstances,
        "log": log,
    }


def decisions(ledger: Ledger, student: str, carrier: str, hide: Hide) -> list[dict[str, Any]]:
    """What was decided about the student, or about everybody; not who was asked to read, which changes no grade. Of what was
    decided for whoever handed in for the group what counts, and not what was said to that one alone."""
    made = ledger.decided_for(student, carrier)
    root = roots(made)

    def said(each: Decision) -> dict[str, Any]:
        if each.student not in (student, CLASS):
            return {"value": {name: given for name, given in each.value.items() if name != "comment"}, "why": ""}
        return {"value": hidden_within(each.value, hide), "why": hide(each.why)}

    return [
        {name: getattr(each, name) for name in ("id", "at", "by", "kind", "undoes", "in_force")}
        | {"about_all": not each.student}
        | said(each)
        for each in made
        if root[each.id].kind != READERS
    ]


def hidden(values: dict[str, Any], hide: Hide, *names: str) -> dict[str, Any]:
    """The same, with some of its texts veiled."""
    return values | {name: hide(values[name]) for name in names}


def hidden_within(value: Any, hide: Hide) -> Any:
    """Plain data with all of its texts veiled."""
    if isinstance(value, dict):
        return {hide(name): hidden_within(each, hide) for name, each in value.items()}
    if isinstance(value, list):
        return [hidden_within(each, hide) for each in value]
    return hide(value) if isinstance(value, str) else value
