"""What near-copies are told by: settings, and winnowed fingerprints of code and texts; and those that the course hands out.

Any passage of NOISE + WINDOW - 1 units that two share is found, wherever it stands (Schleimer, Wilkerson and Aiken 2003,
SIGMOD, section 3). Names in code do not count, so that renaming hides nothing.
"""

import hashlib
import io
import keyword
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading.class_defaults import defaults
from grader.intake.notebooks import NotANotebook, read_notebook
from grader.intake.strict_yaml import StrictYamlError, load
from grader.rerun.mounted_code import REPOSITORY
from project.training.command_line import complete_config

NOISE, WINDOW = 25, 10  # units: characters of a text, tokens of code
NOBODYS_OWN = ("seed_everything", "run")  # sections of a configuration
KINDS = (".yaml", ".py", ".md", ".txt", ".ipynb")
HANDED_OUT = ("configs/**/*.yaml", "notebooks/*.ipynb", "docs/**/*.md", "*.md", "project/**/*.py")


@dataclass(frozen=True)
class HandedOut:
    """What the course itself hands out, which is nobody's own.

    Attributes:
        features: By `config`, `code` and `texts`.
        files: Digests of whole files.
    """

    features: Mapping[str, set[Any]]
    files: set[bytes]


def handed_out(besides: Path | None = None) -> HandedOut:
    """The settings, code and texts of this repository, and of a folder that the instructor names."""
    paths = [path for pattern in HANDED_OUT for path in sorted(REPOSITORY.glob(pattern))]
    paths += sorted(path for path in besides.rglob("*") if path.suffix in KINDS and path.is_file()) if besides else []
    contents = {path: path.read_bytes() for path in paths}
    found: dict[str, set[Any]] = {"config": set(), "code": set(), "texts": set()}
    for name in ("base.yaml", "quickstart.yaml"):  # also what a run adds to them
        found["config"] |= set(settings(complete_config(["--config", str(REPOSITORY / "configs" / name)]).encode()))
    for path, content in contents.items():
        text = content.decode("utf-8", "replace")
        if path.suffix == ".yaml":
            found["config"] |= set(settings(content))
        elif path.suffix == ".py":
            found["code"] |= of_code(text)
        elif path.suffix in (".md", ".txt"):
            found["texts"] |= of_text(text)
        else:
            for kind, cells in notebook_cells(content):
                found["texts" if kind == "markdown" else "code"] |= (of_text if kind == "markdown" else of_code)(cells)
    return HandedOut(found, {*map(file_digest, contents.values())})


def notebook_cells(content: bytes) -> Iterator[tuple[str, str]]:
    """The sources of a notebook's cells of each kind, together."""
    try:
        cells = read_notebook(content)
    except NotANotebook:
        return
    for kind in ("markdown", "code"):
        yield kind, "\n".join(cell.source for cell in cells if cell.kind == kind)


def file_digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def of_code(code: str) -> set[int]:
    return fingerprints(list(tokens(code)))


def of_text(text: str) -> set[int]:
    return fingerprints([character for character in text.lower() if character.isalnum()])


def settings(config: bytes) -> Iterator[str]:
    """A configuration's settings, one `key.key: value` each; none of what cannot be read, and no argument's default."""
    try:
        loaded = load(config)
    except StrictYamlError:
        return
    if isinstance(loaded, dict):
        yield from leaves({key: value for key, value in loaded.items() if key not in NOBODYS_OWN})


def leaves(settings: Any, path: str = "") -> Iterator[str]:
    if isinstance(settings, dict):
        arguments = settings.get("init_args")
        if isinstance(arguments, dict):
            default = defaults(str(settings.get("class_path")))
            own = {key: value for key, value in arguments.items() if key not in default or default[key] != value}
            settings = {**settings, "init_args": own}
        for key, value in settings.items():
            yield from leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(settings, list):
        for value in settings:
            yield from leaves(value, path)
    else:
        yield f"{path}: {settings!r}"


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
