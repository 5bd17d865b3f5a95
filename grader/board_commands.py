"""Commands about who is on the board, and how: whoever withdraws, and what a student handed in so far."""

import argparse
from collections.abc import Callable

from grader.decision_commands import Added, add_who, decider
from grader.safe_text import printable
from project.support.errors import UserError


def add_board_commands(command: Callable[..., Added], results: argparse.ArgumentParser) -> None:
    """Add them to the command line: `command(function, summary, *parents)` returns what adds arguments."""
    who = argparse.ArgumentParser(add_help=False)
    add_who(who)

    add = command(withdraw, "Erase all that there is of a student, for good; numbers stay.", results, who)
    add("student", help="id on the leaderboard")
    add("--yes", action="store_true", help="erase it: nothing brings it back")

    add = command(attempts, "List what a student handed in over time, and which attempt counts, and why.", results)
    add("student", help="id on the leaderboard")


def attempts(options: argparse.Namespace) -> None:
    from grader.grading.attempt_history import attempt_history
    from grader.ledger.results_folder import open_results

    with open_results(options.results) as opened:
        made = attempt_history(opened.ledger, opened.rules, options.student)
    for each in made:
        accuracy = each.verdict.ranked and each.verdict.ranked.accuracy
        submitted = each.graded.submitted
        parts = [
            f"{each.number:>2}",
            f"handed in {submitted:%Y-%m-%d %H:%M}"
            if submitted
            else f"taken in {each.taken_in[:16].replace('T', ' ')}",
            each.graded.source,
            each.verdict.name,
            *([f"{accuracy:.2%}"] if accuracy is not None else []),
            each.why,
            *([f"({each.verdict.reason})"] if each.verdict.reason else []),
        ]
        print("  ".join(printable(part, 400) for part in parts))
    if not made:
        print(f"{options.student}: handed in nothing")


def withdraw(options: argparse.Namespace) -> None:
    from grader.ledger.results_folder import LEDGER, open_results
    from grader.ledger.rounds import of_round
    from grader.publish.publishing import publish
    from grader.publish.withdrawal import mentioning, withdraw

    if not options.yes:
        what = "erases files, pages, name and id for good, and nothing brings them back"
        raise UserError(f"withdraw {options.student}: {what}; add --yes, and then delete the downloads yourself")
    rounds = [of_round(options.results, "practice"), options.results]
    erased, left, error = [], list[str](), None
    for place in [each for each in rounds if (each / LEDGER).is_file()] or rounds[1:]:
        with open_results(place, alone=True) as opened:
            try:
                traces = withdraw(opened, options.student, decider(options), options.reason)
            except UserError as unknown:  # who came later is in no practice round
                error = unknown
                continue
            print(publish(opened))
            left += [str(path) for path in mentioning(place, traces)]
            erased.append(f"{traces.number} stands for it in {place} now")
    if error and not erased:
        raise error
    print(f"\nErased: {'; '.join(erased)}. The downloads, and what was published or exported, are yours to delete.")
    if left:
        print(f"note    still told in {', '.join(left)}")
