"""From the ledger to all that is published: the leaderboard's files, its table, and the pages."""

from grader.grading.boards import board
from grader.grading.ranking import standings
from grader.ledger.results_folder import OpenResults
from grader.publish.leaderboard_files import as_board, as_table, write_leaderboard
from grader.publish.pages.build import build


def publish(opened: OpenResults, by: str | None = None) -> str:
    """Write the leaderboard's files and pages by the rules of the results folder, and return the table, with what is to be
    known of it; of those who passed by a column, where one is named."""
    entries = standings(opened.ledger, opened.rules)
    write_leaderboard(opened, entries)
    build(opened, entries)
    return "\n\n".join(
        filter(None, (as_board(board(entries, by), by) if by else as_table(entries), opened.rules.of_images))
    )
