"""Two rounds of one assignment: practice lies in a folder of the final one's results, with a ledger and a key of its own."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from grader.ledger.results_folder import LEDGER
from grader.secret import Secret, read_secret
from project.support.errors import UserError

PRACTICE = "practice"  # the folder's name
Round = Literal["practice", "final"]


def of_round(results: Path, which: Round) -> Path:
    """Where a round's results are."""
    return results / PRACTICE if which == "practice" else results


def new_secret(results: Path, which: Round, salt: int | None) -> Secret:
    """The key that a round would begin with: the final one's is drawn when it begins, and knows what practice showed.

    Raises:
        UserError: The final round has begun, and practice is over; or practice's key is damaged.
    """
    drawn, place = Secret.new(salt), of_round(results, "practice") / "secret.json"
    if which == "practice":
        if (results / "secret.json").exists():
            raise UserError(f"--round practice: the final round has begun in {results}; practice is over")
        return replace(drawn, part="practice")
    if not place.exists() and not place.with_name(LEDGER).exists():
        return drawn
    return replace(drawn, part="final", practice_key=read_practice_secret(place.parent).key)


def read_practice_secret(practice: Path) -> Secret:
    """The key of practice. Raises UserError where it is gone or damaged."""
    place = practice / "secret.json"
    try:
        return read_secret(place.read_bytes())
    except (OSError, ValueError):
        said = "is gone or damaged; put a copy in its place, or images of practice would score"
        raise UserError(f"{place}: {said}") from None
