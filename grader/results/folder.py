"""The results folder: held against a second grader, what can go wrong in it, and the secret seed in it."""

import errno
import fcntl
import json
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.errors import UserError

RULES_FILE = "assignment.json"  # the rules of the last run
UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def locked(results: Path, wait: bool = False) -> Iterator[None]:
    """Hold a results folder against a second grader; a killed one lets go.

    Args:
        results: Made where it is missing.
        wait: Wait until another grader is done.

    Raises:
        UserError: It is held, or cannot be written, or its ledger is in use or damaged.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = open(results / ".lock", "w")
    except OSError as error:
        raise UserError(f"--out {results}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if not wait:
                raise UserError(
                    f"--out {results}: another grader is at work there; add --wait, or take another folder"
                ) from None
            print(f"Waiting for the grader that is at work in {results}/ ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        with mendable(results):
            yield


@contextmanager
def mendable(results: Path) -> Iterator[None]:
    """Raise UserError in place of what a user can mend. What else goes wrong is a fault of ours, and stays as it is."""
    go_on = "what is recorded is safe; mend that, and the same command goes on"
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise UserError(f"{results}: cannot be written ({error}); {go_on}") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # what stands above that tells more than is asked here
        ledger = results / "ledger.sqlite"
        if code in UNWRITABLE:
            raise UserError(f"{results}: cannot be written ({error}); {go_on}") from None
        if code in IN_USE:
            raise UserError(f"{ledger}: another program has it open ({error}); close that, and try again") from None
        if code in DAMAGED:
            raise UserError(f"{ledger}: is damaged; put a copy in its place, or grade into another folder") from None
        raise


def stored_secret(results: Path, given: int | None) -> int:
    """The results folder's secret seed: drawn once, readable by its owner alone."""
    path = results / "secret.json"
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))["seed"]
        if given not in (None, stored):
            raise UserError(
                f"--secret-seed: {results} was begun with another one; leave it out, or take another folder"
            )
        return stored
    secret = secrets.randbits(62) if given is None else given
    temporary = path.with_name(".secret.json")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"seed": secret}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return secret
