"""Whose each download is: by the roster, the system's account, or the place where it lies.

What a student.yaml says is a claim. It counts where nothing else tells, and nobody else is called so or says the same; else,
and where it is another's id, it is a flag on whoever claims it, and costs nobody else anything. A name that several downloads have is nobody's. Their order
decides nothing but numbers behind equal names.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from grader.intake.downloads import Download
from grader.intake.roster import Roster, Student, key, name_keys
from grader.intake.submission import named_by_source, safe_id
from grader.safe_text import normal, printable, storable

BY_CLAIM, BY_PLACE = "student.yaml", "the file's or folder's name"
OF_ACCOUNTS = ("canvas", "moodle", "id", "login")  # what the system, and not the student, calls an account
ANOTHERS = "its student.yaml says {}, which is another's id or is said by others, too"
OF_ANOTHER = "its student.yaml says {}, which is another's id; whose it is was told without that"
ALIKE = "other downloads are called like it, so that its name says nothing of whose it is"
ALONE = "nothing but its student.yaml says whose it is"
NOT_LISTED = "is not on the roster"
SHARED = "is not told from others of the same name"

NOBODY = Student("", "")

Claims = Mapping[str, tuple[str, str]]  # id and name in student.yaml, by `place_of` the download


def identified(
    downloads: Sequence[Download], claims: Claims, roster: Roster | None = None, held: Mapping[str, str] | None = None
) -> list[Download]:
    """The downloads, each with the student whose it is, in their order. A student may have several.

    Args:
        claims: Of downloads that neither roster nor account tells.
        held: Ids of an earlier run, with the places of the downloads under them, as `place_of` gives them, or else their names.
    """
    known = [replace(each, known_as=of_account(each)) if each.student else each for each in downloads]
    known = by_roster(known, roster) if roster else known
    places = {place_of(each): named_by_source(each.source) for each in known if not each.student}
    said = {place: claimed(*claims[place], roster) for place in places if place in claims}
    accepted = counting(said, places, known, held or {})
    listed = {student.student for student in roster.students} if roster else set()
    names = Counter(called for called, _ in places.values())
    alike = {called for called, number in names.items() if number > 1}
    taken = (
        listed | alike | {each.student for each in known if each.student} | {said[place].student for place in accepted}
    )
    whose: dict[str, tuple[str, str, str, tuple[str, ...]]] = {}  # id, name, what tells them, flags
    flags: tuple[str, ...]
    for place, (called, name) in places.items():
        claim = said.get(place, NOBODY)
        if place in accepted:
            flags = ((ALONE if claim.student in listed else NOT_LISTED),) if roster else ()
            flags += (ALIKE,) if claim.student in alike else ()
            by = BY_PLACE if claim.student == called and called not in alike else BY_CLAIM
            whose[place] = claim.student, claim.name or name or claim.student, by, flags
        else:
            student = free_id(called, taken)
            taken.add(student)
            flags = (ANOTHERS.format(printable(claims[place][0])),) if claim.student else ()
            flags += (ALIKE,) if called in alike else ()
            flags += (NOT_LISTED,) if roster else ()
            name = name or ("" if claim.student else claim.name) or student
            whose[place] = student, name, BY_PLACE, flags
    return [each if each.student else told(each, *whose[place_of(each)]) for each in known]


def told(download: Download, student: str, name: str, by: str, flags: tuple[str, ...]) -> Download:
    """With whose it is. Where the place says it beyond doubt, and not the student, that is what it is known as."""
    own = by == BY_PLACE and not download.flags and student == named_by_source(download.source)[0]
    known_as = {"id": [student]} if own else {}
    return replace(download, student=student, name=name, whose_by=by, flags=download.flags + flags, known_as=known_as)


def place_of(download: Download) -> str:
    """Where it lies, in its normal form: a folder that is there twice, in two of them, is one student's."""
    source = download.source
    return storable(normal(str(source.parent.resolve() / source.name)))


def by_roster(downloads: Sequence[Download], roster: Roster) -> list[Download]:
    """Those whom the roster knows, by what the system says of them, or else by what a file or folder is called.

    Where several accounts lead to one student, those do not count that do so by a name alone: they are namesakes.
    """
    matches = []
    accounts: dict[Student, set[str]] = {}
    for each in downloads:
        stem = each.source.name.partition(".")[0]
        found, by = roster.match(each.about) if each.student else roster.match_text(stem)
        if each.doubted and found and not {*name_keys(found.name)} & {*name_keys(each.about.get("name", ""))}:
            found, by = None, ""  # a name with another's number in it
        matches.append((found, by))
        if found and each.student:
            accounts.setdefault(found, set()).add(each.student)
    listed = {student.student for student in roster.students}
    known = []
    for each, (found, by) in zip(downloads, matches):
        namesake = by == "name" and found is not None and len(accounts.get(found, ())) > 1
        if found and not namesake:
            each = replace(each, student=found.student, name=found.name, whose_by=f"roster, by its {by}", told=True)
            each = replace(each, known_as={**of_account(each), **of_roster(found)})
        elif each.student:
            shared = namesake or roster.shared & {*name_keys(each.about.get("name", ""))}
            student = free_id(each.student, listed)  # the account's, which may be what the roster calls another
            each = replace(each, student=student, flags=each.flags + (SHARED if shared else NOT_LISTED,))
        known.append(each)
    return known


