"""What tells of a student in texts: found, however it is written, and cut; of the grader's own sentences, only what they quote."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from grader.grading.withdrawals import veiled_path
from grader.intake.names import WIDE
from grader.intake.veil import MOST_BETWEEN, SHORTEST_NUMBER, Person, Terms, covered, letters, whole
from grader.ledger.measurement import Measurement
from grader.publish import public_words, told_korean
from grader.publish.sentences import SLOT

SHORTEST = 4  # letters or digits; what is shorter is a word of every text
SHORTEST_WIDE = 2  # characters of scripts that write words without spaces
WORDS = ("where", "what", "mend", "comment")  # of what is noted as data: all else in it is read by machines
IN_WORDS = ("said", "publicly", "frames", "remarks", "flags")  # of a measurement
QUOTING = {"any", "text", "name", "names", "value", "more"}  # places in sentences where something of a student's stands
NUMBER = re.compile(r"[-+]?\d[\d.,:%]*")

Change = Callable[[str], str]


@dataclass(frozen=True)
class Traces:
    """What tells of a student: the id and, as letters and digits in one case, all words; and the number in their place."""

    student: str
    told: frozenset[str]
    number: str

    @classmethod
    def of(cls, student: str, words: Iterable[str], number: str) -> "Traces":
        """Of an id, and names, accounts and numbers that are long enough to tell of anybody; a name turned round, too."""
        found = {form for word in words for form in whole(Person("", word, (word,)))}
        long = {form for form in found if len(form) >= (SHORTEST_WIDE if WIDE.match(form) else SHORTEST)}
        return cls(student, frozenset(long | {letters(student)} - {""}), number)

    @cached_property
    def terms(self) -> Terms:
        words = (word for word in self.told if not word.isdecimal() or len(word) >= SHORTEST_NUMBER)
        return Terms.of(words)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What `mentioned` looks for; several times faster than to cut."""
        between = rf"[\W_]{{0,{MOST_BETWEEN}}}"
        either = "|".join(
            between.join(map(re.escape, word)) for word in sorted(self.terms.words, key=len, reverse=True)
        )
        narrow = f"[^\\W_{WIDE.pattern[1:-1]}]"
        return re.compile(f"(?<!{narrow})(?:{either})(?!{narrow})" if either else "(?!)")

    def mentioned(self, text: str) -> bool:
        """Whether something in a text tells of the student."""
        return bool(self.pattern.search(unicodedata.normalize("NFKC", text).casefold()))

    def cut(self, value: Any) -> Any:
        """The same data, with the number in the place of each trace in its words: those under no name, or one of WORDS."""
        if isinstance(value, dict):
            return {name: self.cut(each) if name in WORDS else each for name, each in value.items()}
        if isinstance(value, list):
            return [self.cut(each) for each in value]
        if not isinstance(value, str) or self.cut_text(value) == value:  # told faster than whose sentence it is
            return value
        return in_quotations(value, self.cut_text)

    def cut_text(self, text: str) -> str:
        """A text that a person or a program wrote, with the number in the place of each trace."""
        return covered(text, self.terms, self.number)

    def cut_path(self, path: str) -> str:
        """A path or a file's name, with the number in the place of each trace."""
        return veiled_path(path, lambda words: self.number if letters(words) in self.told else "")

    def cut_name(self, name: str) -> str:
        """Who decided something: the number, if it was the student; whoever only has the same name has another id."""
        return self.number if name == self.student else name

    def cut_texts(self, measured: Measurement) -> Measurement:
        """The same for what a measurement says in words."""
        return measured.but(**{name: self.cut(getattr(measured, name)) for name in IN_WORDS})


def in_quotations(text: str, change: Change) -> str:
    """A text, changed in what it quotes where it is a sentence of the grader's own; any other as a whole."""
    for kind in ("where", "what", "mend", "census", "check"):
        if (made := by_sentences(text, told_korean.KOREAN[kind], told_korean.compiled, change)) is not None:
            return made
    if parts := finding_parts(text):
        return "".join(part if at % 2 else in_quotations(part, change) for at, part in enumerate(parts))
    for sentences in (public_words.FLAGS, public_words.REASONS):
        if (made := by_sentences(text, sentences, public_words.compiled, change)) is not None:
            return made
    return change(text)


def by_sentences(
    text: str, sentences: Iterable[str], compiled: Callable[[str], re.Pattern[str]], change: Change
) -> str | None:
    """A text, changed in the places where the first of these sentences that it is quotes; None where it is none."""
    for sentence in sentences:
        if found := compiled(sentence).fullmatch(text):
            made, at = "", 0
            for place, kind in enumerate(SLOT.findall(sentence), 1):
                value = found[place]
                quoted = kind in QUOTING and not (kind == "value" and NUMBER.fullmatch(value))
                made += text[at : found.start(place)] + (change(value) if quoted else value)
                at = found.end(place)
            return made + text[at:]
    return None


def finding_parts(line: str) -> list[str]:
    """Where, what and how to mend it of a finding's line, with what stands between; empty for another line."""
    rest = told_korean.MORE.search(line)
    end = rest[0] if rest else ""
    for said, mend in told_korean.halves(line.removesuffix(end), "; "):
        if told_korean.in_korean(mend, "mend") is not None:
            for where, what in told_korean.halves(said, ": "):
                if told_korean.in_korean(what, "what") is not None:
                    return [where, ": ", what, "; ", mend, end]
    return []
