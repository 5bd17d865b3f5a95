"""From the ledger to all that is published: the leaderboard's files, its table, and the pages."""

from dataclasses import asdict
from pathlib import Path

from grader.results.exports import as_table, export
from grader.results.folder import RULES_FILE, stored_secret
from grader.results.ledger import Ledger, now
from grader.results.ranking import standings
from grader.results.site import build
from project.assignment import Assignment


def publish(ledger: Ledger, results: Path) -> str:
    """Write the leaderboard's files and pages from the ledger, by the last run's rules, and return the table."""
    rules = Assignment.load(results / RULES_FILE)
    secret = stored_secret(results, None)
    found = standings(ledger, rules)
    entries = [standing.entry for standing in found]
    export(results, asdict(rules), now(), ledger.devices(), entries)
    build(results, rules, found, ledger, secret)
    return as_table(entries)
