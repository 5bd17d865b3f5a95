"""Commands for a results folder as a whole: into one file, and back."""

import argparse
from collections.abc import Callable
from pathlib import Path

from grader.decision_commands import Added
from project.support.arguments import ArgumentParser
from project.support.wording import counted


def add_backup_commands(command: Callable[..., Added], results: ArgumentParser) -> None:
    """Add them to the command line: `command(function, summary, *parents)` returns what adds arguments."""
    add = command(backup, "Copy a results folder into one file, also while a grader is at work in it.", results)
    add("--out", type=Path, required=True, metavar="FILE.tar", help="to write, or to replace; nobody else may read it")

    add = command(restore, "Make a results folder of what `backup` wrote, and its pages anew.")
    add("archive", type=Path, metavar="FILE.tar", help="what `backup` wrote; one by somebody else may lie about grades")
    add("--out", type=Path, required=True, metavar="RESULTS", help="folder to make; must not exist yet")


def backup(options: argparse.Namespace) -> None:
    from grader.ledger.backup import back_up
    from grader.publish.export_files import FILES
    from grader.publish.release import DRAFT, SITE

    copied = back_up(options.results, options.out, (SITE, DRAFT, *FILES.values()))
    for link in copied.links:
        if "wandb" not in link.parts:  # W&B's own, to logs of another run
            print(f"note    {link}: is a link, and left out")
    print(f"{options.out} has {counted(copied.files, 'file')} of {options.results}: names, work, labels and the key.")
    print("Keep it to yourself, elsewhere, and no longer than the results: who withdraws is still in it.")


def restore(options: argparse.Namespace) -> None:
    from grader.ledger.backup import bring_back, rounds_in
    from grader.ledger.results_folder import open_results
    from grader.publish.publishing import publish

    count = bring_back(options.archive, options.out)
    print(f"{options.out} has the {counted(count, 'file')} of {options.archive}.")
    for folder in rounds_in(options.out):
        with open_results(folder) as opened:
            print(f"\n{publish(opened)}")
