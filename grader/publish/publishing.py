"""From the ledger to all that is published: the leaderboard's files, its table, and the pages."""

from pathlib import Path

from grader.grading.ranking import standings
from grader.ledger.ledger import Ledger, now
from grader.ledger.results_folder import RULES_FILE, stored_secret
from grader.publish.exports import as_table, export
from grader.publish.pages.build import build
from grader.rules import Rules


def publish(ledger: Ledger, results: Path) -> str:
    """Write the leaderboard's files and pages from the ledger, by the last run's rules, and return the table."""
    rules = Rules.load(results / RULES_FILE)
    secret = stored_secret(results, None)
    found = standings(ledger, rules)
    entries = [standing.entry for standing in found]
    export(results, rules.model_dump(mode="json"), now(), ledger.devices(), entries)
    build(results, rules, found, ledger, secret)
    return as_table(entries)
