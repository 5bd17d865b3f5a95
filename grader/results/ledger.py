"""The ledger: every attempt, once and for good, in SQLite. Rows are added, never changed."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from grader.rerun.result import Result

# A `final` attempt decides about its submission and seed, and there is one at most. Seed -1 stands for "none":
# what is rejected before training. Infrastructure attempts are ours, and never final. Each regrade of a student begins
# a new round; what earlier ones found stays where it is.
SCHEMA = """
CREATE TABLE IF NOT EXISTS submissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    taken_in TEXT NOT NULL, student TEXT NOT NULL, name TEXT NOT NULL,
    digest TEXT NOT NULL, tier TEXT NOT NULL, source TEXT NOT NULL, rules TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started TEXT NOT NULL, ended TEXT NOT NULL,
    student TEXT NOT NULL, digest TEXT NOT NULL, rules TEXT NOT NULL, seed INTEGER NOT NULL,
    round INTEGER NOT NULL, final INTEGER NOT NULL,
    verdict TEXT NOT NULL, result TEXT NOT NULL, circumstances TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS regrades (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, student TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS bonuses (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, by TEXT NOT NULL, student TEXT NOT NULL,
    report REAL NOT NULL, conclusion REAL NOT NULL, comment TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ablations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, student TEXT NOT NULL, digest TEXT NOT NULL,
    rules TEXT NOT NULL, variant TEXT NOT NULL, seed INTEGER NOT NULL, result TEXT NOT NULL, circumstances TEXT NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS one_result_of_a_variant ON ablations (digest, rules, variant, seed);
CREATE INDEX IF NOT EXISTS attempts_by_student ON attempts (student, digest);
CREATE INDEX IF NOT EXISTS submissions_by_student ON submissions (student);
CREATE INDEX IF NOT EXISTS regrades_by_student ON regrades (student);
CREATE UNIQUE INDEX IF NOT EXISTS one_final_result ON attempts (student, digest, rules, seed, round) WHERE final;
"""
NO_SEED = -1
# Every student's newest submission with all attempts at it in the newest round, oldest first, students in order of their ids.
GRADED = """
SELECT s.student, s.name, s.digest, s.tier, s.rules, a.final, a.result
FROM submissions s
LEFT JOIN (SELECT student, count(*) AS round FROM regrades GROUP BY student) r ON r.student = s.student
LEFT JOIN attempts a
    ON a.student = s.student AND a.digest = s.digest AND a.rules = s.rules AND a.round = coalesce(r.round, 0)
WHERE s.id = (SELECT max(id) FROM submissions WHERE student = s.student)
ORDER BY s.student, a.id
"""


@dataclass(frozen=True)
class Graded:
    """A student's newest submission, and what came of it since the student was last graded anew.

    Attributes:
        digest, tier, rules: Of the submission, and of the rules that it is graded by.
        results: The final ones, in the order of the trainings.
        infrastructure: The last attempt that failed through our own fault, if there is one.
    """

    student: str
    name: str
    digest: str
    tier: str
    rules: str
    results: list[Result]
    infrastructure: Result | None


class Ledger:
    """An open ledger. Each method is one transaction: after a kill it has happened or it has not."""

    def __init__(self, path: Path):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.executescript(SCHEMA)

    def close(self) -> None:
        self.database.close()

    def take_in(self, when: str, student: str, name: str, digest: str, tier: str, source: str, rules: str) -> None:
        """Note what a student handed in, where it is not what was noted last: a student's last note is what counts."""
        latest = self.database.execute(
            "SELECT name, digest, tier, source, rules FROM submissions WHERE student = ? ORDER BY id DESC LIMIT 1",
            [student],
        ).fetchone()
        if latest is None or tuple(latest) != (name, digest, tier, source, rules):
            self.database.execute(
                "INSERT INTO submissions (taken_in, student, name, digest, tier, source, rules) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [when, student, name, digest, tier, source, rules],
            )

    def record(
        self,
        started: str,
        ended: str,
        student: str,
        digest: str,
        rules: str,
        seed: int | None,
        result: Result,
        circumstances: dict[str, Any],
    ) -> None:
        """Add an attempt. Raises sqlite3.IntegrityError where there is a final one of this submission and seed."""
        self.database.execute(
            "INSERT INTO attempts (started, ended, student, digest, rules, seed, round, final, verdict, result, circumstances)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(started, ended, student, digest, rules, NO_SEED if seed is None else seed, self.round(student)),
                *(result.verdict != "infrastructure", result.verdict),
                *(json.dumps(asdict(result)), json.dumps(circumstances)),
            ],
        )

    def regrade(self, when: str, student: str) -> None:
        """Begin a new round for a student: everything is pending again. Raises KeyError for an unknown one."""
        self.must_know(student)
        self.database.execute("INSERT INTO regrades (at, student) VALUES (?, ?)", [when, student])

    def give_bonus(self, when: str, by: str, student: str, report: float, conclusion: float, comment: str) -> None:
        """Note points for a student's texts; the last note counts, whatever is graded anew. Raises KeyError."""
        self.must_know(student)
        self.database.execute(
            "INSERT INTO bonuses (at, by, student, report, conclusion, comment) VALUES (?, ?, ?, ?, ?, ?)",
            [when, by, student, report, conclusion, comment],
        )

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is written while this lasts is written at its end, or not at all."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.database.in_transaction:  # a full disk has ended it
                self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def bonuses(self) -> dict[str, sqlite3.Row]:
        """The last bonus of each student: at, by, report, conclusion, comment."""
        rows = self.database.execute("SELECT * FROM bonuses WHERE id IN (SELECT max(id) FROM bonuses GROUP BY student)")
        return {row["student"]: row for row in rows}

    def record_variant(
        self,
        when: str,
        student: str,
        digest: str,
        rules: str,
        variant: str,
        seed: int,
        result: Result,
        circumstances: dict[str, Any],
    ) -> None:
        """Add the result of a variant of a submission: what an ablation is made of."""
        self.database.execute(
            "INSERT INTO ablations (at, student, digest, rules, variant, seed, result, circumstances)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [when, student, digest, rules, variant, seed, json.dumps(asdict(result)), json.dumps(circumstances)],
        )

    def variants(self, digest: str, rules: str) -> dict[str, dict[int, Result]]:
        """Results of a submission's variants by name and seed."""
        found: dict[str, dict[int, Result]] = {}
        query = "SELECT variant, seed, result FROM ablations WHERE digest = ? AND rules = ? ORDER BY id"
        for row in self.database.execute(query, [digest, rules]):
            found.setdefault(row["variant"], {})[row["seed"]] = Result(**json.loads(row["result"]))
        return found

    def must_know(self, student: str) -> None:
        """Raises KeyError for a student who has handed nothing in."""
        if not self.database.execute("SELECT 1 FROM submissions WHERE student = ?", [student]).fetchone():
            raise KeyError(student)

    def round(self, student: str) -> int:
        """How often a student has been graded anew."""
        return self.database.execute("SELECT count(*) FROM regrades WHERE student = ?", [student]).fetchone()[0]

    def results(self, student: str, digest: str, rules: str) -> dict[int | None, Result]:
        """The final results of a submission by seed; None is the seed of what was rejected before training."""
        rows = self.database.execute(
            "SELECT seed, result FROM attempts WHERE final AND student = ? AND digest = ? AND rules = ? AND round = ?"
            " ORDER BY id",
            [student, digest, rules, self.round(student)],
        )
        return {None if row["seed"] == NO_SEED else row["seed"]: Result(**json.loads(row["result"])) for row in rows}

    def epoch_seconds(self, rules: str) -> list[float]:
        """Seconds of an epoch in each verified training under these rules."""
        rows = self.database.execute(
            "SELECT DISTINCT attempts.id, attempts.result FROM attempts JOIN submissions"
            " ON submissions.student = attempts.student AND submissions.digest = attempts.digest"
            " WHERE attempts.final AND attempts.rules = ? AND submissions.tier = 'verified'",
            [rules],
        )
        results = [Result(**json.loads(row["result"])) for row in rows]
        return [result.seconds / result.epochs for result in results if result.seconds and result.epochs]

    def graded(self) -> Iterator[Graded]:
        """What every student has now, in order of the ids: one question for all, and one student at a time in memory."""
        for about, rows in groupby(self.database.execute(GRADED), lambda row: row[:5]):
            found: dict[int, list[Result]] = {True: [], False: []}
            for row in rows:
                if row["result"] is not None:
                    found[row["final"]].append(Result(**json.loads(row["result"])))
            found[True].sort(
                key=lambda result: result.details.get("training", 0)
            )  # which may have ended in another order
            yield Graded(*about, found[True], found[False][-1] if found[False] else None)

    def newest(self) -> list[sqlite3.Row]:
        """The newest submission of every student (student, name, digest, tier, rules), in order of the ids."""
        return self.database.execute(
            "SELECT student, name, digest, tier, rules FROM submissions"
            " WHERE id IN (SELECT max(id) FROM submissions GROUP BY student) ORDER BY student"
        ).fetchall()

    def devices(self) -> str:
        """All that trained by the last rules; of a cluster's nodes they may differ. What was asked for, before any has."""
        rows = self.database.execute(
            "SELECT DISTINCT json_extract(circumstances, '$.device') FROM attempts WHERE final AND seed != ?"
            " AND rules = (SELECT rules FROM attempts ORDER BY id DESC LIMIT 1)",
            [NO_SEED],
        )
        return "; ".join(sorted(row[0] for row in rows)) or self.circumstances().get("device", "nothing yet")

    def circumstances(self) -> dict[str, Any]:
        """Those of the last attempt: device, versions, limits; empty before the first."""
        row = self.database.execute("SELECT circumstances FROM attempts ORDER BY id DESC LIMIT 1").fetchone()
        return json.loads(row["circumstances"]) if row else {}


def now() -> str:
    """The time as the ledger writes it down: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
