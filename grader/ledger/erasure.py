"""A student taken out of a ledger for good: names, ids and texts are gone, and what was measured stays under a number."""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from grader.ledger.decision_kinds import EXEMPT, EXTEND, POINTS, REGRADE, WITHDRAW
from grader.ledger.decisions import Decision
from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.submissions import HANDED_IN_BY, NO_NAMES

SHORTEST = 4  # letters or digits; what is shorter is a word of every text
WIDE = "\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3"  # scripts that write words without spaces
IN_NAMES = re.compile(rf"[^\W_{WIDE}]+|[{WIDE}]")  # a word of a file's name, or what may be a part of one
MOST_WORDS = 8  # of such, in what a student is called
WORDS = ("where", "what", "mend", "comment")  # of what is noted as data: all else in it is read by machines
IN_WORDS = ("said", "publicly", "frames", "remarks", "flags")  # of a measurement
OF_A_PERSON: dict[str, Any] = {"said": "", "publicly": "", "frames": [], "strategies": {}, "remarks": [], "flags": []}
FOR_A_GROUP = (EXTEND, EXEMPT, POINTS)  # decisions that hold for all whose hand-in it is
OF_FILES: dict[str, Any] = {"weights": "", "folder": "", "machine": {}}


@dataclass(frozen=True)
class Traces:
    """What tells of a student in texts, and the number that takes its place."""

    pattern: re.Pattern[str]
    number: str
    told: frozenset[str]

    @classmethod
    def of(cls, student: str, words: Iterable[str], number: str) -> "Traces":
        """Of an id, and names, accounts and numbers that are long enough to tell of anybody."""
        told = {student, *(word for word in words if len(word) >= SHORTEST or re.fullmatch(f"[{WIDE}]{{2,}}", word))}
        either = "|".join(map(re.escape, sorted(told, key=len, reverse=True)))
        return cls(re.compile(rf"(?<![^\W{WIDE}])(?:{either})(?![^\W{WIDE}])"), number, frozenset(told))

    def cut(self, value: Any) -> Any:
        """The same data, with the number in the place of each trace in its words: those under no name, or one of WORDS."""
        if isinstance(value, dict):
            return {name: self.cut(each) if name in WORDS else each for name, each in value.items()}
        if isinstance(value, list):
            return [self.cut(each) for each in value]
        return self.pattern.sub(self.number, value) if isinstance(value, str) else value

    def cut_path(self, path: str) -> str:
        """A path or a file's name, with the number in the place of each trace."""
        return veiled(path, lambda words: self.number if words in self.told else "")

    def cut_json(self, text: str) -> str:
        """The same for data as the ledger stores it."""
        return json.dumps(self.cut(json.loads(text)), ensure_ascii=False)

    def cut_texts(self, measured: Measurement) -> Measurement:
        """The same for what a measurement says in words."""
        return measured.but(**{name: self.cut(getattr(measured, name)) for name in IN_WORDS})


def veiled(path: str, number_of: Callable[[str], str]) -> str:
    """A path, or a file's name, in whose last name numbers stand for who is called so; an underscore parts words there, too.

    Args:
        number_of: What takes the place of these words; empty where they may stay.
    """
    folder, slash, name = path.rpartition("/")
    words, found, at = [*IN_NAMES.finditer(name)], "", 0
    for first, word in enumerate(words):
        if word.start() < at:
            continue
        for last in reversed(words[first : first + MOST_WORDS]):
            if number := number_of(name[word.start() : last.end()]):
                found, at = found + name[at : word.start()] + number, last.end()
                break
    return folder + slash + found + name[at:]


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


def erase(ledger: Ledger, student: str, traces: Traces, when: str, by: str, marks: Sequence[str], why: str) -> None:
    """Take a student out of the ledger, unless that is done, and note it as a decision about the number.

    Args:
        marks: By which the student's id, and what else the student is called, are known again, and nobody else can tell
            what they are.
    """
    ledger.database.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    if student in ledger.ids():
        take_out(ledger, student, traces, when, by, marks, why)
    vacuum(ledger)


def vacuum(ledger: Ledger) -> None:
    """Leave nothing of what was deleted earlier in the ledger's free pages."""
    ledger.database.execute("VACUUM")


def take_out(ledger: Ledger, student: str, traces: Traces, when: str, by: str, marks: Sequence[str], why: str) -> None:
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
        ledger.decisions.take(
            when, by, WITHDRAW, traces.number, {"mark": marks[0], "also": [*marks[1:]]}, traces.cut(why)
        )


