"""Version 1 noted neither what told when something was handed in and whose it is, nor which runs there were."""

import sqlite3
from pathlib import Path

COLUMNS = {
    "time_by": "TEXT NOT NULL DEFAULT ''",
    "flags": "TEXT NOT NULL DEFAULT '[]'",
    "known_as": "TEXT NOT NULL DEFAULT '{}'",
}
RUNS = """CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, folder TEXT NOT NULL, hand_ins TEXT NOT NULL
)"""


def migrate(database: sqlite3.Connection, results: Path) -> None:
    """Take a database from version 1 to 2. One that has just come from version 0 has the columns already."""
    there = {row[1] for row in database.execute("PRAGMA table_info(submissions)")}
    for name, kind in COLUMNS.items():
        if name not in there:
            database.execute(f"ALTER TABLE submissions ADD COLUMN {name} {kind}")
    database.execute(RUNS)
