"""What near-copies are told by: settings, and winnowed fingerprints of code and texts. It runs in another process
(`grader.apart`), and imports no torch.

Any passage of NOISE + WINDOW - 1 units that two share is found, wherever it stands (Schleimer, Wilkerson and Aiken 2003,
SIGMOD, section 3). Names in code do not count, so that renaming hides nothing.
"""

import hashlib
import io
import keyword
import tokenize
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from grader.intake.reports import read_reports
from grader.intake.strict_yaml import StrictYamlError, load
from grader.ledger.submission_store import document_texts, kept, kept_text

NOISE, WINDOW = 25, 10  # units: characters of a text, tokens of code


@lru_cache(maxsize=1)  # what is asked of a submission is asked in a row
def files_of(results: str, digest: str) -> dict[str, bytes]:
    """The files of a submission that is kept; none where it is not."""
    return kept(Path(results), digest)


def config(results: str, digest: str) -> Any:
    """Its configuration, plain data; None where it cannot be read."""
    return plain_data(files_of(results, digest).get("config.yaml", b""))


def code(results: str, digest: str) -> list[int]:
    """Fingerprints of its modules."""
    all_files = files_of(results, digest)
    modules = (kept_text(all_files, name) for name in sorted(all_files) if name.endswith(".py"))
    return sorted(of_code("\n".join(modules)))


def texts(results: str, digest: str) -> list[int]:
    """Fingerprints of its report and conclusion."""
    read = document_texts(Path(results), digest) or {}
    parts = read_reports(files_of(results, digest)).parts.values()
    said = (
        "".join(read.get(file, "") for file in part.files) if part.markdown is None else part.markdown for part in parts
    )
    return sorted(of_text("".join(said)))


def files(results: str, digest: str) -> dict[str, str]:
    """The names of its files by what they hold, but for empty ones and student.yaml."""
    return {
        file_digest(content): name
        for name, content in files_of(results, digest).items()
        if content.strip() and name != "student.yaml"
    }


def file_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def plain_data(content: bytes) -> Any:
    """What YAML says; None where it cannot be read."""
    try:
        return load(content)
    except StrictYamlError:
        return None


def of_code(code: str) -> set[int]:
    return fingerprints(list(tokens(code)))


def of_text(text: str) -> set[int]:
    return fingerprints([character for character in text.lower() if character.isalnum()])


def tokens(code: str) -> Iterator[str]:
    """Tokens of Python code: all names are alike, all texts are alike, and comments are left out."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.NAME:
                yield token.string if keyword.iskeyword(token.string) else "name"
            elif token.type in (tokenize.OP, tokenize.NUMBER):
                yield token.string
            elif token.type == tokenize.STRING:
                yield "text"
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def fingerprints(units: list[str]) -> set[int]:
    """The smallest hash of NOISE units in each window of WINDOW."""
    hashes = [short_hash(units[start : start + NOISE]) for start in range(len(units) - NOISE + 1)]
    return {min(hashes[start : start + WINDOW]) for start in range(max(0, len(hashes) - WINDOW + 1))}


def short_hash(units: Iterable[str]) -> int:
    """64 bits that are the same in every process."""
    return int.from_bytes(hashlib.blake2b("\0".join(units).encode("utf-8", "replace"), digest_size=8).digest(), "big")
