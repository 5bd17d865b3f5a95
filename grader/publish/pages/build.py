"""From standings to a folder of pages: beside the old one until it is complete, then in its place."""

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

from grader.grading.ranking import Standing
from grader.ledger.ledger import Ledger
from grader.publish.pages.assets import write_assets
from grader.publish.pages.parallel import write_submissions
from grader.publish.pages.rendering import Pages
from grader.rules import Rules


def build(results: Path, rules: Rules, standings: list[Standing], ledger: Ledger, secret: int) -> None:
    """Write `results/site/` anew; the old one stays until the new one is complete.

    Args:
        results: The results folder; the pages show what lies in it and what the ledger says.
        secret: Of the results folder; the pseudonyms are drawn from it.
    """
    for left in results.glob(".site-*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=".site-", dir=results))
    try:
        for folder in ("assets/images", "submissions"):
            (temporary / folder).mkdir(parents=True)
        write_assets(temporary / "assets")
        write_pages(temporary, results, rules, standings, ledger, secret)
        (temporary / ".nojekyll").touch()
        os.chmod(temporary, 0o755)
        swap(temporary, results / "site")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_pages(
    site: Path, results: Path, rules: Rules, standings: list[Standing], ledger: Ledger, secret: int
) -> None:
    entries = [standing.entry for standing in standings]
    pages = Pages(site, results, rules, entries, ledger, secret)
    curves = write_submissions(site, results, pages, standings, ledger)
    (site / "index.html").write_text(pages.leaderboard(entries, curves), encoding="utf-8")


def swap(new: Path, place: Path) -> None:
    """Put a folder in the place of another; what was there is gone, or under the new one's old name."""
    if not place.exists():
        new.rename(place)
    elif not exchange(new, place):  # then there is a moment without either
        old = new.with_name(f"{new.name}-old")
        place.rename(old)
        new.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def exchange(first: Path, second: Path) -> bool:
    """Let two folders change names, in one step; False where the system has no such step (it is Linux's renameat2)."""
    function = getattr(ctypes.CDLL(None), "renameat2", None)
    if function is None:
        return False
    here, exchanging = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return function(here, os.fsencode(first), here, os.fsencode(second), exchanging) == 0
