"""From the ledger to all that is published: the leaderboard's files, its table, and the pages."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from grader.grading.boards import board
from grader.grading.rank_changes import midnight, places_moved
from grader.grading.ranking import read_earlier, standings
from grader.ledger.results_folder import OpenResults, pages_locked, store_rules
from grader.publish.leaderboard_files import as_board, as_table, write_leaderboard
from grader.publish.pages.build import build
from grader.publish.release import settle
from grader.publish.withdrawal import go_on
from grader.rules import Rules


@contextmanager
def publishing(opened: OpenResults) -> Iterator[OpenResults]:
    """The results folder as it is now, for whoever publishes: one process after the other, so that the last one has
    read what all the others wrote, and nobody who was to be erased is published. It reads a copy of the ledger, so that
    nobody who writes has to wait for pages."""
    with pages_locked(opened.folder):
        go_on(opened)
        with opened.ledger.copied() as ledger:
            yield replace(opened, ledger=ledger)


def publish_by(rules: Rules, opened: OpenResults, by: str | None = None) -> str:
    """The same by other rules, which the results folder keeps from now on: where no pages can be made of them, those of
    before stay."""
    before = opened.kept_rules
    store_rules(opened.folder, rules)
    try:
        return publish(opened, by)
    except BaseException:
        if before is not None:
            store_rules(opened.folder, before)
            with suppress(Exception):  # told is what went wrong first
                publish(opened)
        raise


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
