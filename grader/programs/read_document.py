"""Runs inside a sandbox: writes the text of a PDF or DOCX, its first MOST_CHARACTERS, as UTF-8.

`read_document.py JOB.json`; the job file has `document`, a path that ends in .pdf or .docx, and `out`, the file to write.
What cannot be read ends with an error, and with no file.
"""

import json
import sys
import zipfile
from itertools import chain, islice
from pathlib import Path
from xml.parsers import expat

MOST_CHARACTERS = 200_000
MOST_PAGES = 500
MOST_XML = 30 * 10**6  # bytes
BREAKS = {"p": "\n", "br": "\n", "tab": "\t", "tr": "\n"}  # elements of WordprocessingML


def pdf_text(path: str) -> str:
    import pypdfium2

    pages = islice(pypdfium2.PdfDocument(path), MOST_PAGES)
    texts = (page.get_textpage().get_text_bounded().replace("\r\n", "\n") + "\n" for page in pages)
    return "".join(islice(chain.from_iterable(texts), MOST_CHARACTERS))


def docx_text(path: str) -> str:
    """The text of `word/document.xml`; a document that declares entities is refused, for they can unfold without end."""
    with zipfile.ZipFile(path) as archive, archive.open("word/document.xml") as file:
        content = file.read(MOST_XML + 1)
    if len(content) > MOST_XML:
        raise ValueError(f"more than {MOST_XML:,} bytes of XML")
    said: list[str] = []
    open_texts = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal open_texts
        open_texts += name.endswith(":t") or name == "t"  # w:t is text, m:t a part of a formula

    def end(name: str) -> None:
        nonlocal open_texts
        open_texts -= name.endswith(":t") or name == "t"
        said.append(BREAKS.get(name.rpartition(":")[2], ""))

    def text(data: str) -> None:
        if open_texts:
            said.append(data)

    def refuse(*declaration: object) -> None:
        raise ValueError("it declares entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    return "".join(said)[:MOST_CHARACTERS]


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    read = pdf_text if job["document"].endswith(".pdf") else docx_text
    Path(job["out"]).write_bytes(read(job["document"]).encode("utf-8", "replace"))
