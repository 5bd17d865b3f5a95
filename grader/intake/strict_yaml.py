"""YAML from strangers: plain data only, no aliases (which can grow without bounds), no tags, no key twice."""

from typing import Any

import yaml

from grader.safe_text import printable
from project.support.yaml_loader import UniqueKeys, read_yaml

MAX_BYTES = (
    32_000  # PyYAML takes a second for this much, as long as little is nested; a complete configuration has 3 kB
)


class StrictYamlError(Exception):
    """What is wrong, and in which line, in one line."""


class Loader(UniqueKeys):
    """Stricter still."""

    aliases_allowed = False


class TextLoader(Loader):
    """All that is written is text: YAML's rules for plain words make 129 of the id 0201, and False of no."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # as in PyYAML


def load_texts(content: bytes) -> Any:
    """Parse YAML whose values are texts, as they were written. Raises StrictYamlError."""
    return load(content, TextLoader)


def load(content: bytes, loader: type[Loader] = Loader) -> Any:
    """Parse YAML. Raises StrictYamlError."""
    if len(content) > MAX_BYTES:
        raise StrictYamlError(f"larger than {MAX_BYTES // 1000} kB")
    try:
        return read_yaml(content, loader)
    except yaml.YAMLError as error:
        raise StrictYamlError(printable(str(error), 300)) from None