def of_account(download: Download) -> dict[str, list[str]]:
    """What the system calls the student whose account handed this in. A GitHub name is the student's own choice."""
    about = {} if download.doubted else download.about
    return {kind: [about[kind]] for kind in OF_ACCOUNTS if about.get(kind)}


def of_roster(student: Student) -> dict[str, list[str]]:
    """What the roster says of a student."""
    kinds = ("id", "number", "login", "group", "role")
    return {kind: [*values] for kind in kinds if (values := student.values(kind))}


def claimed(own_id: str, own_name: str, roster: Roster | None) -> Student:
    """Whom a student.yaml names: as the roster has it, or as it was written; nobody where it names none."""
    found = roster.match(dict.fromkeys(("id", "login", "github"), own_id))[0] if roster and own_id else None
    return found or Student(safe_id(own_id), printable(own_name))


def counting(
    said: Mapping[str, Student],
    places: Mapping[str, tuple[str, str]],
    known: Sequence[Download],
    held: Mapping[str, str],
) -> set[str]:
    """The places of the downloads whose claims count."""
    others = {each.student for each in known if each.student}
    claimants: dict[str, list[str]] = {}
    for place, claim in said.items():
        if claim.student and claim.student not in others:
            claimants.setdefault(claim.student, []).append(place)
    found = set()
    for student, all_of_them in claimants.items():
        called = [place for place, (own, _) in places.items() if own == student]
        before = [place for place in all_of_them if student in held and is_same(place, held[student])]
        if student in held and len(all_of_them) == 1 and said.get(held[student], NOBODY).student not in ("", student):
            before = all_of_them  # what lay there is another's by its own word: the names have shifted
        # Who alone is called so, or else who was so before, and only of an id that nobody ever had, who says so.
        some = called if len(called) == 1 else before if called or student in held else all_of_them
        if len(some) == 1 and some[0] in all_of_them:
            found.add(some[0])
    return found


class KnownIds:
    """Who is called what, by others than the student: ids, accounts and numbers of a class."""

    def __init__(self, downloads: Sequence[Download], roster: Roster | None):
        self.whose: dict[str, set[str]] = {}
        self.together: dict[PurePath, set[str]] = {}  # who handed in the same
        for each in downloads:
            self.together.setdefault(each.source, set()).add(each.student)
            self.note(each.student, [each.student, *(text for some in each.known_as.values() for text in some)])
        for student in roster.students if roster else ():
            called = (text for some in of_roster(student).values() for text in some)
            self.note(student.student, [student.student, student.github, *called])

    def note(self, student: str, called: Iterable[str]) -> None:
        for text in called:
            for each in {key(text), key(text.partition("@")[0])} - {""}:
                self.whose.setdefault(each, set()).add(student)

    def flags(self, download: Download, own_id: str) -> tuple[str, ...]:
        """What a person should look at where the student.yaml of a download whose student others tell has another's id."""
        if download.whose_by in (BY_CLAIM, BY_PLACE):  # `identified` has said what is to be said of its claim
            return ()
        meant = self.whose.get(key(own_id), set())
        return (OF_ANOTHER.format(printable(own_id)),) if meant and not meant & self.together[download.source] else ()


def refused_ids(flags: Iterable[str]) -> set[str]:
    """The ids that somebody's student.yaml says, and that nobody got for it, as flags tell them."""
    before, after = ANOTHERS.split("{}")
    return {safe_id(flag.removeprefix(before).removesuffix(after)) for flag in flags if flag.endswith(after)}


def is_same(place: str, before: str) -> bool:
    """Whether a download is one of an earlier run: it lies there, or is called so, and what was there is gone."""
    named = printable(PurePath(place).name) == printable(PurePath(before).name)
    return place == before or (named and not (os.path.isabs(before) and os.path.lexists(before)))


def free_id(student: str, taken: Collection[str]) -> str:
    """The id, with the first number behind it that makes it nobody else's where it is."""
    number, free = 2, student
    while free in taken:
        free = f"{student[:58]}-{number}"
        number += 1
    return free
