"""From entries and results to the text of each page."""

import statistics
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from safetensors import SafetensorError

from grader.apart import Apart, Failed
from grader.grading.boards import board
from grader.grading.class_list import class_list
from grader.grading.kept_roster import kept_roster
from grader.grading.personal_rules import open_until
from grader.grading.ranking import Entry, band, decision, judged
from grader.grading.readings import by_criterion
from grader.grading.strategy_contributions import Contribution, contributions
from grader.grading.verdicts import verdict
from grader.grading.withdrawals import veiled_words
from grader.intake.veil import Person, veiled
from grader.ledger.measurement import drawing
from grader.ledger.results_folder import OpenResults
from grader.ledger.submissions import Graded
from grader.publish import feedback
from grader.publish.pages.languages import (
    BOARDS,
    LANGUAGES,
    OBSTACLES,
    of_scripts,
    translated,
    translated_html,
    unbroken,
)
from grader.publish.pages.pictures import write_picture
from grader.publish.pages.texts import NOT_SHOWN, Texts
from grader.publish.practice_view import as_public, in_full, quota_in_words, quotas
from grader.publish.pseudonyms import shown_names
from grader.publish.public_korean import in_language
from grader.publish.public_words import public, public_census, public_reason
from grader.publish.told_korean import told, told_evidence
from project.support.errors import note
from project.training.obstacles import Obstacle, obstacles

ON_THE_LEADERBOARD = (
    "rank verdict tier accuracy accuracy_low accuracy_high epochs_to_target seconds parameters strategies bonus total"
    " excellent staff moved"
).split()

FOLDERS = {"en": "", "ko": "ko"}  # where the pages of each language are
Curves = dict[str, list[float | None]]  # of each student, the validation accuracy by epoch


