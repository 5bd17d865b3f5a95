"""Commands about who is on the board, and how: whoever withdraws, and what a student handed in so far."""

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from grader.decision_commands import Added, add_who, decider
from grader.safe_text import printable
from project.support.arguments import ArgumentParser
from project.support.errors import UserError


def add_board_commands(command: Callable[..., Added], results: ArgumentParser) -> None:
    """Add them to the command line: `command(function, summary, *parents)` returns what adds arguments."""
    who = ArgumentParser(add_help=False)
    add_who(who)

    add = command(withdraw, "Erase all that there is of a student, for good; numbers stay.", results, who)
    add("student", help="id on the leaderboard")
    add("--yes", action="store_true", help="erase it: nothing brings it back")
    add("--wait", action="store_true", help="wait for a grader that is at work in RESULTS")

    add = command(attempts, "List what a student handed in over time, and which attempt counts, and why.", results)
    add("student", help="id on the leaderboard")


def attempts(options: argparse.Namespace) -> None:
    from grader.grading.attempt_history import attempt_history
    from grader.grading.explanation import at
    from grader.ledger.results_folder import open_results

    with open_results(options.results) as opened:
        made = attempt_history(opened.ledger, opened.rules, options.student)
    for each in made:
        accuracy = each.verdict.ranked and each.verdict.ranked.accuracy
        submitted, name = each.graded.submitted, each.verdict.name
        parts = [
            f"{each.number:>2}",
            f"handed in {at(submitted)}"
            if submitted
            else f"taken in {at(datetime.fromisoformat(each.taken_in).replace(microsecond=0))}",
            each.graded.source,
            "not trained" if name == "pending" and not each.counts else name,
            *([f"{accuracy:.2%}"] if accuracy is not None else []),
            each.why,
            *([f"({each.verdict.reason})"] if each.verdict.reason else []),
        ]
        print("  ".join(printable(part, 400) for part in parts))
    if not made:
        print(f"{options.student}: handed in nothing")


def withdraw(options: argparse.Namespace) -> None:
    from grader.ledger.results_folder import LEDGER, SECRET
    from grader.ledger.rounds import of_round
    from grader.publish.withdrawal import Unknown

    if not options.yes:
        what = "erases files, pages, name and id for good, and nothing brings them back"
        raise UserError(f"withdraw {options.student}: {what}; add --yes, and then delete the downloads yourself")
    practice, final = of_round(options.results, "practice"), options.results
    practised = practice.is_dir() and any(practice.iterdir())
    # Begun it has also where a piece of it is lost.
    begun = not practised or any((final / name).exists() for name in (LEDGER, SECRET))
    left, unknown, failed = [practice] * practised + [final] * begun, list[UserError](), list[str]()
    for step in (note_down_in, erase_in):  # in both rounds first, so that whatever stops the second one is gone on with
        for place in left[:]:
            try:
                step(place, options)
            except Unknown as error:  # who came later is in no practice round
                unknown.append(error)
                left.remove(place)
            except UserError as error:
                if not practised:
                    raise
                failed.append(f"in {place} nothing was erased: {error}")
                left.remove(place)
    if failed:
        done = "; the other round's results have the student no more" if left else ""
        raise UserError(f"{'; '.join(failed)}{done}; mend that, and call `withdraw` again")
    if not left:
        raise unknown[-1]
    print("\nThe downloads, backups, and what was published, uploaded or exported, are yours to delete.")


def note_down_in(place: Path, options: argparse.Namespace) -> None:
    """Note down in one round's results that the student is to be erased."""
    from grader.ledger.results_folder import open_results
    from grader.publish.withdrawal import note_down

    with open_results(place, options.wait, alone=True) as opened:
        note_down(opened, options.student, decider(options), options.reason)


def erase_in(place: Path, options: argparse.Namespace) -> None:
    """Erase the student from one round's results, where that was noted down, and say what that changes."""
    from grader.grading.changes import in_words, state
    from grader.ledger.decision_kinds import WITHDRAW
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish
    from grader.publish.withdrawal import erase_noted, exports_of, mentioning, number_of

    with open_results(place, options.wait, alone=True) as opened:
        before, exported = state(opened.ledger, opened.rules), exports_of(place)
        erased = erase_noted(opened)
        traces = erased.pop(options.student, None)
        publish(opened)
        if traces is None:
            print(f"{options.student}: was erased already; {number_of(opened, options.student)} in {place} now")
            return
        if was := before.entries.pop(options.student, None):
            rank = f", rank {was.rank}" if was.rank else ""
            print(f"{options.student}: {was.verdict}{rank} -> withdrawn; {traces.number} in {place} now")
        for earlier, of_it in erased.items():
            print(f"{earlier}: the same hand-in under an earlier id; {of_it.number} in {place} now")
        print(in_words(before, state(opened.ledger, opened.rules)))
        number = next(each.id for each in opened.ledger.decisions.history(traces.number) if each.kind == WITHDRAW)
        print(
            f"Decision {number}; after `python -m grader undo {place} {number}` runs take the student in again, as new."
        )
        if told := [str(path) for path in mentioning(place, traces)]:
            print(f"note    still told in {', '.join(told)}")
        if exported:
            print(f"note    the whole class's {', '.join(exported)} went with it: export again")
