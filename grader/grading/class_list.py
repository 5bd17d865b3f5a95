"""Whom pages under pseudonyms must not name: everybody in the class, by all that tells who it is."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from grader.grading.common_words import CommonWords
from grader.grading.ranking import Entry
from grader.intake.names import WIDE
from grader.intake.roster import Student, listed_keys, name_keys
from grader.intake.system_names import MOODLE, canvas_ways
from grader.intake.veil import SHORTEST_ACCOUNT, Marked, Person, letters
from grader.ledger.submissions import CHOSEN, NO_NAMES

SHORTEST_PART = 2  # letters of a family or given name
SHORTEST_END = 3  # letters of what may be one, and is looked for by itself


def class_list(
    entries: Iterable[Entry], listed: dict[str, Student], gone: Mapping[str, Marked] = MappingProxyType({})
) -> dict[str, tuple[Person, Person]]:
    """By id, everybody as on the own page, and as on all others.

    Args:
        listed: The roster, by id.
        gone: What there is of those who have withdrawn, by number.
    """
    entries = [*entries]
    common = CommonWords(stem(entry) for entry in entries)
    found = {
        entry.student: (person(entry, row := listed.get(entry.student), common), told_person(entry, row, common))
        for entry in entries
        if entry.student not in gone
    }
    return found | {number: (Person("", "", (), words), Person("", "", (), words)) for number, words in gone.items()}


def stem(entry: Entry) -> str:
    """What was handed in is called, without the kind of file."""
    return entry.source.rpartition(".")[0] or entry.source


def person(entry: Entry, listed: Student | None, common: CommonWords) -> Person:
    """Who an entry is about, for its own page: by all that the student, the name of what was downloaded and the roster say."""
    ways = canvas_ways(entry.source) or [*filter(None, [MOODLE.fullmatch(entry.source)])]
    of_system, called = [way["id"] for way in ways], common.unless_common(stem(entry))
    of_system += [common.unless_common(part) for name in names_of_account(entry) for part in ends(name)]
    if listed:
        return Person(entry.student, entry.name, (*of_system, *told_numbers(entry, listed), called))
    name = common.unless_common(entry.name) if is_file_s(entry.name, entry) else entry.name
    known = (*of_system, *map(common.unless_common, told_numbers(entry, listed)), called)
    return Person(common.unless_common(entry.student), name, known)


def told_person(entry: Entry, listed: Student | None, common: CommonWords) -> Person:
    """Who that is for everybody else's pages: what roster, account or folder say, and not the student alone, who could
    take a word out of all texts by being called so. For the same reason, of ids and accounts, and of names that are on no
    roster, only what is no common word."""
    student, known = common.unless_common(entry.student), tuple(map(common.unless_common, told_numbers(entry, listed)))
    if listed:
        return Person(student, listed.name, known)
    # Whose name a GitHub account is, only the end of the repository's name tells.
    told = entry.known_as or entry.source.endswith(f"-{entry.student}")
    by_account = {*entry.known_as} - {"id", CHOSEN, *NO_NAMES}
    name = entry.name if by_account or (entry.known_as and is_file_s(entry.name, entry)) else ""
    return Person(student if told else "", unless_short(common.unless_common(name)), known)


def unless_short(name: str) -> str:
    """The name; nothing where it is a few Latin letters."""
    return name if len(letters(name)) >= SHORTEST_ACCOUNT or WIDE.match(name) else ""


def is_file_s(name: str, entry: Entry) -> bool:
    """Whether a name is what the file or folder is called, and not what only student.yaml says."""
    return letters(name) in letters(stem(entry))


def told_numbers(entry: Entry, listed: Student | None) -> list[str]:
    """What account and roster call a student besides; of a mail address what is before the @."""
    known = [*entry.known_as.get("id", [])]
    known += [each for name in names_of_account(entry) for each in orders(name)]
    others = (values for kind, values in entry.known_as.items() if kind not in ("id", "name", *NO_NAMES))
    known += [each.partition("@")[0] for values in others for each in values]
    if listed:
        accounts = (*(login.partition("@")[0] for login in listed.logins), listed.github)
        known += [listed.name, listed.id, listed.number, *accounts]
    return [each for each in known if each]


def names_of_account(entry: Entry) -> list[str]:
    """What a system calls a student by name."""
    return entry.known_as.get("name") or ([entry.name] if "canvas" in entry.known_as else [])


def orders(name: str) -> list[str]:
    """An account's name with the family name first and last."""
    return [*listed_keys(name), *(given + family for family, given in halves(name))]


def ends(name: str) -> list[str]:
    """What in an account's name may be the family or the given name, and is no mere syllable."""
    found = [*name.split(), *(half for both in halves(name) for half in both)]
    return [each for each in found if len(each) >= SHORTEST_END]


def halves(name: str) -> list[tuple[str, str]]:
    """How a name in Latin letters may fall into family and given name that has no spaces, as Canvas writes it: `kimminji`."""
    word, places = letters(name), range(SHORTEST_PART, len(letters(name)) - SHORTEST_PART + 1)
    return [] if len(name_keys(name)) > 1 or WIDE.search(word) else [(word[:at], word[at:]) for at in places]
