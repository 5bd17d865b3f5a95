"""The census that a training program left before its first batch: what is in effect, and whether that is all it must be."""

from pathlib import Path
from typing import Any

from grader.ledger.measurement import Measurement, Strategy
from grader.rules import Rules
from grader.safe_text import in_words, printable
from grader.sandbox.untrusted_files import Unreadable, read_json
from project.assignment import FAMILIES


def read_census(path: Path) -> dict[str, Any]:
    """Strategies and remarks of a trial, types checked. Raises Unreadable."""
    return read_json(path, census_of)


def census_of(record: dict[str, Any]) -> dict[str, Any]:
    """Strategies and remarks of a record; to be called by `read_json`, since it may raise anything."""
    strategies = {family: [*map(strategy_of, record["strategies"][family][:20])] for family in FAMILIES}
    return {"strategies": strategies, "remarks": [printable(str(remark), 300) for remark in record["remarks"][:20]]}


def strategy_of(found: dict[str, Any]) -> Strategy:
    """A strategy of a record. One without a name would count for its family and be shown nowhere."""
    name = printable(found["name"]) if isinstance(found["name"], str) else ""
    if not name:
        raise Unreadable("the census has a strategy without a name")
    return Strategy(name=name, evidence=printable(str(found["evidence"]), 200))


def without_families(measurement: Measurement, rules: Rules) -> Measurement:
    """A measurement; where it lacks a family that the rules ask for, one that says so."""
    if missing := [family for family in rules.families if not measurement.strategies[family]]:
        said = f"uses no strategy of {in_words(missing)}"
        return measurement.but(outcome="family_missing", said=said, missing=missing)
    return measurement
