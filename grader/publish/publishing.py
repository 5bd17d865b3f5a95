"""From the ledger to all that is published: the leaderboard's files, its table, and the pages."""

from datetime import UTC, datetime

from grader.grading.boards import board
from grader.grading.rank_changes import midnight, places_moved
from grader.grading.ranking import read_earlier, standings
from grader.ledger.results_folder import OpenResults, publishing
from grader.publish.leaderboard_files import as_board, as_table, write_leaderboard
from grader.publish.pages.build import build
from grader.publish.release import settle


def publish(opened: OpenResults, by: str | None = None) -> str:
    """Write the leaderboard's files and pages by the rules of the results folder, and return the table, with what is to be
    known of it; of those who passed by a column, where one is named."""
    with publishing(opened) as now:
        entries = standings(now.ledger, now.rules)
        if now.secret.part == "practice":
            moved = places_moved(now.ledger, now.rules, entries, midnight(now.rules, datetime.now(UTC)))
            for entry in entries:
                entry.moved = moved.get(entry.student, 0)
        write_leaderboard(now, entries)
        settle(now)
        build(now, entries)
    table = as_board(board(entries, by), by) if by else as_table(entries)
    return "\n\n".join(filter(None, (table, opened.rules.of_images, read_earlier(entries))))