class Pages:
    """All pages of one results folder, with entries in this order. The images that they show go into `site`'s assets."""

    def __init__(self, site: Path, opened: OpenResults, entries: list[Entry]):
        self.site, self.opened, self.rules = site, opened, opened.rules
        self.in_full, shown = in_full(opened), self.rules.site.names
        self.entries = {entry.student: public(entry) for entry in as_public(entries, opened)}
        self.quotas = quotas(opened, entries)
        scored = [entry.accuracy for entry in entries if entry.accuracy is not None and not entry.staff]
        self.of_class = {"ranked": len(scored), "class_median": statistics.median(scored) if scored else None}
        self.names = shown_names(entries, shown, opened.secret, opened.ledger)
        # Names of files: a student's own name may be anything, an id is safe.
        self.slugs = shown_names(entries, "id" if shown == "name" else shown, opened.secret, opened.ledger)
        self.people = self.class_list(entries) if shown == "pseudonym" else {}
        extended = open_until(self.rules, opened.ledger.terms().values())
        self.labels_shown = self.rules.labels_shown(datetime.now().astimezone(), extended)
        graded_at = datetime.fromisoformat(opened.ledger.graded_at()).astimezone()
        about = {
            "rules": self.rules,
            "device": opened.ledger.devices(),
            "versions": opened.ledger.circumstances().get("versions", {}),
            "percent": percent,
            "graded_at": graded_at.isoformat(" ", "minutes"),
        }
        self.page = {
            (name, language): environment(language).get_template(f"{name}.html", globals=about)
            for name in ("leaderboard", "submission", "board")
            for language in LANGUAGES
        }

    def write(self) -> None:
        """Write every page in every language."""
        curves = self.write_submissions() if self.in_full else {student: [] for student in self.entries}
        for language in LANGUAGES:
            self.place(language, "index.html").write_text(self.leaderboard(curves, language), encoding="utf-8")
            for column in self.rules.site.boards if self.in_full else ():
                page = f"{column}.html"
                self.place(language, page).write_text(self.board(column, page, language), encoding="utf-8")

    def place(self, language: str, page: str) -> Path:
        """Where a page is in a language: at the root, or in a folder of its own."""
        return self.site / FOLDERS[language] / page

    def leaderboard(self, curves: Curves, language: str) -> str:
        """The first page."""
        entries = [*self.entries.values()]
        # What students handed in, that of a group once.
        handed_in = [each for each in entries if each.digest and not each.staff]
        return self.page["leaderboard", language].render(
            **ways("index.html", language),
            data={
                "entries": [
                    self.row(entry, curves[entry.student])
                    | {"order": at, "practice": self.practice(entry.student, language, brief=True)}
                    for at, entry in enumerate(entries)
                ],
                "target": self.rules.target_accuracy,
            },
            strategies={
                family: sorted({name for entry in entries for name in entry.strategies.get(family, ())})
                for family in self.rules.families
            },
            boards={
                f"{column}.html": translated(BOARDS[column], language)
                for column in self.rules.site.boards
                if self.in_full
            },
            verdicts=Counter(entry.verdict for entry in entries),
            count=len({each.carrier for each in handed_in}),
            passed=len({each.carrier for each in handed_in if each.verdict == "passed"}),
            in_full=self.in_full,
        )

    def practice(self, student: str, language: str, brief: bool = False) -> str:
        """What is left of practice for a student; empty where nothing limits it."""
        found = self.quotas.get(student)
        return unbroken(quota_in_words(found, language, brief)) if found else ""

    def board(self, column: str, page: str, language: str) -> str:
        """The page of those who passed, by another column."""
        rows = [
            self.row(place.entry, []) | {"rank": place.rank, "value": in_column(place.value)}
            for place in board([*self.entries.values()], column)
        ]
        heading = translated(BOARDS[column], language).format(target=self.rules.target)
        return self.page["board", language].render(**ways(page, language), data={}, rows=rows, heading=heading)

    def row(self, entry: Entry, curve: list[float | None]) -> dict[str, Any]:
        """What the leaderboard's page shows of an entry: neither id nor name but the shown one, and no reason."""
        return {name: getattr(entry, name) for name in ON_THE_LEADERBOARD} | {
            "name": self.names[entry.student],
            "page": f"submissions/{self.slugs[entry.student]}.html" if self.in_full else "",
            "band": band(entry),
            "flags": len(entry.flags),
            "curve": [None if accuracy is None else round(accuracy, 4) for accuracy in curve],  # as a chart can show it
        }

    def write_submissions(self) -> Curves:
        """Write the page of every submission, and return the curves that the leaderboard shows."""
        curves: Curves = {}
        with Apart("grader.publish.pages.texts") as apart:
            for graded, _ in judged(self.opened.ledger, self.rules):
                name = f"submissions/{self.slugs[graded.student]}.html"
                pages, curves[graded.student] = self.submission(graded, self.texts(graded, apart), name)
                for language, page in pages.items():
                    self.place(language, name).write_text(page, encoding="utf-8")
        return curves

    def texts(self, graded: Graded, apart: Apart) -> Texts:
        """Report, conclusion and notebooks as HTML, where the rules let them be shown."""
        if not self.rules.site.reports:
            return {"parts": {}, "notebooks": []}
        try:
            author, others = self.author_and_others(graded.student)
            found: Texts = apart.call("texts", str(self.opened.folder.absolute()), graded.digest, author, others)
            return found
        except Failed as error:
            note(f"{graded.student}: the page is without report and conclusion: reading them {error}")
            return NOT_SHOWN

    def class_list(self, entries: list[Entry]) -> dict[str, tuple[Person, Person]]:
        return class_list(entries, kept_roster(self.opened.folder), veiled_words(self.opened))

    def author_and_others(self, student: str) -> tuple[Person | None, list[Person]]:
        """Whom a student's page must not name; nobody where pages go by names or ids."""
        author = self.people[student][0] if self.people else None
        return author, [told for each, (_, told) in self.people.items() if each != student]

    def submission(self, graded: Graded, texts: Texts, place: str) -> tuple[dict[str, str], list[float | None]]:
        """A submission's page by language, and its curve on the leaderboard: validation accuracy by epoch, of the median."""
        entry = self.entries[graded.student]
        measured = list(graded.measurements.values())
        trained = [measurement for measurement in measured if measurement.accuracy is not None]
        drawings = [drawing(self.opened.folder, each.folder) for each in trained or measured]
        ranked = verdict(graded, self.rules).ranked
        seen = ranked or next((measurement for measurement in measured if measurement.strategies), None)
        middle = None if ranked is None else trained.index(ranked)
        drawn = {} if middle is None else drawings[middle]
        labels = drawn if self.labels_shown else {}
        variants = self.opened.ledger.variants(graded)
        seconds = max((each.seconds or 0 for each in measured), default=0)
        memory = max((each.peak_memory or 0 for each in measured), default=0)
        curves = [each.get("curves", []) for each in drawings]
        scored = {index: each for index, each in graded.measurements.items() if each.accuracy is not None}
        contributed = contributions(variants, scored, list(self.rules.families)) if scored else []
        context = {
            "name": self.names[graded.student],
            "entry": entry,
            **self.of_class,
            "decision": decision(entry),
            "comment": self.comment(entry),
            "criteria": by_criterion(entry.points, self.rules) if entry.points else [],
            "trained": trained,
            "census": public_census(seen.strategies if seen else {}, entry.tier),
            "limits": [  # what the hungriest training used, what it may use
                ("{used} of {limit} minutes", seconds / 60, self.rules.limits.minutes),
                ("{used} of {limit} GB of memory", memory / 1e9, self.rules.limits.memory_gb),
            ],
            "mistakes": self.mistakes(graded.student, labels),
            "notebooks": texts["notebooks"],
        }
        data = {
            "target": self.rules.target_accuracy,
            "curves": curves,
            "middle": middle,
            "classes": labels.get("classes", []),
            "confusion": labels.get("confusion", []),
        }
        measured_on = curves[middle or 0] if curves else []
        pages = {}
        for language in LANGUAGES:
            pages[language] = self.page["submission", language].render(
                **context,
                data=data | {"contributions": labelled(contributed, language)},
                **ways(place, language),
                said=feedback.TEXTS[language],
                practice=self.practice(graded.student, language),
                advice=feedback.advice(entry, language),
                obstacles=in_words(obstacles(measured_on, self.rules.target_accuracy), language),
                texts={title: translated_html(html, language) for title, html in texts["parts"].items()},
            )
        return pages, ranked.val_accuracy if ranked else []

    def comment(self, entry: Entry) -> str:
        """What the reader of the texts said; without names, where pages go by pseudonyms."""
        said = str(entry.points["comment"]) if entry.points else ""
        author, others = self.author_and_others(entry.student)
        return veiled(said, author, others) if author else said

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


