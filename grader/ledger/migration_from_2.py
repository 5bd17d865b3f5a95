"""Version 2 kept points and regrades in tables of their own, without saying why."""

import json
import sqlite3
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any

DECISIONS = """CREATE TABLE IF NOT EXISTS decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, by TEXT NOT NULL, kind TEXT NOT NULL,
    student TEXT NOT NULL, value TEXT NOT NULL, why TEXT NOT NULL, undoes INTEGER NOT NULL
)"""


def migrate(database: sqlite3.Connection, results: Path) -> None:
    """Take a database from version 2 to 3. One that has just come from version 0 has its decisions already."""
    database.execute(DECISIONS)
    there = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "regrades" in there:
        old = {
            table: database.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in ("regrades", "points")
        }
        carry_over(database, old["regrades"], old["points"])
        database.execute("DROP TABLE regrades")
        database.execute("DROP TABLE points")


def carry_over(database: sqlite3.Connection, regrades: Iterable[Any], points: Iterable[Any]) -> None:
    """Write rows of the earlier tables as decisions, in the order of their times."""
    rounds: dict[str, int] = {}
    rows: list[tuple[str, ...]] = []
    for row in regrades:
        rounds[row["student"]] = rounds.get(row["student"], 0) + 1
        rows.append((row["at"], "", "regrade", row["student"], json.dumps({"round": rounds[row["student"]]})))
    for row in points:
        value = {name: row[name] for name in ("report", "conclusion", "comment")}
        rows.append((row["at"], row["by"], "points", row["student"], json.dumps(value, ensure_ascii=False)))
    database.executemany(
        "INSERT INTO decisions (at, by, kind, student, value, why, undoes) VALUES (?, ?, ?, ?, ?, '', 0)",
        sorted(rows, key=itemgetter(0)),
    )
