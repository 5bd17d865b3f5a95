"""One process's share of the submissions' pages, and the helping processes that write the other shares.

A helper reads the results folder by itself, so that nothing large crosses between processes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from grader.grading.ranking import Standing, standings
from grader.grading.verdicts import checks_by
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import LEDGER, stored_rules, stored_secret
from grader.publish.pages.rendering import Pages

AT_ONCE = 2  # processes at most: each holds all entries, and a large course's pages are not to fill the memory
WORTH_IT = 500  # pages, below which starting another process takes longer than it saves
REPOSITORY = Path(__file__).resolve().parents[3]

Curves = dict[str, list[float | None]]  # of each student, the validation accuracy by epoch


def write_submissions(site: Path, results: Path, pages: Pages, found: list[Standing], ledger: Ledger) -> Curves:
    """Write the page of every submission, with the help of a second process where there are many."""
    shares = 1 if len(found) < WORTH_IT else min(AT_ONCE, os.cpu_count() or 1)
    with helpers(site, results, shares) as others:
        curves = write_share(site, pages, found, ledger, 0, shares)
        for helper in others:
            said, _ = helper.communicate()
            if helper.returncode:
                raise RuntimeError(f"a process that writes pages ended with status {helper.returncode}")
            curves |= json.loads(said)
    return curves


def write_share(site: Path, pages: Pages, found: list[Standing], ledger: Ledger, number: int, shares: int) -> Curves:
    """Write the pages of every student whose place in the ledger's order is `number` more than a multiple of `shares`."""
    by_student = {standing.entry.student: standing for standing in found}
    curves: Curves = {}
    for graded in islice(ledger.graded(checks_by(pages.rules)), number, None, shares):
        page, curves[graded.student] = pages.submission(by_student[graded.student], graded)
        (site / "submissions" / f"{pages.slugs[graded.student]}.html").write_text(page, encoding="utf-8")
    return curves


@contextmanager
def helpers(site: Path, results: Path, shares: int) -> Iterator[list[subprocess.Popen]]:
    """Processes that write all shares but the first; whatever happens meanwhile, none is left behind."""
    command = [sys.executable, "-m", "grader.publish.pages", site.resolve(), results.resolve()]
    begun = []
    try:
        for number in range(1, shares):
            arguments = [*command, str(number), str(shares)]
            begun.append(subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=REPOSITORY))
        yield begun
    finally:
        for process in begun:
            process.kill()
            process.wait()
            process.stdout.close()


def help_out(site: Path, results: Path, number: int, shares: int) -> Curves:
    """Write a share of the pages into a site that another process is making."""
    rules, secret = stored_rules(results), stored_secret(results, None)
    ledger = Ledger(results / LEDGER)
    try:
        found = standings(ledger, rules)
        pages = Pages(site, results, rules, [standing.entry for standing in found], ledger, secret)
        return write_share(site, pages, found, ledger, number, shares)
    finally:
        ledger.close()
