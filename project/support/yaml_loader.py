"""YAML of plain data, in which no key can be lost."""

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.reader import ReaderError

MAX_LEVELS = 30  # a complete configuration has six
MAX_DIGITS = 100  # Python refuses to write down a number of thousands
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

CURES = {  # of what PyYAML says; the first one that fits
    r"mapping values|expected <block end>|document start": "indent the line as those around it, or put its text into quotes",
    r"character '\\t'": "indent with spaces, not with tabs",
    r"unexpected end of stream": "close the quotation mark",
    r"expected ',' or|content, but found '<stream end>'": "close the bracket",
    r"start any token|alias|alphabetic|node content|unhashable": "put the text into quotes",
    r"unknown escape": "put the text into single quotes",
    r"sequence entries": "begin the list on a line of its own",
    r"another document": "leave out the line ---",
    r"unacceptable character": "save it as UTF-8",
}
NEVER_CLOSED = r"unexpected end of stream|expected ',' or"  # and nobody looks for the mark where the file ends


class Refused(yaml.YAMLError):
    """YAML, but no plain data, or too much of it; in one line."""


class UniqueKeys(yaml.SafeLoader):
    """Plain data. A key that is there twice is a mistake, where PyYAML would take the last one."""

    aliases_allowed = True
    levels = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) and not self.aliases_allowed:
            raise Refused(f"{line}: aliases (*name) are not allowed")
        if getattr(event, "tag", None) is not None:
            raise Refused(f"{line}: tags (!name) are not allowed")
        self.levels += 1
        if self.levels > MAX_LEVELS:
            raise Refused(f"{line}: nested too deeply")
        node = super().compose_node(parent, index)
        self.levels -= 1
        if node is not None and node.tag in NUMBERS and len(node.value) > MAX_DIGITS:
            raise Refused(f"{line}: a number of {len(node.value)} characters")
        return node


def construct_mapping(loader: UniqueKeys, node: yaml.MappingNode) -> dict[Hashable, Any]:
    """A mapping that has every key once and does not lie in itself."""
    seen = set()
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if key.value in seen:
            raise Refused(f"line {key.start_mark.line + 1}: the key {key.value[:80]!r} is there twice")
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


UniqueKeys.add_constructor("tag:yaml.org,2002:map", construct_mapping)
UniqueKeys.add_implicit_resolver(  # YAML 1.2 takes 1e-3 for a number
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_yaml(text: str | bytes, loader: type[UniqueKeys] = UniqueKeys) -> Any:
    """The data that a text says. Raises yaml.YAMLError, in one line; its kind Refused where the text is YAML."""
    try:
        return yaml.load(text, loader)
    except Refused:
        raise
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:  # an impossible date, say
        raise yaml.YAMLError(fault(error, text)) from None


def fault(error: Exception, text: str | bytes) -> str:
    """Where a text is no YAML, what is wrong there, and what mends it."""
    said = " ".join((getattr(error, "problem", None) or str(error)).partition("\n")[0].split())[:200]
    mark = getattr(error, "problem_mark", None)
    if re.search(NEVER_CLOSED, said):
        mark = getattr(error, "context_mark", None) or mark
    place = (mark.line, mark.column) if mark else None
    if isinstance(error, ReaderError):
        *lines, last = text[: error.position].splitlines() or [""]
        place = len(lines), len(last)
    cures = [f"; {cure}" for pattern, cure in CURES.items() if re.search(pattern, said)]
    where = f"line {place[0] + 1}, column {place[1] + 1}: " if place else ""
    return f"{where}not valid YAML: {said}{cures[0] if cures else ''}"
