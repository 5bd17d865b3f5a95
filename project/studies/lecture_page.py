"""The lecture's page, built from its results: `python -m project.studies.lecture_page`; `--measure` makes these anew first."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from project.studies.lecture_results import PARTS, Grid, LectureResults, Penalties, measured
from project.studies.study_page import filled
from project.support.errors import UserError, exit_status
from project.support.files import output, write_atomically
from project.training.command_line import quieten

FOLDER = Path("docs/lecture")
TEMPLATE, TEXTS = (Path(__file__).with_name(name) for name in ("lecture_page.html", "lecture_texts.yaml"))

CLAIMS = {"en": FOLDER / "claims.md", "ko": FOLDER / "claims.ko.md"}
# Of their tables: `| Claim. ([study](file), 8 seeds) | metric:<br>`comparison` | number | **seen**<br>p = 0.01 |`
ROW = re.compile(
    r"\| (?P<claim>.*) \(\[(?P<study>\w+)\]\([^)]*\), (?P<seeds>[^)]*)\) "
    r"\| (?P<expected>.*) \| (?P<found>.*) \| \*\*(?P<verdict>.*)\*\*(?:<br>)?(?P<p>.*) \|"
)


def main(args: Sequence[str]) -> int:
    """Build the page, from results that are measured first where this is asked for."""
    parser = argparse.ArgumentParser(prog="python -m project.studies.lecture_page", description=__doc__)
    told = "train what the page shows, and write results.json; with names only these parts of it"
    parser.add_argument("--measure", nargs="*", choices=PARTS, help=told)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of results.json and index.html (%(default)s)")
    parser.add_argument("--studies", type=Path, default=Path("studies"), help="where trainings are kept (%(default)s)")
    options = parser.parse_args(args)
    results, page_path = options.out / "results.json", options.out / "index.html"
    with output("--out", options.out):
        options.out.mkdir(parents=True, exist_ok=True)
    if options.measure is not None:
        quieten()
        kept = read_results(results) if options.measure else None
        made = measured(options.studies, kept, options.measure or PARTS)
        write_atomically(results, made.model_dump_json(exclude_none=True) + "\n")
    write_atomically(page_path, page(read_results(results)))
    print(f"{page_path}  {page_path.stat().st_size / 1e3:.0f} kB")
    return 0


def read_results(path: Path) -> LectureResults:
    """The results. Raises UserError where they cannot be read."""
    try:
        return LectureResults.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); --measure makes it") from None
    except ValidationError as error:
        raise UserError(f"{path}: {error.errors()[0]['msg']}; --measure makes it anew") from None


def page(results: LectureResults) -> str:
    """The page as HTML, in English and Korean."""
    return filled(TEMPLATE, page_data(results))


def claims(path: Path) -> list[dict[str, Any]]:
    """The lecture's claims as `python -m benchmarks lecture` writes them: units, each with rows of what its table says.

    Raises UserError where they cannot be read.
    """
    units: list[dict[str, Any]] = []
    for line in reading(path).splitlines():
        if line.startswith("## "):
            units.append({"unit": line.removeprefix("## "), "rows": []})
        elif units and (row := ROW.fullmatch(line)):
            said: dict[str, Any] = row.groupdict()
            units[-1]["rows"].append({**said, **{name: said[name].split("<br>") for name in ("expected", "found")}})
    return units


def told_claims() -> dict[str, list[dict[str, Any]]]:
    """The claims by language, each with its `outcome`, the verdict in English, and each unit with how many were `seen`."""
    told = {language: claims(path) for language, path in CLAIMS.items()}
    for units in told.values():
        for unit, english in zip(units, told["en"], strict=True):
            for row, same in zip(unit["rows"], english["rows"], strict=True):
                row["outcome"] = same["verdict"]
            unit["seen"] = sum(row["outcome"] == "seen" for row in unit["rows"])
    return told


def reading(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); `python -m benchmarks lecture` makes it") from None


def page_data(results: LectureResults) -> dict[str, Any]:
    """What the page shows, as plain values."""
    texts = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    shown: dict[str, Grid | Penalties] = {**results.grids, "penalties": results.penalties}
    for idea in texts["ideas"]:
        idea["commands"] = [shown[idea["name"]].command] if idea["name"] in shown else []
    return {**texts, "claims": told_claims(), **results.model_dump(exclude_none=True)}


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
