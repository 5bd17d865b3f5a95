"""Names as lists and files have them: their parts, and in a cell a name, or one in each of several scripts, and remarks."""

import re
import unicodedata

WIDE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")  # Hangul, Kana and Han
PARTS = re.compile(r"[^\s_.,()\[\]-]+")  # of the name of a file, or of a student
FEWEST_DIGITS = 5  # of what is taken for one by its shape alone: neither a year nor a week
MEETS_AN_ID = re.compile(rf"(?<={WIDE.pattern})(?=\d{{{FEWEST_DIGITS}}})|(?<=\d{{{FEWEST_DIGITS}}})(?={WIDE.pattern})")
BEGINS = "([（"  # what stands behind, in brackets, is not where the name begins
FIELDS = re.compile(r"([()\[\]（）/]|\s[-–—]\s)")
DOTS = re.compile("[_·・‧•]")  # between words of a name
RUNS = re.compile(rf"(?:{WIDE.pattern}|[\W_])+|[^{WIDE.pattern[1:]}+")  # of Hangul, Kana and Han, and of all others
SHORTEST_WIDE, SHORTEST = 2, 4  # characters of one of several names; what has fewer, such as `A` or `TA`, is none
WORDS = 2  # of a name in another script that need not go on behind a bracket


def names(cell: str) -> list[str]:
    """The names in a cell, each in a script of its own: two in `김민지 (Kim Minji)`, `김민지·Kim Minji` or `김민지Kim Minji`, one
    in `김민지A` or `김민지(휴학)`.

    What follows a bracket, a slash or a hyphen with spaces in the script of a name that is whole already is a remark; where
    that is not whole, as in `Park (Minji)`, it goes on.
    """
    found: list[str] = []
    for separator, run in in_fields(cell):
        at = next((at for at, name in enumerate(found) if scripts(name) & scripts(run)), None)
        if at is None:
            found.append(run)
        elif not separator or not is_whole(found[at]):
            found[at] = f"{found[at]} {run}"
    return [name for name in found if is_long(name)] or found or [cell]


def runs(cell: str) -> list[str]:
    """All that is in one kind of script, remarks, too."""
    return [run for _, run in in_fields(cell)]


def in_fields(cell: str) -> list[tuple[str, str]]:
    """Those runs, each with what its field begins with, those in brackets last."""
    parts = ["", *FIELDS.split(DOTS.sub(" ", unicodedata.normalize("NFC", cell)))]
    fields = sorted(zip(parts[::2], parts[1::2]), key=lambda field: field[0] in [*BEGINS])
    return [
        (separator, run.strip())
        for separator, field in fields
        for run in RUNS.findall(field)
        if any(map(str.isalpha, run))
    ]


def scripts(text: str) -> set[str]:
    """In which scripts a text is; a name in Japanese may be in two or three, which are one here."""
    found = {unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha()}
    return {"HAN" if each in ("CJK", "HIRAGANA", "KATAKANA") else each for each in found}


def is_whole(name: str) -> bool:
    return is_long(name) and (bool(WIDE.search(name)) or len(name.split()) >= WORDS)


def is_long(name: str) -> bool:
    return sum(map(str.isalpha, name)) >= (SHORTEST_WIDE if WIDE.search(name) else SHORTEST)


def parts_of(text: str) -> list[tuple[int, int]]:
    """Where the parts of a text begin and end; where Hangul, Kana or Han meet an id, a part ends, too: `이바다20260002`."""
    runs: list[tuple[int, int]] = []
    for part in PARTS.finditer(text):
        cuts = [found.start() for found in MEETS_AN_ID.finditer(text, *part.span())]
        runs += zip([part.start(), *cuts], [*cuts, part.end()])
    return runs


def squeezed(text: str) -> str:
    """Letters, digits and marks alone; in Thai or Hindi, vowels are marks."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return "".join(letter for letter in folded if letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc"))
