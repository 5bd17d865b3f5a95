"""Commands for what persons decide: each adds a row to the ledger, publishes anew, and trains nobody."""

import argparse
import getpass
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.safe_text import printable
from project.support.arguments import ArgumentParser
from project.support.errors import UserError

NOT_FOR_PERSONS = {"mark", "also", "veil", "drawn"}  # in what was decided: what is left of whoever withdrew
DIGEST = re.compile("[0-9a-f]{64}")
if TYPE_CHECKING:
    from grader.ledger.decisions import Decision
    from grader.ledger.results_folder import OpenResults

MOST_OF_A_LINE = 500  # characters; a comment may be long
Added = Callable[..., argparse.Action]


def add_decision_commands(command: Callable[..., Added], results: ArgumentParser) -> None:
    """Add them to the command line: `command(function, summary, *parents)` returns what adds arguments."""
    who = ArgumentParser(add_help=False)
    add_who(who)

    add = command(history, "List what persons decided: who, when and why.", results)
    add("student", nargs="?", help="only what is about this one; id on the leaderboard")

    add = command(undo, "Take a decision back; nothing of it is erased.", results, who)
    add("number", type=int, help="of the decision, as `history` lists it")


def add_who(parser: ArgumentParser) -> None:
    """Add who decides, and why."""
    parser.add_argument("--by", default="", help="who decides (your user name)")
    parser.add_argument("--reason", default="", help="why: kept with the decision")


def decider(options: argparse.Namespace) -> str:
    """Who decides."""
    return options.by or getpass.getuser()


def history(options: argparse.Namespace) -> None:
    from grader.grading.attempts import counting
    from grader.ledger.results_folder import open_results

    with open_results(options.results) as opened:
        ledger, student = opened.ledger, options.student
        decisions = ledger.decisions.history()
        if student:
            graded = next(counting(ledger, opened.rules, student), None)
            decisions = ledger.decided_for(student, graded.carrier if graded else student)
        if student and not decisions and student not in known_ids(opened):
            raise UserError(f"{printable(student)}: nobody of this id; the ids are in leaderboard.csv")
    print("\n".join(map(line, decisions)) or "Nobody has decided anything.")


def known_ids(opened: "OpenResults") -> set[str]:
    """Ids of all about whom something can be decided."""
    from grader.grading.kept_roster import kept_roster

    return opened.ledger.ids() | kept_roster(opened.folder).keys()


def undo(options: argparse.Namespace) -> None:
    from grader.grading.changes import in_words, state
    from grader.grading.withdrawals import back_again, kept_by_practice
    from grader.ledger.decision_kinds import WITHDRAW
    from grader.ledger.ledger import now
    from grader.ledger.results_folder import open_results
    from grader.ledger.rounds import PRACTICE
    from grader.publish.publishing import publish

    with open_results(options.results) as opened:
        before = state(opened.ledger, opened.rules)
        try:
            with opened.ledger.all_or_nothing():  # two who undo the same at once
                taken = opened.ledger.decisions.undo(now(), decider(options), options.number, options.reason)
                if back := back_again(opened):
                    mend = f"`python -m grader withdraw {options.results} {back}` erases that, too"
                    raise UserError(f"{options.number}: {back} was taken in again since the withdrawal; {mend}")
        finally:  # also where it was taken back, and whoever did so was stopped before the pages
            publish(opened)
        print(in_words(before, state(opened.ledger, opened.rules)))
        print(f"\nTaken back: {line(taken)}")
        if taken.kind == WITHDRAW:
            print("note    nothing that was erased comes back; the next run takes in what is among its downloads")
            if kept_by_practice(opened):
                there = options.results / PRACTICE
                print(
                    f"note    practice has withdrawals of its own, which keep students out, too: see `history {there}`"
                )


def line(decision: "Decision") -> str:
    """A decision as a line of `history`."""
    value = in_short({name: said for name, said in decision.value.items() if name not in NOT_FOR_PERSONS})
    parts = [
        str(decision.id),
        decision.moment,
        decision.by or "unknown",
        f"{decision.kind} {decision.undoes or ''}".rstrip(),
        decision.student or "everybody",
        *([value] if value else []),
        *([f"because {decision.why}"] if decision.why else []),
        *([] if decision.in_force else ["(taken back)"]),
    ]
    return "  ".join(printable(part, MOST_OF_A_LINE) for part in parts)


def in_short(value: Any) -> str:
    """What was decided, as text."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {in_short(said)}" for name, said in value.items() if said != "")
    text = " and ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text[:12] if DIGEST.fullmatch(text) else text
