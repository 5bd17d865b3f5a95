"""A student taken out of a ledger for good: names, ids and texts are gone, and what was measured stays under a number."""

import json
import secrets
from typing import Any

from grader.grading.attempts import counting
from grader.ledger.decision_kinds import EXEMPT, EXTEND, POINTS, READERS, REGRADE, WITHDRAW
from grader.ledger.decisions import roots
from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.submissions import HANDED_IN_BY, NO_NAMES, PASSED_OVER, carrier
from grader.publish.traces import Traces
from grader.rules import Rules

OF_A_PERSON: dict[str, Any] = {"said": "", "publicly": "", "frames": [], "strategies": {}, "remarks": [], "flags": []}
FOR_A_GROUP = (EXTEND, EXEMPT, POINTS)  # decisions that hold for all whose hand-in it is
DATA = ("flags", "findings", "value", "known_as")  # columns with JSON in them
OF_FILES: dict[str, Any] = {"weights": "", "folder": "", "machine": {}}


def words_of(ledger: Ledger, student: str) -> set[str]:
    """All names of a student in the ledger, and all that others call the student."""
    rows = ledger.database.execute("SELECT name, known_as FROM submissions WHERE student = ?", [student]).fetchall()
    told = [texts for row in rows for kind, texts in json.loads(row["known_as"]).items() if kind not in NO_NAMES]
    known = {text for texts in told for text in texts}
    return {row["name"] for row in rows} | known | {text.partition("@")[0] for text in known}


def digests_of(ledger: Ledger, student: str) -> tuple[set[str], set[str]]:
    """Of all that a student handed in: what nobody else has, and what others handed in, too."""
    query = "SELECT digest FROM submissions WHERE digest != '' AND student {} ?"
    own, others = ({row[0] for row in ledger.database.execute(query.format(sign), [student])} for sign in ("=", "!="))
    return own - others, own & others


def erase(ledger: Ledger, student: str, traces: Traces, when: str, by: str, marks: dict[str, Any], why: str) -> None:
    """Take a student out of the ledger, unless that is done, and note it as a decision about the number.

    Args:
        marks: The decision's value: by these marks the student's id, and what else the student is called, are known again,
            and nobody else can tell what they are.
    """
    ledger.database.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    if student in ledger.ids():
        take_out(ledger, student, traces, when, by, marks, why)
    vacuum(ledger)


def vacuum(ledger: Ledger) -> None:
    """Leave nothing of what was deleted earlier in the ledger's free pages."""
    ledger.database.execute("VACUUM")


def take_out(ledger: Ledger, student: str, traces: Traces, when: str, by: str, marks: dict[str, Any], why: str) -> None:
    with ledger.all_or_nothing():
        erase_measurements(ledger, student, traces)  # which asks what others handed in
        erase_submissions(ledger, student, traces.number)
        erase_decisions(ledger, student, traces.number)
        for row in ledger.database.execute("SELECT id, hand_ins FROM runs").fetchall():
            lay = json.loads(row["hand_ins"])
            left = {each: traces.cut_path(place) for each, place in lay.items() if each != student}
            if left != lay:
                change(ledger, "runs", row["id"], hand_ins=json.dumps(left, ensure_ascii=False))
        ledger.database.execute("DELETE FROM runs WHERE hand_ins = '{}'")  # whose folder may be called so
        cut_in_others(ledger, student, traces)
        ledger.decisions.take(when, traces.cut_name(by), WITHDRAW, traces.number, marks, traces.cut_text(why))


def erase_submissions(ledger: Ledger, student: str, number: str) -> None:
    """Leave the student's first row, which tells who came when, with nothing in it."""
    (first,) = ledger.database.execute("SELECT min(id) FROM submissions WHERE student = ?", [student]).fetchone()
    ledger.database.execute("DELETE FROM submissions WHERE student = ? AND id != ?", [student, first])
    ledger.database.execute("DELETE FROM findings WHERE student = ?", [student])
    nothing = dict.fromkeys(("digest", "tier", "source", "time_by"), "")
    empty = {"submitted": None, "marked_late": False, "flags": "[]", "known_as": "{}"}
    change(ledger, "submissions", first, student=number, name=number, **nothing, **empty)


