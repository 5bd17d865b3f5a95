"""The ledger's tables, their version, and how an older ledger becomes a newer one.

`PRAGMA user_version` holds the version. A new database gets the newest tables at once. An older one goes through all
later migrations in one transaction: if that is killed, the database stays as it was.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from grader.ledger.migration_from_0 import migrate as from_0
from grader.ledger.migration_from_1 import migrate as from_1
from grader.ledger.migration_from_2 import migrate as from_2
from project.support.errors import UserError

PUT_BACK = "put a copy in its place, or grade into another folder"
VERSION = 3
MIGRATIONS: list[Callable[[sqlite3.Connection, Path], None]] = [
    from_0,
    from_1,
    from_2,
]  # from version 0 to 1, and so on
TABLES = [  # of each version
    {"ablations", "attempts", "bonuses", "regrades", "submissions"},
    {"findings", "measurements", "points", "regrades", "submissions"},
    {"findings", "measurements", "points", "regrades", "runs", "submissions"},
    {"decisions", "findings", "measurements", "runs", "submissions"},
]


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Give a new database its tables, or bring an older one up to date.

    Raises:
        UserError: A newer version of this repository wrote it, or another program.
    """
    if stored_version(database, path) == VERSION:
        return
    with database:  # commits; rolls back after any error, one of the commit included
        database.execute("BEGIN IMMEDIATE")
        version = stored_version(database, path)  # another process may have been faster
        if version is None:
            create_tables(database)
        else:
            for migrate in MIGRATIONS[version:]:
                migrate(database, path.parent)
        database.execute(f"PRAGMA user_version = {VERSION}")


def stored_version(database: sqlite3.Connection, path: Path) -> int | None:
    """A ledger's version; None for a database without tables."""
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version > VERSION:
        raise UserError(f"{path}: written by a newer version of the grader; use that one")
    if version == 0 and not tables:
        return None
    if version < 0 or not TABLES[version] <= tables:
        raise UserError(f"{path}: is no ledger of this grader; {PUT_BACK}")
    return version


def has_all_columns(database: sqlite3.Connection) -> bool:
    """Whether no table lacks a column of the newest version."""
    query = "SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
    with closing(sqlite3.connect(":memory:")) as new:
        create_tables(new)
        return {*new.execute(query)} <= {(row[0], row[1]) for row in database.execute(query)}


def create_tables(database: sqlite3.Connection) -> None:
    for statement in Path(__file__).with_name("tables.sql").read_text(encoding="utf-8").split(";\n"):
        database.execute(statement)
