"""The results folder: one grader at a time, readers at any time, what can go wrong in it, and the secret in it.

The ledger is locked for no longer than a row takes, so that several may read reports while a grader is at work.
"""

import errno
import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from grader.ledger.ledger import Ledger
from grader.ledger.schema import PUT_BACK
from grader.rules import Rules
from grader.secret import Secret, drew, read_secret
from project.support.errors import UserError
from project.support.files import output, write_atomically

LEDGER, SECRET = "ledger.sqlite", "secret.json"
ROSTER_FILE = "roster.json"  # who is in the class, as the last roster of each section had it
RULES_FILE = "assignment.json"  # the rules that verdicts are taken by
UNWRITABLE = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
UNWRITABLE_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EISDIR)
IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
SAID_OF_DAMAGE = ("Could not decode to UTF-8", "unsupported file format")  # without a code of their own
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True)
class OpenResults:
    """A results folder with its ledger and its secret."""

    folder: Path
    ledger: Ledger
    secret: Secret

    @property
    def rules(self) -> Rules:
        """The rules that it was last graded or looked at by. Raises UserError where they cannot be read."""
        try:
            return Rules.load(self.folder / RULES_FILE)
        except UserError as error:
            mend = f"`python -m grader leaderboard {self.folder} --rules YAML`, with the rules it was graded by, mends that"
            raise UserError(f"{str(error).partition(';')[0]}; {mend}") from None

    @property
    def kept_rules(self) -> Rules | None:
        """The same; None where they cannot be read."""
        try:
            return self.rules
        except UserError:
            return None


@contextmanager
def open_results(
    folder: Path, wait: bool = False, new: bool = False, secret: Secret | None = None, alone: bool = False
) -> Iterator[OpenResults]:
    """A results folder to work with.

    Args:
        wait: Wait until another grader is done.
        new: Make it where it is missing; `alone`, too.
        secret: Of a new one; by default it is drawn. One that is there stays, and must have the same salt.
        alone: Keep graders out until this one ends; whoever only reads and decides may be several.

    Raises:
        UserError: There is none, another grader is in it, it cannot be written, it was begun with another salt, or what it
            cannot do without is gone, damaged or another folder's.
    """
    path = folder / LEDGER
    if not new and not path.is_file() and not (folder / RULES_FILE).exists():
        raise no_results(folder)
    with locked(folder, wait) if new or alone else nullcontext(), mendable(folder):
        if (folder / RULES_FILE).exists() and not (path.is_file() and path.stat().st_size):
            raise UserError(f"{path}: is gone, or empty; {PUT_BACK}")
        if path.is_file() and not (folder / SECRET).is_file():
            raise UserError(f"{folder}: secret.json is gone, which splits and trainings were drawn from; {PUT_BACK}")
        kept = stored_secret(folder, secret or Secret.new())
        with closing(Ledger(path)) as ledger:
            if (seed := ledger.last_seed()) is not None and not drew(kept, seed):
                said = "is not the one that the ledger's trainings were drawn from"
                raise UserError(f"{folder / 'secret.json'}: {said}; {PUT_BACK}")
            yield OpenResults(folder, ledger, kept)


def holds_results(folder: Path) -> bool:
    """Whether a grader has been at work in a folder."""
    return (folder / LEDGER).is_file() and (folder / RULES_FILE).is_file()


def no_results(folder: Path) -> UserError:
    """What to say of a folder without any."""
    return UserError(f"{folder}: no results there; `python -m grader run FOLDER --out {folder}` makes them")


def store_rules(folder: Path, rules: Rules) -> None:
    """Keep the rules that verdicts are to be taken by from now on."""
    write_atomically(folder / RULES_FILE, rules.model_dump_json(indent=2) + "\n")


@contextmanager
def locked(results: Path, wait: bool = False) -> Iterator[None]:
    """Keep other graders out of a results folder until this one ends. It is made where it is missing.

    Raises:
        UserError: Another grader is in it, or it cannot be written.
    """
    with output("--out", results):
        results.mkdir(parents=True, exist_ok=True)
        file = open(results / ".lock", "w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if not wait:
                said = "another grader is at work there; add --wait, or take another folder"
                raise UserError(f"--out {results}: {said}") from None
            print(f"Waiting for the grader that is at work in {results}/ ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def pages_locked(results: Path) -> Iterator[None]:
    """Keep others from writing what is published, one process after the other."""
    with open(results / ".lock-pages", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def mendable(results: Path) -> Iterator[None]:
    """Raise UserError in place of an error that a user can mend. Any other is a fault of ours, and stays as it is."""
    go_on = "what is recorded is safe; mend that, and the same command goes on"
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the higher bits tell more than is asked here
        ledger = results / LEDGER
        if code in UNWRITABLE or getattr(error, "errno", 0) in UNWRITABLE_FILES:
            file = getattr(error, "filename", None)  # what else the error is about
            elsewhere = isinstance(file, str) and not Path(file).resolve().is_relative_to(results.resolve())
            what = f"{file}: cannot be read or written" if elsewhere else f"{results}: cannot be written"
            raise UserError(f"{what} ({error}); {go_on}") from None
        if code in IN_USE:
            raise UserError(f"{ledger}: another program has it open ({error}); close that, and try again") from None
        if code in DAMAGED or str(error).startswith(SAID_OF_DAMAGE):
            raise UserError(f"{ledger}: is damaged; {PUT_BACK}") from None
        raise


def stored_secret(results: Path, new: Secret) -> Secret:
    """The results folder's secret: kept once, readable by its owner alone."""
    path = results / SECRET
    if not path.exists():
        write_atomically(path, new.to_json(), mode=0o600)
        return new
    try:
        stored = read_secret(path.read_bytes())
    except ValueError:
        said = "is damaged; splits and trainings were drawn from it, so put a copy in its place"
        raise UserError(f"{path}: {said}") from None
    if new.salt not in (None, stored.salt):
        raise UserError(f"--secret-seed: {results} was begun with another one; leave it out, or take another folder")
    return stored