def erase_passed_over(ledger: Ledger, student: str, rules: Rules) -> None:
    """Leave others of the group nothing that the student handed in, and that has counted for nobody and does not now.

    Each of these rows was noted right before another one of the same student's: without them, who came when stays.
    """
    count = {(each.student, each.digest) for each in counting(ledger, rules)}
    with ledger.all_or_nothing():
        untrained = "digest NOT IN (SELECT digest FROM measurements)"
        rows = ledger.database.execute(f"SELECT id, student, digest, known_as FROM submissions WHERE {untrained}")
        for row in rows.fetchall():
            known, of_it = json.loads(row["known_as"]), (row["student"], row["digest"])
            others_s = row["student"] != student and carrier(row["student"], known) == student
            if others_s and PASSED_OVER in known and of_it not in count:
                ledger.database.execute("DELETE FROM submissions WHERE id = ?", [row["id"]])
                others = "EXISTS (SELECT 1 FROM submissions s WHERE s.student = f.student AND s.digest = f.digest)"
                ledger.database.execute(
                    f"DELETE FROM findings AS f WHERE student = ? AND digest = ? AND NOT {others}", of_it
                )


def erase_measurements(ledger: Ledger, student: str, traces: Traces) -> None:
    """Leave numbers alone, also where the last of a group goes. What counts for others, too, stays whole but for the name."""
    own, shared = digests_of(ledger, student)
    drawn: dict[str, str] = {}
    for row in ledger.database.execute("SELECT id, student, digest, measurement FROM measurements").fetchall():
        digest = row["digest"]
        if digest in own or (row["student"] == student and digest not in shared):
            digest = drawn.setdefault(digest, secrets.token_hex(32))
            measured = Measurement.model_validate_json(row["measurement"]).but(**OF_A_PERSON, **OF_FILES)
            change(ledger, "measurements", row["id"], digest=digest, measurement=measured.model_dump_json())
        if row["student"] == student:
            change(ledger, "measurements", row["id"], student=traces.number)


def erase_decisions(ledger: Ledger, student: str, number: str) -> None:
    """Leave of the decisions about a student those that say which measurements count and, where others of a group go on
    with the hand-in, those that hold for it: without their reasons."""
    made = ledger.decisions.history()
    kept, root = {REGRADE, *(FOR_A_GROUP if carries(ledger, student) else ())}, roots(made)
    for each in made:
        if each.student == student and root[each.id].kind in kept:
            change(ledger, "decisions", each.id, student=number, why="")
        elif each.student == student:
            ledger.database.execute("DELETE FROM decisions WHERE id = ?", [each.id])


def carries(ledger: Ledger, student: str) -> bool:
    """Whether others of a group are graded by what the student handed in."""
    rows = ledger.database.execute("SELECT known_as FROM submissions WHERE student != ?", [student])
    return any(student in json.loads(row["known_as"]).get(HANDED_IN_BY, []) for row in rows)


def cut_in_others(ledger: Ledger, student: str, traces: Traces) -> None:
    """Take the student out of what is noted of others, of what is decided for the class, and of who decided it."""
    for table, name in {"submissions": "flags", "findings": "findings", "decisions": "value"}.items():
        for row in ledger.database.execute(f"SELECT rowid AS at, * FROM {table}").fetchall():
            noted = json.loads(row[name])
            cut = {name: traces.cut(noted)}
            if table == "decisions":
                if READERS in noted:
                    cut[name] = noted | {READERS: [traces.cut_name(each) for each in noted[READERS]]}
                cut |= {"by": traces.cut_name(row["by"]), "why": traces.cut_text(row["why"])}
            if table == "submissions":
                known = json.loads(row["known_as"])
                by_student = student in known.get(HANDED_IN_BY, [])
                cut["known_as"] = known | {HANDED_IN_BY: [traces.number]} if by_student else known
                cut["source"] = traces.cut_path(row["source"])
            stored = {column: json.loads(row[column]) if column in DATA else row[column] for column in cut}
            if changed := {column: new for column, new in cut.items() if new != stored[column]}:
                texts = {c: json.dumps(new, ensure_ascii=False) if c in DATA else new for c, new in changed.items()}
                change(ledger, table, row["at"], **texts)
    for row in ledger.database.execute("SELECT id, measurement FROM measurements").fetchall():
        measured = Measurement.model_validate_json(row["measurement"])
        place = measured.folder.replace(f"attempts/{student}/", f"attempts/{traces.number}/", 1)
        if (cut_of := traces.cut_texts(measured).but(folder=place)) != measured:
            change(ledger, "measurements", row["id"], measurement=cut_of.model_dump_json())


def change(ledger: Ledger, table: str, row: int, **values: Any) -> None:
    columns = ", ".join(f"{name} = ?" for name in values)
    ledger.database.execute(f"UPDATE {table} SET {columns} WHERE rowid = ?", [*values.values(), row])