def erase_submissions(ledger: Ledger, student: str, number: str) -> None:
    """Leave the student's first row, which tells who came when, with nothing in it."""
    (first,) = ledger.database.execute("SELECT min(id) FROM submissions WHERE student = ?", [student]).fetchone()
    ledger.database.execute("DELETE FROM submissions WHERE student = ? AND id != ?", [student, first])
    ledger.database.execute("DELETE FROM findings WHERE student = ?", [student])
    nothing = dict.fromkeys(("digest", "tier", "source", "time_by"), "")
    empty = {"submitted": None, "marked_late": False, "flags": "[]", "known_as": "{}"}
    change(ledger, "submissions", first, student=number, name=number, **nothing, **empty)


def erase_measurements(ledger: Ledger, student: str, traces: Traces) -> None:
    """Leave numbers alone. What counts for others of a group, too, stays whole but for the name."""
    _, shared = digests_of(ledger, student)
    drawn: dict[str, str] = {}
    query = "SELECT id, digest, measurement FROM measurements WHERE student = ?"
    for row in ledger.database.execute(query, [student]).fetchall():
        measured = Measurement.model_validate_json(row["measurement"])
        if (digest := row["digest"]) in shared:
            place = measured.folder.replace(f"attempts/{student}/", f"attempts/{traces.number}/", 1)
            measured = traces.cut_texts(measured).but(folder=place)
        else:
            digest = drawn.setdefault(digest, secrets.token_hex(32))
            measured = measured.but(**OF_A_PERSON, **OF_FILES)
        values = {"student": traces.number, "digest": digest, "measurement": measured.model_dump_json()}
        change(ledger, "measurements", row["id"], **values)


def erase_decisions(ledger: Ledger, student: str, number: str) -> None:
    """Leave of the decisions about a student those that say which measurements count and, where others of a group go on
    with the hand-in, those that hold for it: without their reasons."""
    made = {each.id: each for each in ledger.decisions.history()}
    kept = {REGRADE, *(FOR_A_GROUP if carries(ledger, student) else ())}

    def root(decision: Decision) -> Decision:
        return root(made[decision.undoes]) if decision.undoes in made else decision

    for each in made.values():
        if each.student == student and root(each).kind in kept:
            change(ledger, "decisions", each.id, student=number, why="")
        elif each.student == student:
            ledger.database.execute("DELETE FROM decisions WHERE id = ?", [each.id])


def carries(ledger: Ledger, student: str) -> bool:
    """Whether others of a group are graded by what the student handed in."""
    rows = ledger.database.execute("SELECT known_as FROM submissions WHERE student != ?", [student])
    return any(student in json.loads(row["known_as"]).get(HANDED_IN_BY, []) for row in rows)


def cut_in_others(ledger: Ledger, student: str, traces: Traces) -> None:
    """Take the student out of what is noted of others, and of what is decided for the class."""
    for table, columns in {"submissions": ("flags",), "findings": ("findings",), "decisions": ("value",)}.items():
        for row in ledger.database.execute(f"SELECT rowid AS at, * FROM {table}").fetchall():
            cut = {name: traces.cut_json(row[name]) for name in columns if traces.pattern.search(row[name])}
            if table == "decisions" and traces.pattern.search(row["why"]):
                cut["why"] = traces.cut(row["why"])
            if table == "submissions" and student in (known := json.loads(row["known_as"])).get(HANDED_IN_BY, []):
                cut["known_as"] = json.dumps(known | {HANDED_IN_BY: [traces.number]}, ensure_ascii=False)
            if table == "submissions" and (source := traces.cut_path(row["source"])) != row["source"]:
                cut["source"] = source
            if cut:
                change(ledger, table, row["at"], **cut)
    for row in ledger.database.execute("SELECT id, measurement FROM measurements").fetchall():
        if traces.pattern.search(row["measurement"]):
            measured = traces.cut_texts(Measurement.model_validate_json(row["measurement"]))
            change(ledger, "measurements", row["id"], measurement=measured.model_dump_json())


def change(ledger: Ledger, table: str, row: int, **values: Any) -> None:
    columns = ", ".join(f"{name} = ?" for name in values)
    ledger.database.execute(f"UPDATE {table} SET {columns} WHERE rowid = ?", [*values.values(), row])


def withdrawn(ledger: Ledger) -> dict[str, str]:
    """The numbers of those who have withdrawn, and the marks of those whose hand-ins are passed over: empty for a
    withdrawal that somebody took back."""
    made = [each for each in ledger.decisions.history() if each.kind == WITHDRAW]
    return {each.student: each.value["mark"] if each.in_force else "" for each in made}


def called_by(ledger: Ledger) -> dict[str, str]:
    """By the mark of an id, or of what else a student was called, the number of whoever has withdrawn."""
    made = ledger.decisions.all_in_force(WITHDRAW)
    return {mark: each.student for each in made for mark in (each.value["mark"], *each.value.get("also", []))}
