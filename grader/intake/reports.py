"""Where a submission's report and conclusion are: in Markdown, in a notebook's cells, or in documents for a person to open.

For each of the two, the first of these that there is, beside config.yaml:

1. a Markdown or text file that has its name (as REPORT.md: a name that begins with one of the part's words, in any case);
2. a PDF or DOCX of its name;
3. a notebook of its name, or the cells that `grader.intake.notebooks` finds in another one;
4. pictures of its name;
5. for the report: the only other document.

A document or picture that is empty, or by its first bytes not what its name says, is none.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from grader.intake.notebooks import Cell, NotANotebook, part_named, parts_in, read_notebook, without_picture_data

PARTS = ("report", "conclusion")
NOTEBOOK = ".ipynb"
TEXTS, PAGED, PICTURES = (".md", ".txt"), (".pdf", ".docx"), (".png", ".jpg", ".jpeg")
DOCUMENTS = (*TEXTS, *PAGED, *PICTURES, NOTEBOOK)
HOLD_PICTURES = tuple(kind for kind in DOCUMENTS if kind != ".txt")  # and are as large as these make them
PDF, ZIP, PNG, JPEG = b"%PDF", b"PK\3\4", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"  # first bytes; a DOCX is a zip
FIRST_BYTES = {".pdf": (PDF,), ".docx": (ZIP,), **dict.fromkeys(PICTURES, (PNG, JPEG))}
WITHIN = {".pdf": 1024}  # of the first bytes, where something may stand before them
HAS_PICTURES = {".pdf": re.compile(rb"/Subtype\s*/Image"), ".docx": re.compile(rb"word/media/")}
ENCODINGS = ("utf-8-sig", "cp949")  # what Korean Windows writes where it writes no UTF-8
NOBODYS_REPORT = ("readme.md", "readme.txt")
MOST_READ = 200_000  # characters of a text; the rest is not looked at

# A syllable or ideograph says about as much as two letters: docs/assignment.md and its Korean twin say the same in 2,254
# characters and in 1,302, of which 747 are Hangul (a weight of 2.3), README.md and README.ko.md in 4,841 and 2,897 (2.2).
WIDE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
SYLLABLE_IN_PARTS = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?")  # as macOS writes it in places
PICTURE = re.compile(r"!\[[^\[\]\n]{0,300}\]\([^()\n]{0,300}\)")


@dataclass(frozen=True)
class Part:
    """A report or a conclusion, as it was handed in.

    Attributes:
        files: The files that hold it; none where nothing does.
        markdown: Its text; None where it is in documents.
        encoding: Of its file, as far as that is known; of a notebook, UTF-8.
    """

    files: tuple[str, ...] = ()
    markdown: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Reports:
    """What a submission says in words.

    Attributes:
        parts: The report and the conclusion.
        notebooks: The cells of each notebook, by file name.
        damaged: Why a notebook cannot be read, or what is called a document is none, by file name.
    """

    parts: dict[str, Part]
    notebooks: dict[str, list[Cell]]
    damaged: dict[str, str]

    @property
    def used(self) -> set[str]:
        """The files that hold a part, all notebooks, and what is damaged."""
        return {*self.notebooks, *self.damaged, *(file for part in self.parts.values() for file in part.files)}


def read_reports(files: Mapping[str, bytes]) -> Reports:
    """Report and conclusion of a submission. Whatever its files hold, this raises nothing."""
    notebooks: dict[str, list[Cell]] = {}
    found = {name: damage(name, files[name]) for name in documents(files, (*PAGED, *PICTURES))}
    damaged = {name: said for name, said in found.items() if said}
    files = {name: content for name, content in files.items() if name not in damaged}
    for name in documents(files, (NOTEBOOK,)):
        try:
            notebooks[name] = read_notebook(files[name])
        except NotANotebook as error:
            damaged[name] = str(error)
    in_cells = {name: parts_in(cells) for name, cells in notebooks.items()}
    for name, cells in notebooks.items():
        if part := part_of(name):
            in_cells[name][part] = "\n\n".join(cell.source for cell in cells if cell.kind == "markdown")
    parts = {part: next(candidates(part, files, in_cells), Part()) for part in PARTS}
    if not parts["report"].files:
        taken = parts["conclusion"].files
        others = [name for name in documents(files, (*TEXTS, *PAGED, *PICTURES)) if name not in taken]
        if len(others) == 1 and not part_of(others[0]):
            parts["report"] = next(as_parts(others, files), Part())
    return Reports(parts, notebooks, damaged)


def damage(name: str, content: bytes) -> str:
    """Why what is called a PDF, DOCX or picture is none; empty where it is one, by its first bytes."""
    kind = suffix(name)
    if not content.strip():
        return "is empty; save it anew"
    if any(first in content[: WITHIN.get(kind, len(first))] for first in FIRST_BYTES[kind]):
        return ""
    return f"is no {kind[1:].upper()}, by its first bytes; export it as one, for a new name alone makes none"


def is_all_text(name: str, content: bytes) -> bool:
    """Whether a PDF or DOCX has no pictures: what is read of one that has, as of scanned pages, may be the least of it."""
    return suffix(name) in HAS_PICTURES and not HAS_PICTURES[suffix(name)].search(content)


def documents(files: Mapping[str, bytes], suffixes: tuple[str, ...]) -> list[str]:
    """The files with these suffixes beside config.yaml, in order of the suffixes and then of the names."""
    found = [name for name in files if "/" not in name and suffix(name) in suffixes]
    found = [name for name in found if name.lower() not in NOBODYS_REPORT]
    return sorted(found, key=lambda name: (suffixes.index(suffix(name)), len(name), name))


def suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def part_of(name: str) -> str:
    """The part that a file's name begins with; empty for none."""
    return part_named(unicodedata.normalize("NFC", PurePosixPath(name).stem).replace("_", " "))


def candidates(part: str, files: Mapping[str, bytes], in_cells: Mapping[str, dict[str, str]]) -> Iterator[Part]:
    """What could be this part, the best first. `in_cells` are the parts that each notebook holds."""

    def named(suffixes: tuple[str, ...]) -> list[str]:
        return [name for name in documents(files, suffixes) if part_of(name) == part]

    yield from as_parts(named((*TEXTS, *PAGED)), files)
    for name, found in sorted(in_cells.items(), key=lambda each: part_of(each[0]) != part):
        if text := found.get(part, "").strip():
            yield Part((name,), text[:MOST_READ])
    if pictures := named(PICTURES):  # photographs of pages
        yield Part(tuple(pictures))


def as_parts(names: list[str], files: Mapping[str, bytes]) -> Iterator[Part]:
    """Each of these texts and documents as a part, but for texts that say nothing."""
    for name in names:
        if suffix(name) not in TEXTS:
            yield Part((name,))
            continue
        text, encoding = decoded(files[name])
        if text.strip():
            yield Part((name,), text, encoding)


def decoded(content: bytes) -> tuple[str, str]:
    """A text without the data of its pictures, and its encoding: utf-8, cp949, or none, where what cannot be read is marked."""
    for encoding in ENCODINGS:
        try:
            return without_picture_data(content.decode(encoding))[:MOST_READ], encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    return without_picture_data(content.decode("utf-8", "replace"))[:MOST_READ], ""


def length(text: str) -> int:
    """How much a text says, in characters: a Korean, Chinese or Japanese one counts as two, a picture as nothing."""
    said = SYLLABLE_IN_PARTS.sub("\uac00", " ".join(PICTURE.sub("", text[:MOST_READ]).split()))
    return len(said) + len(WIDE.findall(said))
