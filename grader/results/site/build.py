"""From standings to pages."""

import base64
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image
from torch import Tensor

from grader.rerun.result import Result
from grader.results import words
from grader.results.archive import kept, kept_text
from grader.results.ledger import Ledger
from grader.results.markdown import rendered
from grader.results.pseudonyms import shown_names
from grader.results.ranking import Entry, Standing, median
from grader.results.site.assets import write_assets
from grader.results.variants import contributions
from project.assignment import Assignment
from project.data.sources import TensorFolder

ON_THE_LEADERBOARD = (
    *("rank", "verdict", "tier", "accuracy", "accuracy_low", "accuracy_high", "epochs_to_target", "seconds"),
    *("parameters", "strategies", "bonus", "total", "excellent"),
)
TEXTS = {"Report": "REPORT.md", "Conclusion": "CONCLUSION.md"}


def build(results: Path, rules: Assignment, standings: list[Standing], ledger: Ledger, secret: int) -> None:
    """Write `results/site/` anew; the old one stays until the new one is complete.

    Args:
        results: The results folder; the pages show what lies in it and what the ledger says.
        secret: Of the results folder; the pseudonyms are drawn from it.
    """
    for left in results.glob(".site-*"):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=".site-", dir=results))
    try:
        for folder in ("assets", "submissions"):
            (temporary / folder).mkdir()
        write_assets(temporary / "assets")
        site = Site(results, rules, standings, ledger, secret)
        (temporary / "index.html").write_text(site.leaderboard(), encoding="utf-8")
        for standing in standings:
            path = temporary / "submissions" / f"{site.slugs[standing.entry.student]}.html"
            path.write_text(site.submission(standing), encoding="utf-8")
        (temporary / ".nojekyll").touch()
        os.chmod(temporary, 0o755)
        swap(temporary, results / "site")
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def swap(new: Path, place: Path) -> None:
    """Put a folder in the place of another."""
    old = new.with_name(f"{new.name}-old")
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


