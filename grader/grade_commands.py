"""Commands about grades: decisions for single students, other rules on trial, and a grade explained."""

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.decision_commands import Added, add_who, decider, known_ids
from grader.rules import LAST_YEAR
from grader.safe_text import printable
from project.assignment import FAMILIES
from project.support.arguments import ArgumentParser
from project.support.errors import UserError

if TYPE_CHECKING:
    from grader.ledger.results_folder import OpenResults

AS_WRITTEN = "write it as 2026-12-06T23:59:00+09:00"


def add_grade_commands(command: Callable[..., Added], results: ArgumentParser) -> None:
    """Add them to the command line: `command(function, summary, *parents)` returns what adds arguments."""
    decision = ArgumentParser(add_help=False)
    add_who(decision)
    decision.add_argument("--try", dest="trial", action="store_true", help="show what would change, and decide nothing")

    add = command(extend, "Give one student a later deadline.", results, decision)
    add("student", help="id on the leaderboard or the roster")
    add("--until", type=moment, metavar="TIME", help="with its time zone, such as 2026-12-06T23:59:00+09:00")
    add("--days", type=int, metavar="N", help="so many days after the deadline")

    add = command(exempt, "Free one student of a rule.", results, decision)
    add("student", help="id on the leaderboard or the roster")
    add("--from", dest="rule", required=True, choices=("late", "reports", *FAMILIES), help="of which")

    add = command(disqualify, "Let one student's work not count; what was measured stays.", results, decision)
    add("student", help="id on the leaderboard or the roster")

    add = command(rules_, "Show what other rules would change; nothing is written or trained.", results)
    add("--try", dest="trial", type=Path, required=True, metavar="YAML", help="the other rules")

    add = command(explain, "Explain one student's grade, line by line.", results)
    add("student", help="id on the leaderboard")


def moment(text: str) -> datetime:
    """A time with its zone, for argparse."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; {AS_WRITTEN}") from None
    if time.year > LAST_YEAR:
        raise argparse.ArgumentTypeError(f"{text}: take a year up to {LAST_YEAR}")
    if time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone; {AS_WRITTEN}")
    return time


def extend(options: argparse.Namespace) -> None:
    from grader.grading.attempts import counting
    from grader.ledger.decision_kinds import EXTEND
    from grader.ledger.results_folder import open_results

    until, days = options.until, options.days
    if (until is None) == (days is None):
        raise UserError("extend: say --until TIME or --days N, one of the two")
    if days is not None and not 1 <= days <= 365:
        raise UserError(f"--days {days}: take 1 to 365; `undo` takes an extension back")
    with open_results(options.results) as opened:
        deadline = opened.rules.deadline
        if deadline is None:
            raise UserError(
                "extend: the rules have no deadline, so nothing is late; write one, and see `leaderboard --rules`"
            )
        if until and until <= deadline:
            raise UserError(f"--until {until.isoformat()}: is not after the deadline, {deadline.isoformat()}")
        decide(options, opened, EXTEND, {"until": until.isoformat()} if until else {"days": days})
        graded = next(counting(opened.ledger, opened.rules, options.student), None)
        if graded and graded.marked_late and graded.submitted is None:
            said = "is late by the system's mark, and nothing tells when it came"
            print(f"note    {options.student}: {said}; `exempt --from late` takes it as in time")


def exempt(options: argparse.Namespace) -> None:
    from grader.ledger.decision_kinds import EXEMPT
    from grader.ledger.results_folder import open_results

    with open_results(options.results) as opened:
        decide(options, opened, EXEMPT, {"from": options.rule})


def disqualify(options: argparse.Namespace) -> None:
    from grader.ledger.decision_kinds import DISQUALIFY
    from grader.ledger.results_folder import open_results

    if not options.reason.strip():
        raise UserError("disqualify: say why with --reason; the student is told, and the decision keeps it")
    with open_results(options.results) as opened:
        decide(options, opened, DISQUALIFY, {})


def decide(options: argparse.Namespace, opened: "OpenResults", kind: str, value: dict[str, Any]) -> None:
    """Take a decision about a student, or try it, and print what it changes."""
    from grader.grading.changes import in_words, state
    from grader.ledger.ledger import now
    from grader.publish.publishing import publish

    ledger, rules, student = opened.ledger, opened.rules, options.student
    check_who(opened, student)
    before = state(ledger, rules)
    with ledger.taken_back():
        ledger.decisions.take(now(), decider(options), kind, student, value, options.reason)
        print(in_words(before, state(ledger, rules)))
    if options.trial:
        print("\nNothing was decided.")
        return
    with ledger.all_or_nothing():
        check_who(opened, student)  # again: the student may have withdrawn meanwhile, and nothing erases this row then
        number = ledger.decisions.take(now(), decider(options), kind, student, value, options.reason)
    publish(opened)
    print(f"\nDecided. `python -m grader undo {options.results} {number}` takes it back.")


def check_who(opened: "OpenResults", student: str) -> None:
    """Raises UserError where there is nobody of this id about whom something can be decided."""
    from grader.grading.withdrawals import withdrawn

    if student not in known_ids(opened):
        raise UserError(
            f"{printable(student)}: nobody of this id; the ids are in leaderboard.csv, and on a run's --roster"
        )
    if student in withdrawn(opened.ledger):
        raise UserError(f"{student}: has withdrawn; there is nothing to decide")


def rules_(options: argparse.Namespace) -> None:
    from grader.grading.changed_rules import on_the_same_images, rule_changes
    from grader.grading.changes import in_words, state
    from grader.ledger.results_folder import open_results
    from grader.publish.release import said_of_release

    with open_results(options.results) as opened:
        other, rules = on_the_same_images(options.trial, opened, "--try"), opened.rules
        print(in_words(state(opened.ledger, rules), state(opened.ledger, other)))
        for line in [*rule_changes(rules, other), *said_of_release(opened, other)]:
            print(line)
    print(
        f"\nNothing was written. `python -m grader leaderboard {options.results} --rules {options.trial}` applies it."
    )


def explain(options: argparse.Namespace) -> None:
    from grader.grading.attempts import once
    from grader.grading.changes import next_trainings, state
    from grader.grading.explanation import decisions_about, explained, gradebook, in_words
    from grader.grading.ranking import judged
    from grader.ledger.results_folder import open_results
    from grader.publish.gradebooks import grade

    student = options.student
    with open_results(options.results) as opened:
        ledger, rules = opened.ledger, opened.rules
        now_known = state(ledger, rules)
        if student not in now_known.entries:
            raise UserError(f"{printable(student)}: nobody of this id; the ids are in leaderboard.csv")
        entry = now_known.entries[student]
        graded, said = next(judged(ledger, rules, student))
        lines = explained(graded, said, entry, rules, opened.secret)
        for each, superseded in decisions_about(ledger.decided_for(student, graded.carrier), rules):
            lines.append(("decided", in_words(each, student) + "; superseded by a later one" * superseded))
        lines.append(("gradebook", gradebook(entry, grade(entry), opened.secret.part == "practice")))
        hand_in = graded.carrier, graded.digest
        same = (each for each, _ in judged(ledger, rules) if (each.carrier, each.digest) == hand_in)
        trained = [each.student for each in once(same)]  # for whom, and for the rest of the group
    if wanted := {each: count for each, count in now_known.wanted.items() if each in trained}:
        lines.append(("next", next_trainings(wanted)))
    print("\n".join(f"{about:<11} {printable(text, 2000)}" for about, text in lines))
