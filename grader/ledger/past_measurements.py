"""Everything that was ever handed in and measured of a student: what counts, and what did before."""

import json
from dataclasses import dataclass
from typing import Any

from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.submissions import measured


@dataclass(frozen=True)
class PastMeasurement:
    """A measurement as the ledger has it.

    Attributes:
        training: The number of the training, from 0.
        round: How often the student had been graded anew before.
        replaces: The row that this one is in the place of; 0 for none.
        counts: Whether it was no fault of ours.
        circumstances: Device, versions, limits.
    """

    id: int
    started: str
    ended: str
    digest: str
    images: str
    variant: str
    training: int
    seed: int
    round: int
    replaces: int
    counts: bool
    measurement: Measurement
    circumstances: dict[str, Any]


def past_measurements(ledger: Ledger, student: str) -> list[PastMeasurement]:
    """All of a student's, in their order. Raises UserError where one is damaged."""
    rows = ledger.database.execute("SELECT * FROM measurements WHERE student = ? ORDER BY id", [student]).fetchall()
    plain = "id started ended digest images variant training seed round replaces".split()
    return [
        PastMeasurement(
            **{name: row[name] for name in plain},
            counts=bool(row["counts"]),
            measurement=measured(row),
            circumstances=json.loads(row["circumstances"]),
        )
        for row in rows
    ]


def past_hand_ins(ledger: Ledger, student: str) -> list[dict[str, Any]]:
    """What a student handed in, the first one first: taken_in, source, digest, tier, submitted, time_by."""
    names = "taken_in source digest tier submitted time_by".split()
    query = f"SELECT {', '.join(names)} FROM submissions WHERE student = ? AND digest != '' ORDER BY id"
    return [dict(zip(names, row)) for row in ledger.database.execute(query, [student])]
