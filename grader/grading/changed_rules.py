"""Other rules for what was graded: they take verdicts anew, and never on other images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from grader.ledger.results_folder import RULES_FILE, OpenResults
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from grader.safe_text import printable
from project.support.errors import UserError


def on_the_same_images(file: Path, opened: OpenResults, option: str = "--rules") -> Rules:
    """The rules in a file, on the images that were graded on. Raises UserError where the file names others."""
    rules = Rules.load(file)
    if (before := opened.kept_rules) is None:  # to be written anew: the ledger knows the images
        same = opened.ledger.last_images() in (None, images_key(rules, opened.secret))
    else:
        rules = rules.with_images_of(before)
        same = (rules.dataset, rules.monitor_fraction) == (before.dataset, before.monitor_fraction)
    if not same:
        said = "names other images, or another split; `python -m grader run` trains and scores on them"
        raise UserError(f"{option} {file}: {said}")
    return rules


def rule_changes(before: Rules | None, after: Rules) -> list[str]:
    """A line for each rule that is another one now, and whether that is so only because the file leaves it out."""
    if before is None:
        return []
    old = {name: value for name, value, _ in leaves(before)}
    return [
        f"rule    {name} {old[name]} -> {value}" + ("" if named else ", the default: the file leaves it out")
        for name, value, named in leaves(after)
        if old[name] != value and not name.startswith("dataset")
    ]


def check_same_rules(rules: Rules, file: Path, results: Path) -> None:
    """Raise UserError where results were graded by other rules than those of a file that nobody named."""
    kept = results / RULES_FILE
    try:
        before = Rules.load(kept)
    except UserError:  # of an earlier version: written anew
        return
    changes = rule_changes(before, rules) or (["rule    dataset"] if before.dataset != rules.dataset else [])
    if changes:
        more = f", and {len(changes) - 1} more" if changes[1:] else ""
        raise UserError(
            f"{results}: is graded by other rules than {file}: {changes[0].split(None, 1)[1]}{more}; "
            f"--rules {kept} keeps them, --rules {file} takes these"
        )


def leaves(section: BaseModel, above: str = "", named: bool = True) -> Iterator[tuple[str, str, bool]]:
    """Each rule by its name in the file, such as `site.best`, its value, and whether the file names it."""
    for name, info in type(section).model_fields.items():
        value, own = getattr(section, name), named and name in section.model_fields_set
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{above}{name}.", own)
        else:
            yield f"{above}{name}", printable(as_written(value, info.annotation), 300), own


def as_written(value: Any, kind: Any) -> str:
    return TypeAdapter(kind).dump_json(value).decode().strip('"')
