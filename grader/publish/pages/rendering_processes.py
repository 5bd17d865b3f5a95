"""The submissions' pages. Where there are many, a second process writes every other one.

It is `python -m grader.publish.pages.rendering_processes SITE RESULTS`. It reads the results folder itself, so that nothing large
crosses between processes, and prints its pages' curves as JSON.
"""

import json
import os
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

from grader.grading.ranking import standings
from grader.grading.verdicts import checks_by
from grader.ledger.ledger import Ledger
from grader.ledger.results_folder import LEDGER, OpenResults, stored_secret
from grader.publish.pages.rendering import Curves, Pages
from grader.rerun.mounted_code import REPOSITORY

WORTH_IT = 500  # pages, below which starting another process takes longer than it saves


def write_submissions(pages: Pages) -> Curves:
    """Write the page of every submission, and return the curves that the leaderboard shows."""
    if len(pages.entries) < WORTH_IT or os.cpu_count() == 1:
        return write_share(pages, 0, 1)
    folders = (str(pages.site.resolve()), str(pages.opened.folder.resolve()))
    command = [sys.executable, "-m", "grader.publish.pages.rendering_processes", *folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as second:
        try:
            curves = write_share(pages, 0, 2)
            said, _ = second.communicate()
        finally:
            second.kill()  # where this process's own share fails; else it has ended
    if second.returncode:
        raise RuntimeError(f"a process that writes pages ended with status {second.returncode}")
    curves.update(json.loads(said))
    return curves


def write_share(pages: Pages, first: int, step: int) -> Curves:
    """Write the pages of the students at places `first`, `first + step` and so on, in the ledger's order."""
    curves: Curves = {}
    for graded in islice(pages.opened.ledger.graded(checks_by(pages.rules)), first, None, step):
        page, curves[graded.student] = pages.submission(graded)
        (pages.site / "submissions" / f"{pages.slugs[graded.student]}.html").write_text(page, encoding="utf-8")
    return curves


def write_every_other(site: Path, results: Path) -> Curves:
    """Write the second of every two pages into a site that another process is making."""
    with closing(Ledger(results / LEDGER)) as ledger:
        opened = OpenResults(results, ledger, stored_secret(results, None))
        return write_share(Pages(site, opened, standings(ledger, opened.rules)), 1, 2)


if __name__ == "__main__":
    json.dump(write_every_other(*map(Path, sys.argv[1:])), sys.stdout)
