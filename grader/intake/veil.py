"""Names taken out of what people wrote, for pages that go by pseudonyms and for readers who are not to know whose it is.

Of the author: id, names and each word of them, numbers. Of everybody else in the class: whole names, ids and numbers that
others than the student tell, since "Do" or "An" alone is a word of most texts, and anybody can say to be called so. Spaces,
marks and invisible characters between letters hide nothing, nor do accents, other forms of a letter that Unicode knows as such
(circled, full-width), the escapes of an address, or in HTML its markup. Addresses of mail go whoever's they are.
"""

import hashlib
import hmac
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape, unescape
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import unquote

from grader.intake.names import WIDE, names, runs
from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import identity

VEILED = "▒▒▒"
MOST_KEPT = 20_000  # people of whom it is remembered what to look for
MOST_BETWEEN = 4  # characters that are no letters, between two letters of a name
SHORTEST_ACCOUNT = 4  # letters of another's id or account; a shorter one is a word of most texts
SHORTEST_NUMBER = 4  # digits; less identifies nobody, and is in every text
MOST_ZEROS = 8  # before a number, which a spreadsheet may have taken away on the roster
SHORTEST_LEFT = 5  # digits of a number without the zeros before it: neither a year nor a week
FAMILY_OF_TWO = 4  # characters that a name must have for two of them to be the family's, as in Hwangbo or Ouyang
MOST_TURNED = 8  # words of a name before which it may begin
PARTICLES = "은는이가을를의와과도만"  # which Korean writes behind a word without a space
MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5}")
ENCODED = re.compile(r"[^\s%<>]{0,64}(?:%[0-9A-Fa-f]{2}[^\s%<>]{0,64})+")  # a word with escapes, as in an address
ZEROS = re.compile(rf"(?<![\d.,])0{{1,{MOST_ZEROS}}}\Z")  # not those of a fraction
TAG = re.compile(r"(<[^<>]*>)")
# Between whose texts nothing parts them for a reader. In formulas, numbers are parted.
INLINE = re.compile(r"</?(?:a|code|em|s|samp|strong|math|mi|mo|mrow|ms|mstyle|mtext)\b")


class Marked(NamedTuple):
    """What to look for of somebody who is not to be known: how many letters the words have, and their marks by a key (hex)."""

    key: str
    lengths: tuple[int, ...]
    marks: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str], key: str) -> "Marked":
        known = sorted({*words})
        return cls(key, tuple(sorted({*map(len, known)})), tuple(sorted(mark_of(word, key) for word in known)))


class Person(NamedTuple):
    """Somebody of the class: id, name as it is known, and whatever else tells who it is, such as a system's number; of whoever
    has withdrawn, only marks."""

    student: str
    name: str
    known_as: tuple[str, ...] = ()
    marked: Marked | None = None


NOBODY = Person("", "")


@dataclass(frozen=True)
class Terms:
    """What to look for, as letters and digits alone, in one case; `words` of one character only where they stand alone."""

    words: frozenset[str]
    lengths: tuple[int, ...]
    marks: Mapping[str, frozenset[str]]  # by their keys
    of_marks: frozenset[int]  # the lengths of marked words

    @classmethod
    def of(cls, words: Iterable[str], marked: Iterable[Marked] = ()) -> "Terms":
        words, marks, of_marks = frozenset(words), dict[str, set[str]](), set[int]()
        for each in marked:
            marks.setdefault(each.key, set()).update(each.marks)
            of_marks.update(each.lengths)
        lengths = tuple(sorted({*map(len, words), *of_marks}, reverse=True))
        return cls(words, lengths, {key: frozenset(found) for key, found in marks.items()}, frozenset(of_marks))

    def may_be(self, word: str) -> bool:
        """Whether a word may be one of them, which is quickly told."""
        return word in self.words or len(word) in self.of_marks

    def has(self, word: str) -> bool:
        return word in self.words or any(mark_of(word, key) in found for key, found in self.marks.items())


def people(
    author: Sequence[Any], others: Iterable[Sequence[Any]], files: Mapping[str, bytes]
) -> tuple[Person, list[Person]]:
    """Author and others, given as plain data, the author also as student.yaml among these files has it."""
    own, *rest = (Person(each[0], each[1], tuple(each[2]), *map(read_marks, each[3:])) for each in (author, *others))
    return own._replace(known_as=(*own.known_as, *said_in(files))), rest


def read_marks(given: Sequence[Any] | None) -> Marked | None:
    return Marked(given[0], tuple(given[1]), tuple(given[2])) if given else None


