"""Gradings with engines that train nothing."""

from pathlib import Path
from typing import Any

from benchmarks.made_up import ALL_FAMILIES as ALL_FAMILIES
from benchmarks.made_up import MadeUp as MadeUp
from benchmarks.made_up import scored as scored
from grader.grading.grade import grade
from grader.grading.settings import Settings
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import open_results
from grader.ledger.submissions import Noted
from grader.publish.publishing import publish
from grader.rules import Rules
from grader.secret import BYTES, Secret

LOST = Measurement(outcome="infrastructure", said="gone")
CRASHED = Measurement(outcome="crashed", said="training crashed: no")


def noted(student: str, digest: str = "d", name: str | None = None, tier: str = "verified") -> Noted:
    return Noted(student, name or student.title(), digest, tier, student, None, False, "images")


TESTS = Secret(bytes(BYTES))


def graded(
    folder: Path,
    results: Path,
    rules: Rules,
    engine: Any = None,
    sandboxed: bool = False,
    secret: Secret = TESTS,
    **settings: Any,
) -> str:
    """Grade a folder, on an engine where one is given, and publish it. Returns the leaderboard as a table."""
    settings |= {} if engine is None else {"engine": engine}
    with open_results(results, new=True, secret=secret) as opened:
        grade(folder, opened, rules, Settings("cpu", sandboxed, **settings))
        return publish(opened)
