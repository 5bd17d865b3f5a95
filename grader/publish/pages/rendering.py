"""From entries and results to the text of each page."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from grader.grading.contributions import contributions
from grader.grading.ranking import Entry, Standing, band, decision
from grader.grading.verdicts import verdict
from grader.ledger.ledger import Graded, Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.submission_store import kept, kept_text
from grader.publish import explanations as words
from grader.publish.markdown import rendered
from grader.publish.pages.pictures import Pictures
from grader.publish.pseudonyms import shown_names
from grader.rules import Rules

ON_THE_LEADERBOARD = (
    *("rank", "verdict", "tier", "accuracy", "accuracy_low", "accuracy_high", "epochs_to_target", "seconds"),
    *("parameters", "strategies", "bonus", "total", "excellent"),
)
TEXTS = {"Report": "REPORT.md", "Conclusion": "CONCLUSION.md"}


class Pages:
    """All pages of one results folder.

    Args:
        site: The folder of the pages; the images that they show are written into its assets.
        results: The results folder.
        entries: All of them.
        secret: Of the results folder; the pseudonyms are drawn from it.
    """

    def __init__(self, site: Path, results: Path, rules: Rules, entries: list[Entry], ledger: Ledger, secret: int):
        self.results, self.rules, self.ledger = results, rules, ledger
        self.pictures = Pictures(results, site / "assets" / "images", secret)
        self.names = shown_names(entries, rules.site.names, secret)
        # Names of files: a student's own name may be anything, an id is safe.
        self.slugs = shown_names(entries, "id" if rules.site.names == "name" else rules.site.names, secret)
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
            "device": ledger.devices(),
            "versions": ledger.circumstances().get("versions", {}),
            "percent": percent,
            "graded_at": datetime.now().astimezone().isoformat(" ", "minutes"),
        }
        self.page = {name: environment.get_template(f"{name}.html") for name in ("leaderboard", "submission")}

    def leaderboard(self, entries: list[Entry], curves: dict[str, list[float | None]]) -> str:
        """The first page.

        Args:
            entries: In the order in which they are shown.
            curves: Of each student with an accuracy, the validation accuracy by epoch.
        """
        strategies = {
            family: sorted({name for entry in entries for name in entry.strategies.get(family, ())})
            for family in self.rules.families
        }
        verdicts: dict[str, int] = {}
        for entry in entries:
            verdicts[entry.verdict] = verdicts.get(entry.verdict, 0) + 1
        rows = [self.row(entry, curves.get(entry.student, [])) for entry in entries]
        data = {"entries": rows, "target": self.rules.target_accuracy}
        return self.page["leaderboard"].render(root="", data=data, strategies=strategies, verdicts=verdicts)

    def row(self, entry: Entry, curve: list[float | None]) -> dict[str, Any]:
        """What the leaderboard's page knows of an entry: no id and no name but the shown one, and no reason."""
        return {name: getattr(entry, name) for name in ON_THE_LEADERBOARD} | {
            "name": self.names[entry.student],
            "page": f"submissions/{self.slugs[entry.student]}.html",
            "band": band(entry),
            "flags": len(entry.flags),
            "curve": curve,
        }

    def submission(self, standing: Standing, graded: Graded) -> tuple[str, list[float | None]]:
        """The page of a submission, and its curve on the leaderboard: validation accuracy by epoch, of the median seed."""
        entry = standing.entry
        files = kept(self.results, graded.digest) if self.rules.site.reports else {}
        texts = {title: rendered(kept_text(files, name)) for title, name in TEXTS.items() if name in files}
        trained = [m for m in graded.measurements.values() if m.accuracy is not None]
        drawings = [self.drawn(measurement) for measurement in trained]
        ranked = verdict(graded, self.rules).ranked
        middle = None if ranked is None else trained.index(ranked)
        drawn = {} if middle is None else drawings[middle]
        variants = self.ledger.variants(graded)
        page = self.page["submission"].render(
            root="../",
            name=self.names[entry.student],
            entry=entry.model_copy(
                update={
                    "reason": self.veiled(entry, entry.reason),
                    "flags": [self.veiled(entry, flag) for flag in entry.flags],
                }
            ),
            words=words,
            decision=decision(entry),
            trained=trained,
            census={} if ranked is None else ranked.strategies,
            limits=self.limits(list(graded.measurements.values())),
            mistakes=list(self.mistakes(drawn)),
            texts=texts,
            points=standing.points,
            data={
                "target": self.rules.target_accuracy,
                "curves": [drawing.get("curves", []) for drawing in drawings],
                "middle": middle,
                "classes": drawn.get("classes", []),
                "confusion": drawn.get("confusion", []),
                "contributions": contributions(variants, trained, self.rules.families) if trained else [],
            },
        )
        return page, accuracies(drawn.get("curves", []))

    def veiled(self, entry: Entry, text: str) -> str:
        """A text of the grader's without the student's id and name, where these are not to be shown."""
        if self.rules.site.names != "pseudonym":
            return text
        for known in (entry.name, entry.student):
            text = text.replace(known, self.slugs[entry.student]) if len(known) > 2 else text
        return text

    def drawn(self, measurement: Measurement) -> dict[str, Any]:
        """What the grader left of a training for pictures; empty for one that has left nothing."""
        try:
            return json.loads((self.results / measurement.folder / "to_draw.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def limits(self, measured: list[Measurement]) -> list[dict[str, Any]]:
        """Of each limit that is measured, how much the hungriest training used."""
        seconds = [m.seconds for m in measured if m.seconds]
        memory = [m.peak_memory for m in measured if m.peak_memory]
        found = []
        if seconds:
            found.append({"name": "minutes", "used": max(seconds) / 60, "limit": self.rules.limits.minutes})
        if memory:
            found.append({"name": "GB of memory", "used": max(memory) / 1e9, "limit": self.rules.limits.memory_gb})
        return found

    def mistakes(self, drawn: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The mistakes of which it was most sure, each with its image; none where the images are gone."""
        for mistake in drawn.get("mistakes", [])[: self.rules.site.mistakes]:
            if image := self.pictures.name(drawn["scoring"], mistake["image"]):
                yield {
                    "label": drawn["classes"][mistake["label"]],
                    "predicted": drawn["classes"][mistake["predicted"]],
                    "share": mistake["share"],
                    "image": image,
                }


def accuracies(curves: Iterable[dict[str, float | None]]) -> list[float | None]:
    """The validation accuracies of a training's epochs, as exactly as a chart needs them."""
    return [None if row["val/accuracy"] is None else round(row["val/accuracy"], 4) for row in curves]


def percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"
