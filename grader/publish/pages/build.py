"""From standings to a folder of pages: beside the old one until it is complete, then in its place."""

import ctypes
import os
import shutil
import tempfile
from pathlib import Path

from grader.grading.ranking import Entry
from grader.ledger.results_folder import OpenResults
from grader.publish.pages.assets import write_assets
from grader.publish.pages.rendering import FOLDERS, Pages
from grader.publish.release import SITE, place_to_publish


def build(opened: OpenResults, entries: list[Entry]) -> None:
    """Write `site/` anew, where what is published belongs now, with entries in this order; until it is complete, the old one stays.

    Only one process may do so at a time (`grader.publish.publishing.publishing`).
    """
    for left in opened.folder.glob(".site-*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=opened.folder, ignore_cleanup_errors=True) as name:
        site = Path(name)
        for folder in ("assets/images", *(f"{folder}/submissions".lstrip("/") for folder in FOLDERS.values())):
            (site / folder).mkdir(parents=True)
        write_assets(site / "assets")
        Pages(site, opened, entries).write()
        (site / ".nojekyll").touch()
        site.chmod(0o755)
        swap(site, place_to_publish(opened) / SITE)


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
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    here, exchanging = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(renameat2(here, os.fsencode(first), here, os.fsencode(second), exchanging) == 0)
