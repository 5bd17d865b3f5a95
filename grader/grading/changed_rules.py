"""Other rules for what was graded: they take verdicts anew, and never on other images."""

from pathlib import Path

from grader.ledger.results_folder import OpenResults
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from project.support.errors import UserError


def on_the_same_images(file: Path, opened: OpenResults, option: str = "--rules") -> Rules:
    """The rules in a file, on the images that were graded on. Raises UserError where the file names others."""
    rules = Rules.load(file)
    try:
        before = opened.rules
    except UserError:  # damaged, and to be written anew: the ledger knows the images
        same = opened.ledger.last_images() in (None, images_key(rules, opened.secret))
    else:
        rules = rules.with_images_of(before)
        same = (rules.dataset, rules.monitor_fraction) == (before.dataset, before.monitor_fraction)
    if not same:
        said = "names other images, or another split; `python -m grader run` trains and scores on them"
        raise UserError(f"{option} {file}: {said}")
    return rules
