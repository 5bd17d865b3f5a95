"""Commands for those who read and release: who reads what, when results are out, and the record of one grade."""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from grader.decision_commands import Added, add_who, decider
from project.support.arguments import ArgumentParser
from project.support.errors import UserError


def add_reading_commands(command: Callable[..., Added], results: ArgumentParser) -> None:
    """Add them to the command line, as `grader.decision_commands.add_decision_commands` does."""
    who = ArgumentParser(add_help=False)
    add_who(who)

    add = command(assign, "Share reports and conclusions out among readers, evenly.", results, who)
    add("--readers", required=True, type=names, metavar="NAMES", help="who reads (user names), with commas between")
    add("--each", type=int, default=1, metavar="N", help="readers of each submission (%(default)s)")

    command(release, "Publish results that the rules hold back (site.release: manual).", results, who)

    add = command(appeal, "Write all that is known of one student's grade into a folder, for the student.", results)
    add("student", help="id on the leaderboard")
    add("--out", type=Path, metavar="FOLDER", help="folder to write (appeals/STUDENT below RESULTS)")
    add("--language", choices=("en", "ko"), default="en", help="of the text (en)")


def names(text: str) -> list[str]:
    """Names with commas between, for argparse."""
    found = [name.strip() for name in text.split(",")]
    if not all(name and name.isprintable() for name in found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of names; write kang,lee")
    return found


def assign(options: argparse.Namespace) -> None:
    from grader.ledger.ledger import now
    from grader.ledger.results_folder import open_results
    from grader.review.reading_list import assign

    if options.each < 1:
        raise UserError(f"--each {options.each}: take 1 or more")
    with open_results(options.results) as opened:
        found = assign(opened, options.readers, options.each, decider(options), now(), options.reason)
        averaged = opened.rules.bonus.readers == "mean"
    load = Counter(reader for readers in found.values() for reader in readers)
    for reader in options.readers:
        print(f"{reader}: {load[reader]} to read; `python -m grader review {options.results} --by {reader}`")
    if options.each > 1 and not averaged:
        print("note    by these rules the last one's points count; `bonus: {readers: mean}` averages them")


def release(options: argparse.Namespace) -> None:
    from grader.ledger.decision_kinds import RELEASE
    from grader.ledger.decisions import CLASS
    from grader.ledger.ledger import now
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.publish.release import is_released, page_to_publish
    from grader.review.reading_list import not_final

    with open_results(options.results) as opened:
        if is_released(opened):
            publish(opened)  # whoever released them may have been stopped before the pages
        with opened.ledger.all_or_nothing():
            if is_released(opened):
                held = (
                    "by `release`" if opened.rules.site.release == "manual" else "at once, by the rules' site.release"
                )
                raise UserError(f"{options.results}: results are published already, {held}")
            for line in not_final(opened):
                print(f"note    {line}", flush=True)
            number = opened.ledger.decisions.take(now(), decider(options), RELEASE, CLASS, {}, options.reason)
        print(publish(opened))
        page = page_to_publish(opened)
    print(f"\n{page} is the page to publish; `python -m grader undo {options.results} {number}` takes it back.")


def appeal(options: argparse.Namespace) -> None:
    from grader.ledger.results_folder import open_results
    from grader.publish.appeal import write_appeal

    with open_results(options.results) as opened:
        out = options.out or opened.folder / "appeals" / options.student
        write_appeal(opened, options.student, out, options.language)
    print(f"{out} is the record of {options.student}'s grade; it names nobody else.")
