"""What persons decided, in the ledger: each a row with who, when and why, never changed, taken back by another row."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from grader.ledger.decision_kinds import UNDO, refuse, value_in
from grader.safe_text import storable
from project.support.errors import UserError

CLASS = ""  # in place of a student, where something is decided for all


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        at: When, as the ledger writes it down.
        by: Who; empty where an earlier ledger did not say.
        kind: What about: `points`, `regrade` and others; `undo` takes another decision back.
        student: Whom it is about; CLASS for all.
        value: What was decided, as its kind asks for.
        why: The reason that was given; may be empty.
        undoes: Of an `undo`, the id of the decision that it takes back; otherwise 0.
        in_force: Whether nobody took it back.
    """

    id: int
    at: str
    by: str
    kind: str
    student: str
    value: dict[str, Any]
    why: str
    undoes: int
    in_force: bool

    @property
    def moment(self) -> str:
        """When it was taken, to the minute."""
        return self.at[:16].replace("T", " ") + " UTC"


def roots(made: Iterable[Decision]) -> dict[int, Decision]:
    """By the id of each of these, the first one first, what it is about: of an `undo`, what the last of its chain takes back."""
    found: dict[int, Decision] = {}
    for each in made:
        found[each.id] = found.get(each.undoes, each)
    return found


class Decisions:
    """The decisions in an open ledger. Of one student and kind the last one in force counts."""

    def __init__(self, database: sqlite3.Connection):
        self.database = database

    def take(self, when: str, by: str, kind: str, student: str, value: dict[str, Any], why: str = "") -> int:
        """Add a decision. Returns its id."""
        return self.add(when, by, kind, student, value, why)

    def undo(self, when: str, by: str, number: int, why: str = "") -> Decision:
        """Take a decision back; an `undo` taken back puts its decision into force again. Returns what was taken back.

        Raises:
            UserError: There is no decision with this id, or it was taken back already.
        """
        taken = next((each for each in self.history() if each.id == number), None)
        if taken is None:
            raise UserError(f"{number}: there is no such decision; `python -m grader history` lists them")
        if not taken.in_force:
            raise UserError(f"{number}: was taken back already; decide anew, or take that back")
        self.add(when, by, UNDO, taken.student, {}, why, number)
        return taken

    def history(self, student: str | None = None) -> list[Decision]:
        """All decisions, the first one first; or those about a student, with those about the whole class.

        Raises:
            UserError: One of them, which it names, is damaged.
        """
        which, of = ("", []) if student is None else (" WHERE student IN (?, ?)", [student, CLASS])
        rows = self.database.execute(f"SELECT * FROM decisions{which} ORDER BY id DESC", of).fetchall()
        about = {row["id"]: row["student"] for row in rows}
        undone: set[int] = set()
        found = []
        for row in rows:  # the last one first: what takes a decision back comes after it, and may have been taken back
            if row["undoes"] and about.get(row["undoes"], row["student"]) != row["student"]:
                refuse(row["id"], f"decision {row['undoes']}, which it takes back, is about somebody else")
            in_force = row["id"] not in undone
            if in_force and row["undoes"]:
                undone.add(row["undoes"])
            found.append(Decision(**{**row, "value": value_in(dict(row))}, in_force=in_force))
        return found[::-1]

    def values(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Whom every decision of a kind is about, the first one first, and what was decided; also of those taken back."""
        rows = self.database.execute("SELECT * FROM decisions WHERE kind = ? ORDER BY id", [kind])
        return ((row["student"], value_in(dict(row))) for row in rows)

    def in_force(self, kind: str) -> dict[str, Decision]:
        """By student (CLASS for all), the last decision of a kind in force."""
        return {each.student: each for each in self.history() if each.kind == kind and each.in_force}

    def all_in_force(self, kind: str) -> Iterator[Decision]:
        """Every decision of a kind in force, the first one first."""
        return (each for each in self.history() if each.kind == kind and each.in_force)

    def add(self, when: str, by: str, kind: str, student: str, value: dict[str, Any], why: str, undoes: int = 0) -> int:
        text = storable(json.dumps(value, ensure_ascii=False, sort_keys=True))
        row = [when, storable(by), kind, student, text, storable(why), undoes]
        question = "INSERT INTO decisions (at, by, kind, student, value, why, undoes) VALUES (?, ?, ?, ?, ?, ?, ?)"
        return int(self.database.execute(question, row).lastrowid or 0)
