"""The ledger, in SQLite: every submission, measurement, note and decision. Rows are added, never changed."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from grader.ledger.decision_kinds import DISQUALIFY, REGRADE, WITHDRAW
from grader.ledger.decisions import CLASS, Decision, Decisions, roots
from grader.ledger.measurement import Measurement
from grader.ledger.row_forms import check_rows
from grader.ledger.schema import PUT_BACK, has_all_columns, prepare
from grader.ledger.submissions import (
    CHOSEN,
    NO_NAMES,
    PASSED_OVER,
    Attempt,
    Graded,
    Noted,
    measured,
    read_notes,
    terms_for,
)
from grader.ledger.terms import Terms, terms_of
from grader.safe_text import storable
from project.support.errors import UserError

ABOUT = ("student", "name", "digest", "tier", "source", "images", "time_by")  # of a submission, as it is noted
PATIENCE = 20  # seconds to wait for others, who write a row at a time

CARRIER = "coalesce(json_extract(submissions.known_as, '$.handed_in_by[0]'), submissions.student)"

# Submissions with the measurements of one round of each. Of a group's submission they are whose who handed it in.
GRADED = """
SELECT s.student, s.name, s.digest, s.tier, s.source, s.submitted, s.marked_late, s.images, s.time_by, s.flags,
    s.known_as, s.carrier, s.id AS submission, f.findings, coalesce({round}, 0) AS round,
    m.id, m.training, m.counts, m.measurement, m.circumstances
FROM (SELECT *, {carrier} AS carrier FROM submissions) s
LEFT JOIN json_each(?) r ON r.key = s.carrier
LEFT JOIN json_each(?) c ON c.key = s.student
LEFT JOIN findings f ON f.student = s.student AND f.digest = s.digest AND f.checks = ?
LEFT JOIN measurements m ON m.student = s.carrier AND m.digest = s.digest AND m.images = s.images
    AND m.round = {round} AND m.variant = ''
WHERE s.id {which}
"""
# Of every student the newest, or the one that is chosen, in the newest round.
NOW = GRADED.format(
    carrier=CARRIER,
    round="coalesce(json_extract(r.value, '$[#-1]'), 0)",
    which="= coalesce(c.value, (SELECT max(id) FROM submissions WHERE student = s.student))",
)
# All that were ever handed in, each in the last round in which it was measured and that nobody took back.
EVER = GRADED.format(
    carrier=CARRIER,
    round="(SELECT max(round) FROM measurements WHERE student = s.carrier AND digest = s.digest"
    " AND round IN (SELECT value FROM json_each(coalesce(r.value, '[0]'))))",
    which="IN (SELECT max(id) FROM submissions GROUP BY student, digest)",
)

# All that students handed in on the images of the newest, each once, as it was noted last.
ATTEMPTS = f"""
SELECT s.*, max(s.id) AS newest, NULL AS findings, EXISTS (SELECT 1 FROM measurements m WHERE m.student = {CARRIER}
    AND m.digest = s.digest AND m.images = s.images AND m.counts AND m.variant = '') AS measured
FROM submissions JOIN submissions s ON s.id = submissions.id
WHERE s.digest != ''
    AND s.images = (SELECT images FROM submissions WHERE student = s.student ORDER BY id DESC LIMIT 1)