def said_in(files: Mapping[str, bytes]) -> list[str]:
    """Id and name in the author's student.yaml, which may be in the texts, whatever the class knows the author as."""
    try:
        own_id, own_name = identity(files)
    except StrictYamlError:
        return []
    return [text for text in (own_id, own_name, *own_name.split()) if len(text) > 1]


def veiled(text: str, author: Person, others: Iterable[Person]) -> str:
    """The text without names."""
    return cut(text, terms_of(author, others))


def veiled_html(html: str, author: Person, others: Iterable[Person]) -> str:
    """Clean HTML without names: in its text as a reader sees it, and in its links, of which nothing is left then."""
    terms = terms_of(author, others)
    parts = TAG.split(html)
    shown, runs = as_shown(parts)
    spans = hidden(shown, terms)
    for at, begin, end in runs:
        own = spans[bisect_right(spans, begin, key=itemgetter(1)) : bisect_left(spans, end, key=itemgetter(0))]
        if own := [(max(first, begin) - begin, min(last, end) - begin) for first, last in own]:
            parts[at] = escape(replaced(shown.text[begin:end], own, VEILED), quote=False)
    for at, part in enumerate(parts):
        if part.startswith("<") and "href=" in part and hidden(Shown(decoded(unescape(part))), terms):
            parts[at] = re.sub(r'href="[^"]*"', 'href=""', part)
    return "".join(parts)


class Shown(NamedTuple):
    """A text as it is read, in NFC; before which characters markup begins or ends, and which of them are not in the text, but
    part a cell, item or paragraph from the next."""

    text: str
    ends: frozenset[int] = frozenset()
    blocks: frozenset[int] = frozenset()


def as_shown(parts: Sequence[str]) -> tuple[Shown, list[tuple[int, int, int]]]:
    """What a reader sees of tags and the text between them, and where in it each part that is text begins and ends."""
    pieces, runs, blocks, length = list[str](), list[tuple[int, int, int]](), set[int](), 0
    parted = True  # whether nothing has been shown since the last block
    for at, part in enumerate(parts):
        text = "" if part.startswith("<") else unicodedata.normalize("NFC", unescape(part))
        if part.startswith("<") and not parted and not INLINE.match(part):
            pieces.append(" ")
            blocks.add(length)
            parted = True
            length += 1
        elif text and not (parted and text.isspace()):
            pieces.append(text)
            parted = False
            runs.append((at, length, length := length + len(text)))
    return Shown("".join(pieces), frozenset(place for run in runs for place in run[1:]), frozenset(blocks)), runs


def terms_of(author: Person, others: Iterable[Person]) -> Terms:
    others = [*others]
    words = whole(author).union(parts(author), *(whole(other, SHORTEST_ACCOUNT) for other in others))
    words = frozenset(word for word in words if not word.isdecimal() or len(word) >= SHORTEST_NUMBER)
    return Terms.of(words, [other.marked for other in others if other.marked])


@lru_cache(maxsize=MOST_KEPT)  # everybody is looked for in everybody else's texts
def whole(person: Person, shortest: int = 1) -> frozenset[str]:
    """Id, name and numbers, and the name in other orders; where it is written in two scripts, each, and without remarks.

    `shortest` is how many letters an id, and what else it is known as, must have in a script with spaces.
    """
    known = [letters(text) for text in (person.student, *person.known_as)]
    known += [left for text in known if text.isdecimal() and len(left := text.lstrip("0")) >= SHORTEST_LEFT]
    found = {text for text in known if len(text) >= shortest or WIDE.match(text)} | {letters(person.name)}
    for name in names(person.name):
        words = words_of(name)
        found |= {"".join(order) for order in orders(words)}
        if len(words) == 1 and WIDE.match(words[0]):
            found |= {given + family for family, given in split(words[0])}
    return frozenset(found - {""})


def orders(words: Sequence[str]) -> list[Sequence[str]]:
    """A name turned at each of its words, since nothing tells where the family's begins, and turned round."""
    places = range(min(len(words), MOST_TURNED) or 1)
    return [*([*words[at:], *words[:at]] for at in places), words[::-1]]


def parts(person: Person) -> set[str]:
    """The words of a name, and of one in Korean or Chinese the given name, if that is no single character."""
    found = {word for run in runs(person.name) for word in words_of(run)}
    found |= {given for word in found if WIDE.match(word) for _, given in split(word) if len(given) > 1}
    return {word for word in found if len(word) > 1}


def split(name: str) -> list[tuple[str, str]]:
    """How a Korean or Chinese name may fall into family and given name."""
    places = (1, 2) if len(name) >= FAMILY_OF_TWO or len(name) == 3 else (1,)
    return [(name[:at], name[at:]) for at in places if at < len(name)]


def words_of(name: str) -> list[str]:
    """The letters and digits of each word of a name in one script."""
    return [*filter(None, map(letters, re.split(r"[\s,]+", name)))]


