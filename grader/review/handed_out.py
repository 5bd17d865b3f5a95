"""What the course hands out, which is nobody's own; and what a configuration says beside defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.grading.class_defaults import defaults
from grader.intake.notebooks import NotANotebook, read_notebook
from grader.rerun.mounted_code import REPOSITORY
from grader.review.submission_features import file_digest, of_code, of_text, plain_data
from project.training.command_line import complete_config

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
    files: set[str]


def handed_out(besides: Path | None = None) -> HandedOut:
    """The settings, code and texts of this repository, and of a folder that the instructor names."""
    paths = [path for pattern in HANDED_OUT for path in sorted(REPOSITORY.glob(pattern))]
    paths += sorted(path for path in besides.rglob("*") if path.suffix in KINDS and path.is_file()) if besides else []
    contents = {path: path.read_bytes() for path in paths}
    found: dict[str, set[Any]] = {"config": set(), "code": set(), "texts": set()}
    for name in ("base.yaml", "quickstart.yaml"):  # also what a run adds to them
        complete = complete_config(["--config", str(REPOSITORY / "configs" / name)])
        found["config"] |= set(settings(plain_data(complete.encode())))
    for path, content in contents.items():
        text = content.decode("utf-8", "replace")
        if path.suffix == ".yaml":
            found["config"] |= set(settings(plain_data(content)))
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


def settings(config: Any) -> Iterator[str]:
    """A configuration's settings, one `key.key: value` each, but for arguments' defaults; none of what is no mapping."""
    if isinstance(config, dict):
        yield from leaves({key: value for key, value in config.items() if key not in NOBODYS_OWN})


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