"""
NEWEST = "SELECT student, source, digest, flags FROM submissions WHERE id IN (SELECT max(id) FROM submissions GROUP BY student)"


@dataclass(frozen=True)
class Decided:
    """What all decisions come to, read once for as long as nobody decides anything.

    Attributes:
        rounds: By student, the rounds of measurements that nobody took back, the last one last; nobody of the first alone.
        terms: By student, what was decided in place of what the rules say to all.
    """

    rounds: Mapping[str, list[int]]
    terms: Mapping[str, Terms]


class Ledger:
    """An open ledger. Each method is one transaction: after a kill it has happened or it has not.

    Raises:
        UserError: A newer version of this repository wrote it, or another program; or it is damaged, be it in a row.
    """

    def __init__(self, path: Path):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        self.decisions = Decisions(self.database)
        try:
            self.database.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE}")
            self.database.execute("PRAGMA synchronous = FULL")
            prepare(self.database, path)
            if whole := self.is_whole():
                check_rows(self.database)
                self.decisions.history()
        except UnicodeDecodeError:  # of what SQLite says of it
            whole = False
        except BaseException:
            self.close()
            raise
        if not whole:
            self.close()
            raise UserError(f"{path}: is damaged; {PUT_BACK}")

    def is_whole(self) -> bool:
        """Whether its pages and tables are in order, as far as SQLite can tell."""
        sound = self.database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
        return sound and has_all_columns(self.database)

    def close(self) -> None:
        self.database.close()

    def note(self, when: str, noted: Noted) -> None:
        """Note what a student handed in, unless the last note says the same: a student's last note is what counts."""
        row = asdict(noted) | {"submitted": noted.submitted and noted.submitted.isoformat()}
        for name in ("flags", "known_as"):
            row[name] = storable(json.dumps(row[name], ensure_ascii=False))
        query = "SELECT * FROM submissions WHERE student = ? ORDER BY id DESC LIMIT 1"
        last = self.database.execute(query, [noted.student]).fetchone()
        if last is None or any(last[column] != value for column, value in row.items()):
            columns = ", ".join(row)
            insert = f"INSERT INTO submissions (taken_in, {columns}) VALUES (?{', ?' * len(row)})"
            self.database.execute(insert, [when, *row.values()])

    def note_passed_over(self, when: str, noted: Noted) -> None:
        """Note an attempt that another one comes before, once: by a decision it may count later. Note the other one next."""
        query = (
            "SELECT 1 FROM submissions s WHERE student = ? AND digest = ? AND images = ?"
            " AND submitted IS ? AND marked_late = ? AND json_extract(known_as, '$.passed_over') IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM submissions n WHERE n.student = s.student AND n.digest = s.digest"
            " AND n.id > s.id AND json_extract(n.known_as, '$.passed_over') IS NULL)"  # it counted since
        )
        submitted = noted.submitted and noted.submitted.isoformat()
        of_it = [noted.student, noted.digest, noted.images, submitted, noted.marked_late]
        if not self.database.execute(query, of_it).fetchone():
            self.note(when, replace(noted, known_as=noted.known_as | {PASSED_OVER: ["late"]}))

    def attempts(self, student: str | None = None) -> Iterator[Attempt]:
        """All that students (or one) handed in on the images of the newest, each once, in order of ids, the newest last."""
        query = (
            ATTEMPTS
            + ("AND s.student = ? " if student else "")
            + "GROUP BY s.student, s.digest ORDER BY s.student, newest"
        )
        for row in self.database.execute(query, [student] if student else []):
            notes = {name: value for name, value in read_notes(row).items() if name != "findings"}
            about = {name: row[name] for name in ABOUT}
            passed_over = PASSED_OVER in json.loads(row["known_as"])
            yield Attempt(**about, **notes, row=row["id"], measured=bool(row["measured"]), passed_over=passed_over)

    def terms(self) -> dict[str, Terms]:
        """By student, what was decided in place of what the rules say to all."""
        return terms_of(self.decisions.history())

    def decided(self) -> Decided:
        """What all decisions come to by now."""
        made = self.decisions.history()
        return Decided(rounds_in(made), terms_of(made))

    def carriers(self, student: str) -> set[str]:
        """Who ever handed in what a student was graded by: the student, and others of the group."""
        return {
            row[0] for row in self.database.execute(f"SELECT {CARRIER} FROM submissions WHERE student = ?", [student])
        }

    def decided_for(self, student: str, carrier: str) -> list[Decision]:
        """Decisions about a student, and those about whoever handed in for the student that hold for both."""
        made = self.decisions.history()
        root = roots(made)
        return [
            each
            for each in made
            if each.student in (student, CLASS)
            or (each.student == carrier and root[each.id].kind not in (DISQUALIFY, WITHDRAW))
        ]

    def note_findings(self, student: str, digest: str, checks: str, findings: list[dict[str, str]]) -> None:
        """Note what checks said of a submission; once is enough, for they would say the same again."""
        self.database.execute(
            "INSERT OR IGNORE INTO findings (student, digest, checks, findings) VALUES (?, ?, ?, ?)",
            [student, digest, checks, storable(json.dumps(findings, ensure_ascii=False))],
        )

    def note_run(self, when: str, folder: str, hand_ins: Mapping[str, str]) -> None:
        """Note a run over a folder, unless the last one was the same: where the hand-in that counts for each student lies."""
        row = [folder, storable(json.dumps(dict(sorted(hand_ins.items())), ensure_ascii=False))]
        last = self.database.execute("SELECT folder, hand_ins FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        if last is None or [*last] != row:
            self.database.execute("INSERT INTO runs (at, folder, hand_ins) VALUES (?, ?, ?)", [when, *row])

    def runs(self) -> list[tuple[str, dict[str, str]]]:
        """Of each run, the first one first, the folder, and where each student's hand-in lay."""
        rows = self.database.execute("SELECT folder, hand_ins FROM runs ORDER BY id")
        return [(row["folder"], dict(json.loads(row["hand_ins"]))) for row in rows]

    def record(
        self,
        started: str,
        graded: Graded,
        training: int,
        seed: int,
        measurement: Measurement,
        circumstances: dict[str, Any],
        variant: str = "",
    ) -> None:
        """Add a measurement of a submission to the round in which `graded` found it, whatever was decided meanwhile.

        Raises:
            sqlite3.IntegrityError: There is one of this training already, which this one does not replace.
        """
        self.database.execute(
            "INSERT INTO measurements (started, ended, student, digest, images, variant, training, seed, round, replaces,"
            " counts, measurement, circumstances) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(started, now(), graded.carrier, graded.digest, graded.images, variant, training, seed),
                *(graded.round, 0 if variant else graded.rows.get(training, 0)),
                *(measurement.outcome != "infrastructure", measurement.model_dump_json(), json.dumps(circumstances)),
            ],
        )

    def regrade(self, when: str, by: str, student: str, why: str = "") -> None:
        """Begin a new round for a student: everything is pending again. Taken back, the round before counts again."""
        with self.all_or_nothing():
            begun = [each for each in self.decisions.history(student) if each.kind == REGRADE]
            self.decisions.take(when, by, REGRADE, student, {"round": len(begun) + 1}, why)

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """What is written while this lasts is there until its end, and then never was."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            self.database.execute("ROLLBACK")

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is written while this lasts is written at its end, or not at all."""
        with self.database:  # commits; rolls back after any error, one of the commit included
            self.database.execute("BEGIN IMMEDIATE")
            yield

    @contextmanager
    def copied(self) -> Iterator["Ledger"]:
        """A copy in memory, in which nothing changes while others go on writing; what is written to it is lost."""
        with closing(Ledger(Path(":memory:"))) as copy:
            self.database.backup(copy.database)
            yield copy

    @contextmanager
    def as_of(self, moment: str) -> Iterator["Ledger"]:
        """The ledger as it was at a moment, which is written as `now` writes it: a copy in memory."""
        with self.copied() as past:
            for table, at in {
                "submissions": "taken_in",
                "measurements": "ended",
                "decisions": "at",
                "runs": "at",
            }.items():
                past.database.execute(f"DELETE FROM {table} WHERE {at} >= ?", [moment])
            yield past

    def variants(self, graded: Graded) -> dict[str, dict[int, Measurement]]:
        """Measurements of a submission's variants, by the variant's name and the number of the training."""
        found: dict[str, dict[int, Measurement]] = {}
        query = (
            "SELECT id, variant, training, measurement FROM measurements WHERE variant != '' AND counts"
            " AND student = ? AND digest = ? AND images = ? ORDER BY id"
        )
        for row in self.database.execute(query, [graded.carrier, graded.digest, graded.images]):
            found.setdefault(row["variant"], {})[row["training"]] = measured(row)
        return found

    def students(self) -> set[str]:
        """The ids of all who have handed anything in."""
        return {row[0] for row in self.database.execute("SELECT DISTINCT student FROM submissions WHERE digest != ''")}

    def measured_under(self, digest: str) -> set[str]:
        """The ids under which something was measured of a hand-in."""
        return {row[0] for row in self.database.execute("SELECT student FROM measurements WHERE digest = ?", [digest])}

    def ids(self) -> set[str]:
        """The ids of all who are in it, also of those who handed in nothing."""
        return {row[0] for row in self.database.execute("SELECT DISTINCT student FROM submissions")}

    def held(self) -> dict[str, str]:
        """Who handed in something, with the name of what was handed in last."""
        return {row["student"]: row["source"] for row in self.database.execute(NEWEST) if row["digest"]}

    def flags(self) -> dict[str, list[str]]:
        """By student, what a person should look at of what was handed in last."""
        return {row["student"]: json.loads(row["flags"]) for row in self.database.execute(NEWEST)}

    def called(self) -> dict[str, set[tuple[str, str]]]:
        """By student, what others ever called the student, each with its kind; nobody of whom only claim or place told.
        What the student chose is not among it."""
        found: dict[str, set[tuple[str, str]]] = {}
        left_out = (*NO_NAMES, CHOSEN)
        for student, known_as in self.database.execute("SELECT DISTINCT student, known_as FROM submissions"):
            known = json.loads(known_as)
            if {*known} - {PASSED_OVER}:
                names = ((kind, text) for kind, texts in known.items() if kind not in left_out for text in texts)
                found.setdefault(student, set()).update(names)
        return found

    def in_order_of_arrival(self) -> list[str]:
        """The ids of all who have handed anything in, who came first first."""
        query = "SELECT student FROM submissions GROUP BY student ORDER BY min(id)"
        return [row[0] for row in self.database.execute(query)]

    def round(self, student: str) -> int:
        """In which round of measurements a student is: 0 until somebody decides to grade anew."""
        return rounds_in(self.decisions.history(student)).get(student, [0])[-1]

    def verified_epochs(self) -> list[tuple[str, float, float]]:
        """Images, operations an image and seconds an epoch of the last training of each verified submission that counts."""
        rows = self.database.execute(
            "SELECT max(m.id), m.images, json_extract(m.measurement, '$.seconds') AS seconds,"
            " json_extract(m.measurement, '$.epochs') AS epochs,"
            " json_extract(m.measurement, '$.operations') AS operations FROM measurements m JOIN submissions s"
            " ON s.student = m.student AND s.digest = m.digest WHERE m.counts AND m.variant = '' AND s.tier = 'verified'"
            " AND seconds > 0 AND epochs > 0 AND operations IS NOT NULL GROUP BY m.student, m.images"
        )
        return [(row["images"], row["operations"], row["seconds"] / row["epochs"]) for row in rows]

    def first_taken_in(self, student: str, trained: bool = False) -> dict[str, str]:
        """By the digest of all that a student handed in, when a run first took it in; in the order of the last notes.

        With `trained` only of what a training counts of.
        """
        counting = "AND digest IN (SELECT digest FROM measurements WHERE counts AND variant = '')" if trained else ""
        query = f"SELECT digest, min(taken_in) FROM submissions WHERE student = ? {counting} GROUP BY digest ORDER BY max(id)"
        return {row[0]: row[1] for row in self.database.execute(query, [student])}

    def graded(
        self,
        checks: str,
        student: str | None = None,
        chosen: Mapping[str, int] | None = None,
        every_attempt: bool = False,
        decided: Decided | None = None,
    ) -> Iterator[Graded]:
        """What every student (or a single one) has now, and what these checks said; in order of the ids, one in memory.

        Args:
            chosen: By student, the row of the submission that counts, where that is not the newest.
            every_attempt: Also what a student handed in before, each as it was last measured, the newest last.
            decided: What was decided, where that is known already.
        """
        query = (EVER if every_attempt else NOW) + (" AND s.student = ? " if student else "")
        query += " ORDER BY s.student, s.id, m.id"
        decided = decided or self.decided()
        rounds, others = json.dumps({**decided.rounds}), json.dumps({**(chosen or {})})
        found = self.database.execute(query, [rounds, others, checks, *([student] if student else [])])
        for _, group in groupby(found, itemgetter("submission")):
            rows: list[sqlite3.Row] = list(group)
            about = {name: rows[0][name] for name in ABOUT}
            told = [(row, measured(row)) for row in rows if row["measurement"]]
            counting = {row["training"]: (row["id"], measurement) for row, measurement in told if row["counts"]}
            ours = [(row, measurement) for row, measurement in told if not row["counts"]]
            yield Graded(
                **about,
                **read_notes(rows[0]),
                terms=terms_for(rows[0]["student"], json.loads(rows[0]["known_as"]), decided.terms),
                measurements={training: measurement for training, (_, measurement) in sorted(counting.items())},
                rows={training: row for training, (row, _) in counting.items()},
                round=rows[0]["round"],
                infrastructure=ours[-1][1] if ours else None,
                faults_alone=self.faults_alone([row for row, _ in ours]),
            )

    def faults_alone(self, faults: list[sqlite3.Row]) -> int:
        """How many of a student's faults there were since the last one that others met, too, where another student's training
        counted between them, in the same circumstances; else 0."""
        if len(faults) < 2:
            return 0
        query = "SELECT id, counts FROM measurements WHERE student != ? AND circumstances = ?"
        of_others = self.database.execute(query, [faults[-1]["carrier"], faults[-1]["circumstances"]])
        events = [(row["id"], "well" if row["counts"] else "theirs") for row in of_others]
        events += [(row["id"], "own") for row in faults]
        stretches: list[list[str]] = [[]]  # the faults between trainings of others that went well
        for _, what in sorted(events):
            if what == "well":
                stretches.append([])
            else:
                stretches[-1].append(what)
        own: list[int] = []  # of each stretch with a fault that nobody else met, how many
        for stretch in stretches:
            if "own" in stretch:
                own = [] if "theirs" in stretch else [*own, len(stretch)]
        return sum(own) if len(own) > 1 else 0

    def devices(self) -> str:
        """All devices that trained on the last measurement's images; before any has, the one that was asked for."""
        rows = self.database.execute(
            "SELECT DISTINCT json_extract(circumstances, '$.device') FROM measurements WHERE counts AND variant = ''"
            " AND images = (SELECT images FROM measurements ORDER BY id DESC LIMIT 1)"
        )
        return "; ".join(sorted(row[0] for row in rows if row[0])) or self.circumstances().get("device", "nothing yet")

    def last_images(self) -> str | None:
        """The key of the images that the last submission is graded on; None before the first."""
        row = self.database.execute("SELECT images FROM submissions ORDER BY id DESC LIMIT 1").fetchone()
        return row and str(row[0])

    def last_seed(self) -> int | None:
        """That of the last training; None before the first."""
        row = self.database.execute("SELECT seed FROM measurements ORDER BY id DESC LIMIT 1").fetchone()
        return row and int(row[0])

    def graded_at(self) -> str:
        """When the last training ended; before any has, when the last submission was taken in; now, without any."""
        asked = "SELECT (SELECT max(ended) FROM measurements), (SELECT max(taken_in) FROM submissions)"
        ended, taken_in = self.database.execute(asked).fetchone()
        return ended or taken_in or now()

    def circumstances(self) -> dict[str, Any]:
        """Those of the last measurement: device, versions, limits; empty before the first."""
        row = self.database.execute("SELECT circumstances FROM measurements ORDER BY id DESC LIMIT 1").fetchone()
        return dict(json.loads(row["circumstances"])) if row else {}


def rounds_in(made: Iterable[Decision]) -> dict[str, list[int]]:
    """By student, the first round and those of these decisions in force to grade anew."""
    found: dict[str, list[int]] = {}
    for each in made:
        if each.kind == REGRADE and each.in_force:
            found.setdefault(each.student, [0]).append(each.value["round"])
    return found


def now() -> str:
    """The time as the ledger writes it down: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