def letters(text: str) -> str:
    """The letters and digits of a text, folded."""
    return "".join(map(folded, unicodedata.normalize("NFC", text)))


@lru_cache(maxsize=MOST_KEPT)
def mark_of(word: str, key: str) -> str:
    """By which a word is known again, and nobody without the key can tell what it is."""
    return hmac.digest(bytes.fromhex(key), word.encode(), hashlib.sha256).hex()


@lru_cache(maxsize=MOST_KEPT)
def folded(character: str) -> str:
    """The letters and digits that a character is a form of, in one case and without accents: none, one or several."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", character) if not unicodedata.combining(each))
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", plain).casefold()))


def cut(text: str, terms: Terms) -> str:
    """The text with each of these terms, and each mail address, replaced; also where it is written as in an address."""
    text = unicodedata.normalize("NFC", text)
    return replaced(text, hidden(Shown(text), terms), VEILED)


def hidden(shown: Shown, terms: Terms) -> list[tuple[int, int]]:
    """Where mail addresses, words with terms in their escapes, and terms begin and end, in their order."""
    mails = [found.span() for found in MAIL.finditer(shown.text)]
    shown = shown._replace(text=blank(shown.text, mails))
    escaped = [found.span() for found in ENCODED.finditer(shown.text) if hidden(Shown(decoded(found[0])), terms)]
    return sorted([*mails, *escaped, *places_of(terms, shown._replace(text=blank(shown.text, escaped)))])


def blank(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text, as long as it was, with nothing to be found there."""
    made, done = list[str](), 0
    for begin, end in spans:
        made += [text[done:begin], VEILED[0] * (end - begin)]
        done = end
    return "".join([*made, text[done:]])


def replaced(text: str, spans: Sequence[tuple[int, int]], by: str) -> str:
    """The text with something else in the place of what is to be read there."""
    made, done = list[str](), 0
    for begin, end in spans:
        if any(map(folded, text[begin:end])):
            made += [text[done:begin], by]
            done = end
    return "".join([*made, text[done:]])


def covered(text: str, terms: Terms, by: str) -> str:
    """The text in NFC with something else in the place of each of these terms."""
    text = unicodedata.normalize("NFC", text)
    return replaced(text, places_of(terms, Shown(text)), by)


def places_of(terms: Terms, shown: Shown) -> list[tuple[int, int]]:
    """Where each of these terms begins and ends, the longest first."""
    places = [at for at, character in enumerate(shown.text) for _ in folded(character)]
    squeezed = "".join(map(folded, shown.text))
    found, at = list[tuple[int, int]](), 0
    while at < len(squeezed):
        length = next(
            (
                n
                for n in terms.lengths
                if terms.may_be(squeezed[at : at + n])
                and stands(shown, places, at, n)
                and terms.has(squeezed[at : at + n])
            ),
            0,
        )
        if length:
            found.append((places[at], places[at + length - 1] + 1))
        at += length or 1
    return found


def decoded(text: str) -> str:
    """Without the escapes of an address."""
    return unicodedata.normalize("NFC", unquote(text))


def stands(shown: Shown, places: list[int], at: int, length: int) -> bool:
    """Whether letters `at` and behind are a name there: near each other, and no part of another word or number."""
    if at + length > len(places):
        return False
    text, inside = shown.text, places[at : at + length]
    if any(second - first > 1 + MOST_BETWEEN for first, second in zip(inside, inside[1:])):
        return False
    zeros = ZEROS.search(text, max(0, inside[0] - MOST_ZEROS - 2), inside[0]) if text[inside[0]].isdecimal() else None
    begin = zeros.start() if zeros else inside[0]
    before = text[begin - 1] if begin and begin not in shown.ends else " "
    after = text[inside[-1] + 1 : inside[-1] + 2] if inside[-1] + 1 not in shown.ends else ""
    after, number = after or " ", text[inside[0]].isdecimal()
    if shown.blocks and not shown.blocks.isdisjoint(range(inside[0], inside[-1])):
        return not (number or before.isalnum() or after.isalnum())
    if number or not WIDE.match(text[inside[0]]):
        return not (joined(before) or joined(after))
    if length > 1:  # Korean and Chinese write words without spaces
        return True
    behind = text[inside[-1] + 2 : inside[-1] + 3] or " "
    return not before.isalnum() and (not after.isalnum() or (after in PARTICLES and not behind.isalnum()))


def joined(neighbour: str) -> bool:
    """Whether a Latin word or a number goes on in a neighbouring character: not in a Korean particle or a footnote's digit."""
    return (neighbour.isalpha() or neighbour.isdecimal()) and not WIDE.match(neighbour)
