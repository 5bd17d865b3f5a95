"""Whose each download is: by the roster, the system's account, or the place where it lies.

What a student.yaml says is a claim. It counts where nothing else tells, and nobody else is called so or says the same; else,
and where it is another's id, it is a flag on whoever claims it, and costs nobody else anything. A name that several downloads have is nobody's. Their order
decides nothing but numbers behind equal names.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from grader.intake.downloads import MOODLE_S, SAME_ID, Download, is_readable
from grader.intake.names import squeezed
from grader.intake.roster import WORDS, Roster, Student, differing, key, listed_keys, name_keys, tight
from grader.intake.roster_groups import group_in
from grader.intake.submission import named_by_folder, named_by_source, safe_id, stem_of
from grader.intake.system_names import without_team
from grader.safe_text import normal, printable, storable

BY_CLAIM, BY_PLACE = "student.yaml", "the file's or folder's name"
BY_ROSTER = "roster, by its {}"
OF_GROUP = "group"
ACCOUNT_S = ("number", "login", "github")  # what an account is known by, and no other
OF_ACCOUNTS = ("canvas", "moodle", "id", "login")  # what the system, and not the student, calls an account
OF_SEVERAL = ("group", "role")  # of what the roster says: not of the student alone
CHOSEN = "github"  # by the student: veiled on pages, and never what tells who somebody is
ANOTHERS = "its student.yaml says {}, which is another's id or is said by others, too"
OF_ANOTHER = "its student.yaml says {}, which is another's id; whose it is was told without that"
NAME_ALONE = "its student.yaml says {}, and its name alone is that of who has another id on the roster"
IN_PART = "was found by its {}, and its {} is not that on the roster"
ALIKE = "other downloads are called like it, so that its name says nothing of whose it is"
ALONE = "nothing but its student.yaml says whose it is"
GROUP_ALONE = "its name tells the group, and not who of it handed it in"
SEVERAL = "several downloads have this student's id or name in theirs, and anybody can call one so"
NOT_LISTED = "is not on the roster"
SHARED = "is not told from others of the same name"
DISAGREES = "its name is another's, and its student.yaml says {}"
CALLED_ALIKE = "another download has this name, too, and its student.yaml says {}"

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
    if roster:
        known, claims = in_agreement(by_roster(known, roster), claims, roster)
        known = with_several(known)
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
            student = id_of_place(place, called, taken, held or {})
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
    return download.place or storable(normal(str(source.parent.resolve() / source.name)))


def by_roster(downloads: Sequence[Download], roster: Roster) -> list[Download]:
    """Those whom the roster knows, by what the system says of them, or else by what a file or folder is called.

    Where several accounts lead to one student, those count that do so by what is the account's own, such as a mail address;
    else the only one that does so by its id, or else by its name. The others are namesakes.
    """
    matches = []
    accounts: dict[Student, dict[int, set[str]]] = {}  # by how sure that is
    abouts = told_of(downloads, roster)
    for each, about in zip(downloads, abouts):
        found, by = roster.match(about) if each.student else roster.match_text(stem_of(each.source))
        in_team = None if found else member(about, roster)
        found, by = (in_team, "name") if in_team else (found, by)
        in_group = [] if found or each.student else group_in(stem_of(each.source), roster)
        found, by = (in_group[0], OF_GROUP) if in_group else (found, by)
        if each.doubted and found and not {*listed_keys(found.name)} & {*name_keys(each.about.get("name", ""))}:
            found, by = None, ""  # a name with another's number in it
        own = any(roster.find(kind, about.get(kind, "")) for kind in ACCOUNT_S)
        sure = 2 if own else 1 if by == "id" else -1 if in_team else 0
        matches.append((found, by, sure))
        if found and each.student:
            accounts.setdefault(found, {}).setdefault(sure, set()).add(each.student)
    listed = {student.student for student in roster.students}
    known = []
    for each, about, (found, by, sure) in zip(downloads, abouts, matches):
        rivals = accounts.get(found, {}) if found else {}
        if each.student:
            namesake = bool(rivals) and (sure < max(rivals) or (sure < 2 and len(rivals[sure]) > 1))
        else:
            namesake = by == "name" and sum(map(len, rivals.values())) > 1
        if found and not namesake:
            if by_name_alone(each) and each.source.is_dir():  # an archive was put there by whoever collects them
                each = replace(each, exact=not rivals and is_exact(each.source, found))
            each = replace(each, student=found.student, name=found.name, whose_by=BY_ROSTER.format(by), told=True)
            if by == OF_GROUP:
                each = replace(each, flags=(*each.flags, GROUP_ALONE))
            elif by != WORDS["name"] and (kinds := differing(found, about)):
                each = replace(each, flags=(*each.flags, IN_PART.format(by, " and ".join(kinds))))
            each = replace(each, known_as={**of_account(each), **of_roster(found), **name_of_account(each)})
            if chosen := chosen_name(each, found):
                each = replace(each, known_as={**each.known_as, CHOSEN: [chosen]})
        elif each.student:
            shared = namesake or roster.shared & {*name_keys(each.about.get("name", ""))}
            why = SAME_ID if by == "id" else SHARED if shared else NOT_LISTED
            student = free_id(each.student, listed)  # the account's, which may be what the roster calls another
            each = replace(each, student=student, flags=tuple(dict.fromkeys((*each.flags, why))))
        known.append(each)
    return known


def with_several(downloads: Sequence[Download]) -> list[Download]:
    """The downloads, each with a flag that has but a name to say whose it is, where that student has another one, too."""
    names: dict[str, set[str]] = {}
    for each in downloads:
        if each.student and is_readable(each.source):
            names.setdefault(each.student, set()).add(normal(each.source.name))
    several = {student for student, called in names.items() if len(called) > 1}
    return [
        replace(each, flags=(*each.flags, SEVERAL)) if each.student in several and by_name_alone(each) else each
        for each in downloads
    ]


def by_name_alone(download: Download) -> bool:
    """Whether nothing but a name that anybody can give tells whose it is."""
    return download.doubted or not download.about


def is_exact(source: Path, student: Student) -> bool:
    """Whether a folder is called by the student's id or name, or two of these, and nothing else."""
    accounts = (student.id, student.number, student.github, *student.logins)
    own = {squeezed(text) for each in accounts for text in (each, each.partition("@")[0])} | {
        *listed_keys(student.name)
    }
    text = squeezed(stem_of(source))
    return any(text.startswith(each) and text[len(each) :] in (*own, "") for each in own if each)


