"""From the ledger to all that is published: the leaderboard's files, its table, and the pages."""

from grader.grading.ranking import standings
from grader.ledger.ledger import now
from grader.ledger.results_folder import OpenResults
from grader.publish.leaderboard_files import as_table, export
from grader.publish.pages.build import build


def publish(opened: OpenResults) -> str:
    """Write the leaderboard's files and pages by the rules of the results folder, and return the table."""
    rules = opened.rules
    found = standings(opened.ledger, rules)
    entries = [standing.entry for standing in found]
    export(opened.folder, rules.model_dump(mode="json"), now(), opened.ledger.devices(), entries)
    build(opened.folder, rules, found, opened.ledger, opened.secret)
    return as_table(entries)
