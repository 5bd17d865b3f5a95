"""The results folder: held against a second grader, and the secret seed in it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.support.errors import UserError

RULES_FILE = "assignment.json"  # the rules of the last run


@contextmanager
def locked(results: Path, wait: bool = False) -> Iterator[None]:
    """Hold a results folder against a second grader; a killed one lets go.

    Args:
        results: Made where it is missing.
        wait: Wait until another grader is done.

    Raises:
        UserError: It is held, or cannot be written.
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
        yield


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
