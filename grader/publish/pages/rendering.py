"""From entries and results to the text of each page."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from safetensors import SafetensorError

from grader.apart import Apart, Failed
from grader.grading.ranking import Entry, band, decision
from grader.grading.strategy_contributions import contributions
from grader.grading.verdicts import checks_by, verdict
from grader.ledger.ledger import Graded
from grader.ledger.measurement import drawing
from grader.ledger.results_folder import OpenResults
from grader.publish import canvas, feedback, moodle
from grader.publish.pages.pictures import write_picture
from grader.publish.pages.texts import NOT_SHOWN, Texts
from grader.publish.pseudonyms import shown_names
from grader.publish.public_words import public, public_census, public_reason
from grader.publish.veil import Person
from project.support.errors import note

ON_THE_LEADERBOARD = (
    "rank verdict tier accuracy accuracy_low accuracy_high epochs_to_target seconds parameters strategies bonus total"
    " excellent"
).split()

Curves = dict[str, list[float | None]]  # of each student, the validation accuracy by epoch


class Pages:
    """All pages of one results folder, with entries in this order. The images that they show go into `site`'s assets."""

    def __init__(self, site: Path, opened: OpenResults, entries: list[Entry]):
        self.site, self.opened, self.rules = site, opened, opened.rules
        self.entries, shown = {entry.student: public(entry) for entry in entries}, self.rules.site.names
        arrived = opened.ledger.in_order_of_arrival()
        self.names = shown_names(entries, shown, opened.secret, arrived)
        # Names of files: a student's own name may be anything, an id is safe.
        self.slugs = shown_names(entries, "id" if shown == "name" else shown, opened.secret, arrived)
        self.people = {e.student: person(e) for e in entries} if shown == "pseudonym" else {}
        graded_at = datetime.now().astimezone()
        self.labels_shown = self.rules.labels_shown(graded_at)
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("grader.publish.pages"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.policies["json.dumps_kwargs"] = {"allow_nan": False}  # and families stay in their order
        environment.globals |= {
            "rules": self.rules,
            "device": opened.ledger.devices(),
            "versions": opened.ledger.circumstances().get("versions", {}),
            "percent": percent,
            "graded_at": graded_at.isoformat(" ", "minutes"),
        }
        self.page = {name: environment.get_template(f"{name}.html") for name in ("leaderboard", "submission")}

    def leaderboard(self, curves: Curves) -> str:
        """The first page."""
        entries = [*self.entries.values()]
        return self.page["leaderboard"].render(
            root="",
            data={
                "entries": [self.row(entry, curves[entry.student]) for entry in entries],
                "target": self.rules.target_accuracy,
            },
            strategies={
                family: sorted({name for entry in entries for name in entry.strategies.get(family, ())})
                for family in self.rules.families
            },
            verdicts=Counter(entry.verdict for entry in entries),
        )

    def row(self, entry: Entry, curve: list[float | None]) -> dict[str, Any]:
        """What the leaderboard's page shows of an entry: neither id nor name but the shown one, and no reason."""
        return {name: getattr(entry, name) for name in ON_THE_LEADERBOARD} | {
            "name": self.names[entry.student],
            "page": f"submissions/{self.slugs[entry.student]}.html",
            "band": band(entry),
            "flags": len(entry.flags),
            "curve": [None if accuracy is None else round(accuracy, 4) for accuracy in curve],  # as a chart can show it
        }

    def write_submissions(self) -> Curves:
        """Write the page of every submission, and return the curves that the leaderboard shows."""
        curves: Curves = {}
        with Apart("grader.publish.pages.texts") as apart:
            for graded in self.opened.ledger.graded(checks_by(self.rules)):
                page, curves[graded.student] = self.submission(graded, self.texts(graded, apart))
                (self.site / "submissions" / f"{self.slugs[graded.student]}.html").write_text(page, encoding="utf-8")
        return curves

    def texts(self, graded: Graded, apart: Apart) -> Texts:
        """Report, conclusion and notebooks as HTML, where the rules let them be shown."""
        if not self.rules.site.reports:
            return {"parts": {}, "notebooks": []}
        try:
            author = self.people.get(graded.student)
            others = [each for student, each in self.people.items() if student != graded.student]
            found: Texts = apart.call("texts", str(self.opened.folder.absolute()), graded.digest, author, others)
            return found
        except Failed as error:
            note(f"{graded.student}: the page is without report and conclusion: reading them {error}")
            return NOT_SHOWN

    def submission(self, graded: Graded, texts: Texts) -> tuple[str, list[float | None]]:
        """The page of a submission, and its curve on the leaderboard: validation accuracy by epoch, of the median."""
        entry = self.entries[graded.student]
        measured = list(graded.measurements.values())
        trained = [measurement for measurement in measured if measurement.accuracy is not None]
        drawings = [drawing(self.opened.folder, measurement.folder) for measurement in trained]
        ranked = verdict(graded, self.rules).ranked
        seen = ranked or next((measurement for measurement in measured if measurement.strategies), None)
        middle = None if ranked is None else trained.index(ranked)
        drawn = {} if middle is None else drawings[middle]
        labels = drawn if self.labels_shown else {}
        variants = self.opened.ledger.variants(graded)
        seconds = max((each.seconds or 0 for each in measured), default=0)
        memory = max((each.peak_memory or 0 for each in measured), default=0)
        page = self.page["submission"].render(
            root="../",
            name=self.names[graded.student],
            entry=entry,
            said=feedback.TEXTS["en"],
            advice=feedback.advice(entry),
            decision=decision(entry),
            trained=trained,
            census=public_census(seen.strategies if seen else {}, entry.tier),
            limits=[  # unit, what the hungriest training used, what it may use
                ("minutes", seconds / 60, self.rules.limits.minutes),
                ("GB of memory", memory / 1e9, self.rules.limits.memory_gb),
            ],
            mistakes=self.mistakes(graded.student, labels),
            texts=texts["parts"],
            notebooks=texts["notebooks"],
            data={
                "target": self.rules.target_accuracy,
                "curves": [each.get("curves", []) for each in drawings],
                "middle": middle,
                "classes": labels.get("classes", []),
                "confusion": labels.get("confusion", []),
                "contributions": [
                    row | {"reason": public_reason(row["reason"])}
                    for row in (contributions(variants, trained, list(self.rules.families)) if trained else [])
                ],
            },
        )
        return page, ranked.val_accuracy if ranked else []

    def mistakes(self, student: str, drawn: dict[str, Any]) -> list[dict[str, Any]]:
        """The mistakes that the network was surest of, each with its image; none where the images are gone or damaged."""
        images = self.opened.folder / drawn.get("scoring", "") / "test.safetensors"
        if not images.is_file():
            return []
        folder, secret = self.site / "assets" / "images", self.opened.secret
        try:
            return [
                mistake | {"file": write_picture(folder, images, secret, drawn["scoring"], mistake["image"])}
                for mistake in drawn["mistakes"][: self.rules.site.mistakes]
            ]
        except (SafetensorError, IndexError, ValueError, TypeError) as error:
            note(f"{student}: the page is without images: {images} is damaged ({error})")
            return []


def person(entry: Entry) -> Person:
    """Who an entry is about, as far as it is known: by the name of what was downloaded, too."""
    number = canvas.number(entry) or moodle.number(entry)
    return Person(
        entry.student, entry.name, tuple(filter(None, (number, entry.source.rpartition(".")[0] or entry.source)))
    )


def percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"
