"""Faults of ours stop a submission only where it alone meets them."""

from pathlib import Path

import pytest

from grader.ledger.ledger import Ledger
from tests.grader.engines import LOST, noted, scored


@pytest.mark.parametrize(
    ("told", "alone"),
    [
        ("K", 0),
        ("KK", 0),
        ("KwK", 2),
        ("KwKK", 3),
        ("KKw", 0),
        ("KtwK", 0),
        ("tKwK", 0),
        ("KtwKw", 0),
        ("KtwKwK", 2),
        ("KwKwtKwK", 0),
        ("twKwK", 2),
        ("KwKwt", 2),
    ],
)
def test_only_faults_since_the_last_one_that_others_met_are_counted(told, alone):
    """`K` is a fault of kim's, `t` one of lee's, `w` that lee's training counts."""
    ledger = Ledger(Path(":memory:"))
    for student in ("kim", "lee"):
        ledger.note("then", noted(student))
    for at, what in enumerate(told):
        (of,) = ledger.graded("checks", "kim" if what == "K" else "lee")
        ledger.record("then", of, at, at, scored(0.9) if what == "w" else LOST, {"device": "one"})
    (found,) = ledger.graded("checks", "kim")
    assert found.faults_alone == alone