def told_of(downloads: Sequence[Download], roster: Roster) -> list[dict[str, str]]:
    """What a system says of each, as the roster is asked, whose numbers are of one system. Moodle has numbers of its own for each
    assignment: they count where the roster has one of them. Where it puts teams before the names, it does so for everybody."""
    of_moodle = [each.about for each in downloads if each.whose_by == MOODLE_S]
    numbered = any(
        found.has_number_of("moodle") for about in of_moodle if (found := roster.find("number", about["moodle"]))
    )
    in_teams = all(without_team(about.get("in_team", "")) for about in of_moodle)
    told = []
    for each in downloads:
        about = {kind: text for kind, text in each.about.items() if kind != "in_team" or in_teams}
        if numbered and each.whose_by == MOODLE_S:
            about["number"] = about["moodle"]
        elif (
            "canvas" in about
            and (found := roster.find("number", about["canvas"]))
            and not found.has_number_of("canvas")
        ):
            del about["number"]
        told.append(about)
    return told


def member(about: Mapping[str, str], roster: Roster) -> Student | None:
    """Whom alone a name of Moodle's means that may begin with a team's."""
    ways = [roster.match({**about, "name": name})[0] for name in without_team(about.get("in_team", ""))]
    found = {*filter(None, ways)}
    return found.pop() if len(found) == 1 else None


def in_agreement(downloads: Sequence[Download], claims: Claims, roster: Roster) -> tuple[list[Download], Claims]:
    """Downloads and claims without those that contradict each other: a name is one student's, the student.yaml another's.

    Such a download counts for who is named only where nothing else is that student's. Else a person looks at both.
    """
    listed = {student.student for student in roster.students}
    # By student, where something lies that has that student's name and says to be another's, and what it says.
    said: dict[str, dict[str, str]] = {}
    for each in downloads:
        own = claims.get(place_of(each), ("", "")) if each.student and not each.about else ("", "")
        if claimed(*own, roster).student in listed - {each.student}:
            said.setdefault(each.student, {})[place_of(each)] = printable(own[0])
    number = Counter(each.student for each in downloads)
    doubtful = {student: places for student, places in said.items() if len(places) < number[student]}
    made = []
    for each in downloads:
        places = doubtful.get(each.student, {})
        if own_id := places.get(place_of(each)):
            each = replace(each, student="", name="", flags=(*each.flags, DISAGREES.format(own_id)), known_as={})
        else:
            each = replace(each, flags=each.flags + tuple(CALLED_ALIKE.format(own_id) for own_id in places.values()))
        made.append(each)
    refused = {place for places in doubtful.values() for place in places}
    return made, {place: claim for place, claim in claims.items() if place not in refused}