class Site:
    """All pages of one results folder."""

    def __init__(self, results: Path, rules: Assignment, standings: list[Standing], ledger: Ledger, secret: int):
        self.results, self.rules, self.standings, self.ledger = results, rules, standings, ledger
        self.images: dict[Path, Tensor] = {}
        self.data_uris: dict[tuple[Path, int], str] = {}  # many submissions mistake the same images
        entries = [standing.entry for standing in standings]
        self.names = shown_names(entries, rules.site.names, secret)
        # Names of files: a student's own name may be anything, an id is safe.
        self.slugs = shown_names(entries, "id" if rules.site.names == "name" else rules.site.names, secret)
        circumstances = ledger.circumstances()
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # and families stay in their order
        environment.globals |= {
            "rules": rules,
            "device": circumstances.get("device", ""),
            "versions": circumstances.get("versions", {}),
            "graded_at": datetime.now().astimezone().isoformat(" ", "minutes"),
        }
        self.page = {name: environment.get_template(f"{name}.html") for name in ("leaderboard", "submission")}

    def veiled(self, entry: Entry, text: str) -> str:
        """A text of the grader's without the student's id and name, where these are not to be shown."""
        if self.rules.site.names != "pseudonym":
            return text
        for known in (entry.name, entry.student):
            text = text.replace(known, self.slugs[entry.student]) if len(known) > 2 else text
        return text

    def leaderboard(self) -> str:
        entries = [self.row(standing) for standing in self.standings]
        strategies: dict[str, list[str]] = {
            family: sorted({name for standing in self.standings for name in standing.entry.strategies.get(family, ())})
            for family in self.rules.families
        }
        verdicts: dict[str, int] = {}
        for standing in self.standings:
            verdicts[standing.entry.verdict] = verdicts.get(standing.entry.verdict, 0) + 1
        data = {"entries": entries, "target": self.rules.target_accuracy}
        return self.page["leaderboard"].render(root="", data=data, strategies=strategies, verdicts=verdicts)

    def row(self, standing: Standing) -> dict[str, Any]:
        """What the leaderboard's page knows of an entry: no id and no name but the shown one, and no reason."""
        entry = standing.entry
        drawn = self.drawn(median(standing.results)) if entry.accuracy is not None else {}
        curve = [
            None if row["val/accuracy"] is None else round(row["val/accuracy"], 4) for row in drawn.get("curves", [])
        ]
        return {name: getattr(entry, name) for name in ON_THE_LEADERBOARD} | {
            "name": self.names[entry.student],
            "page": f"submissions/{self.slugs[entry.student]}.html",
            "band": words.band(entry),
            "flags": len(entry.flags),
            "curve": curve,
        }

    def submission(self, standing: Standing) -> str:
        entry = standing.entry
        files = kept(self.results, standing.digest) if self.rules.site.reports else {}
        texts = {title: rendered(kept_text(files, name)) for title, name in TEXTS.items() if name in files}
        trained = [result for result in standing.results if result.accuracy is not None]
        middle = median(trained) if entry.accuracy is not None else None
        drawn = self.drawn(middle) if middle else {}
        variants = self.ledger.variants(standing.digest, standing.rules)
        return self.page["submission"].render(
            root="../",
            name=self.names[entry.student],
            entry=replace(
                entry, reason=self.veiled(entry, entry.reason), flags=[self.veiled(entry, flag) for flag in entry.flags]
            ),
            words=words,
            trained=trained,
            census=drawn.get("census", {}),
            limits=self.limits(standing.results),
            mistakes=list(self.mistakes(drawn)),
            texts=texts,
            bonus=standing.bonus,
            data={
                "target": self.rules.target_accuracy,
                "curves": [self.drawn(result).get("curves", []) for result in trained],
                "middle": trained.index(middle) if middle else None,
                "classes": drawn.get("classes", []),
                "confusion": drawn.get("confusion", []),
                "contributions": contributions(variants, trained, self.rules.families) if trained else [],
            },
        )

    def drawn(self, result: Result) -> dict[str, Any]:
        """What the grader left of a training for pictures; empty for one that has left nothing."""
        try:
            return json.loads((self.results / result.details["folder"] / "to_draw.json").read_text(encoding="utf-8"))
        except (KeyError, FileNotFoundError):
            return {}

    def limits(self, results: list[Result]) -> list[dict[str, Any]]:
        """Of each limit that is measured, how much the hungriest training used."""
        seconds = [result.seconds for result in results if result.seconds]
        memory = [result.details["peak_memory"] for result in results if result.details.get("peak_memory")]
        found = []
        if seconds:
            found.append({"name": "minutes", "used": max(seconds) / 60, "limit": self.rules.limits.minutes})
        if memory:
            found.append({"name": "GB of memory", "used": max(memory) / 1e9, "limit": self.rules.limits.memory_gb})
        return found

    def mistakes(self, drawn: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The mistakes of which it was most sure, each with its image as a data URI."""
        found = drawn.get("mistakes", [])[: self.rules.site.mistakes]
        if not found or not (scoring := self.scoring(drawn)):
            return
        for mistake in found:
            yield {
                "label": drawn["classes"][mistake["label"]],
                "predicted": drawn["classes"][mistake["predicted"]],
                "share": mistake["share"],
                "image": self.data_uri(scoring, mistake["image"]),
            }

    def data_uri(self, scoring: Path, index: int) -> str:
        if (scoring, index) not in self.data_uris:
            self.data_uris[scoring, index] = data_uri(self.images[scoring][index])
        return self.data_uris[scoring, index]

    def scoring(self, drawn: dict[str, Any]) -> Path | None:
        """The folder of the images that scored, read once; None where it is gone."""
        folder = self.results / drawn["scoring"]
        if folder not in self.images:
            if not folder.exists():
                return None
            self.images[folder] = TensorFolder(str(folder)).load("test").images_NHWC
        return folder


def data_uri(image_HWC: Tensor) -> str:
    """A PNG of an image (H, W, C), uint8, C 1 or 3, within its own address."""
    file = io.BytesIO()
    pixels = image_HWC.numpy()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
