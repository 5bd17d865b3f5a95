"""Everybody of the class, as a veil has to know them: by all that tells who an entry is about."""

from pathlib import Path

from grader.grading.kept_roster import kept_roster
from grader.grading.ranking import Entry
from grader.intake.downloads import CANVAS, MOODLE
from grader.intake.roster import Student
from grader.intake.veil import Person


def class_list(entries: list[Entry], results: Path) -> dict[str, tuple[Person, Person]]:
    """Everybody, by id: as in the own texts, and as in all others'."""
    listed = kept_roster(results)
    return {
        entry.student: (person(entry, found := listed.get(entry.student)), told_person(entry, found))
        for entry in entries
    }


def person(entry: Entry, listed: Student | None = None) -> Person:
    """Who an entry is about, for its own page: by all that the student, the name of what was downloaded and the roster say."""
    number = CANVAS.fullmatch(entry.source) or MOODLE.fullmatch(entry.source)
    known = [
        number["id"] if number else "",
        entry.source.rpartition(".")[0] or entry.source,
        *told_numbers(entry, listed),
    ]
    return Person(entry.student, entry.name, tuple(filter(None, known)))


def told_person(entry: Entry, listed: Student | None = None) -> Person:
    """Who that is for everybody else's pages: what roster, account or folder say, and not the student alone, who could
    take a word out of all texts by being called so."""
    by_account = {*entry.known_as} - {"id"}  # a folder or file tells an id, and no name
    name = listed.name if listed else entry.name if by_account else ""
    # Whose name a GitHub account is, only the end of the repository's name tells.
    told = listed or entry.known_as or entry.source.endswith(f"-{entry.student}")
    return Person(entry.student if told else "", name, tuple(told_numbers(entry, listed)))


def told_numbers(entry: Entry, listed: Student | None) -> list[str]:
    """What account and roster call a student besides; of a mail address what is before the @."""
    known = [*entry.known_as.get("id", [])]
    known += [each.partition("@")[0] for kind, values in entry.known_as.items() if kind != "id" for each in values]
    if listed:
        accounts = (*(login.partition("@")[0] for login in listed.logins), listed.github)
        known += [listed.name, listed.id, listed.number, *accounts]
    return [each for each in known if each]