def of_account(download: Download) -> dict[str, list[str]]:
    """What the system calls the student whose account handed this in. A GitHub name is the student's own choice, and an id that
    two accounts have is neither's."""
    about = {} if download.doubted else download.about
    kinds = (kind for kind in OF_ACCOUNTS if kind != "id" or SAME_ID not in download.flags)
    return {kind: [about[kind]] for kind in kinds if about.get(kind)}


def name_of_account(download: Download) -> dict[str, list[str]]:
    """What the system calls a student by name, whom the roster may have in another script."""
    name = "" if download.doubted else printable(download.about.get("name", ""))
    return {"name": [name]} if name else {}


def chosen_name(download: Download, student: Student) -> str:
    """The account's GitHub name, where the roster has another or none: who the account is was told without it."""
    chosen = "" if download.doubted else printable(download.about.get(CHOSEN, ""))
    return "" if key(chosen) == key(student.github) else chosen


def of_roster(student: Student) -> dict[str, list[str]]:
    """What the roster says of a student."""
    kinds = ("id", "number", "login", "group", "role")
    return {kind: [*values] for kind in kinds if (values := student.values(kind))}


def names_in(known_as: Mapping[str, list[str]]) -> Iterator[str]:
    """What others call a student alone: neither the group's name nor the role's, nor what the student chose."""
    return (text for kind, texts in known_as.items() if kind not in (*OF_SEVERAL, CHOSEN) for text in texts)


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
        self.listed = {student.student: student for student in roster.students} if roster else {}
        self.together: dict[PurePath, set[str]] = {}  # who handed in the same
        self.beside: dict[str, set[str]] = {}  # by what is before the @ of an address, which others may have elsewhere
        for each in downloads:
            self.together.setdefault(each.source, set()).add(each.student)
            self.note(each.student, [each.student, *names_in(each.known_as)])
        for student in roster.students if roster else ():
            self.note(student.student, [student.student, student.github, *names_in(of_roster(student))])

    def note(self, student: str, called: Iterable[str]) -> None:
        for text in filter(None, map(key, called)):
            for spelled in {text, tight(text)}:
                self.whose.setdefault(spelled, set()).add(student)
            self.beside.setdefault(text.partition("@")[0], set()).add(student)

    def flags(self, download: Download, own_id: str) -> tuple[str, ...]:
        """What a person should look at where the student.yaml of a download whose student others tell has another's id."""
        if download.whose_by in (BY_CLAIM, BY_PLACE):  # `identified` has said what is to be said of its claim
            return ()
        meant = self.whose.get(key(own_id)) or self.whose.get(tight(key(own_id))) or self.beside.get(key(own_id), set())
        if meant:
            return () if meant & self.together[download.source] else (OF_ANOTHER.format(printable(own_id)),)
        by_name = download.whose_by == BY_ROSTER.format(WORDS["name"])
        listed = self.listed.get(download.student, NOBODY)
        return (NAME_ALONE.format(printable(own_id)),) if by_name and differing(listed, {"id": own_id}) else ()


def refused_ids(flags: Iterable[str]) -> set[str]:
    """The ids that somebody's student.yaml says, and that nobody got for it, as flags tell them."""
    before, after = ANOTHERS.split("{}")
    return {safe_id(flag.removeprefix(before).removesuffix(after)) for flag in flags if flag.endswith(after)}


def is_same(place: str, before: str) -> bool:
    """Whether a download is one of an earlier run: it lies there, or is called so, and what was there is gone."""
    named = printable(PurePath(place).name) == printable(PurePath(before).name)
    return place == before or (named and not (os.path.isabs(before) and os.path.lexists(before)))


def id_of_place(place: str, called: str, taken: Collection[str], held: Mapping[str, str]) -> str:
    """The id that a place tells; where that is not free, the one drawn from a name in Hangul, or a number behind it.

    What was given to a place once stays with it, and is never another's, whatever comes before it in a later run.
    """
    if called not in taken:
        return called
    drawn = named_by_folder(stem_of(Path(place)))[0]
    given = re.compile(rf"{re.escape(called[:58])}-\d+|{drawn}")
    for student, before in held.items():
        if student not in taken and given.fullmatch(student) and is_same(place, before):
            return student
    used = {*taken, *held}
    return drawn if drawn and drawn not in used else free_id(called, used)


def free_id(student: str, taken: Collection[str]) -> str:
    """The id, with the first number behind it that makes it nobody else's where it is."""
    number, free = 2, student
    while free in taken:
        free = f"{student[:58]}-{number}"
        number += 1
    return free