@cache
def environment(language: str) -> jinja2.Environment:
    """What templates are rendered in, compiled once: texts are in the language, and what is inserted is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("grader.publish.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.policies["json.dumps_kwargs"] = {"allow_nan": False}  # and families stay in their order
    made.globals |= {
        "language": language,
        "other": next(each for each in LANGUAGES if each != language),
        "words": of_scripts(language),
        "told": lambda text: unbroken(in_language(text, language)),
        "remarked": lambda text: told(text, "census", language),
        "shown_by": lambda text: told_evidence(text, language),
        "_": lambda text, **inserted: Markup(unbroken(Markup(translated(text, language)).format(**inserted))),
    }
    return made


def ways(page: str, language: str) -> dict[str, str]:
    """From a page in a language to the site's root, and to the same page in the other language."""
    other = next(folder for each, folder in FOLDERS.items() if each != language)
    root = "../" * (page.count("/") + bool(FOLDERS[language]))
    return {"root": root, "elsewhere": f"{root}{other}{'/' if other else ''}{page}"}


def in_words(found: list[Obstacle], language: str) -> list[tuple[str, str]]:
    """What was measured, and what helps; the latter empty where it was not in the way."""
    said = []
    for kind, numbers, in_the_way in found:
        measured, helps = OBSTACLES[kind]
        shown = {name: number_in_words(name, value) for name, value in numbers.items()}
        said.append(
            (unbroken(translated(measured, language).format(**shown)), translated(helps, language) * in_the_way)
        )
    return said


def labelled(rows: list[Contribution], language: str) -> list[dict[str, Any]]:
    """What each family contributes, with labels and reasons for the page."""
    return [
        {
            **row,
            "label": translated(row["label"], language),
            "reason": in_language(public_reason(row["reason"]), language),
        }
        for row in rows
    ]


def number_in_words(name: str, value: float) -> str:
    if name in ("epoch", "epochs"):
        return str(value)
    return f"{value:.2f}" if name in ("begun", "soon") else percent(value, 1)


def in_column(value: float) -> str:
    """A number of a board: whole ones with commas."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
