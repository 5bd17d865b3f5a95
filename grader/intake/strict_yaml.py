"""YAML from strangers: plain data only, no aliases (which can grow without bounds), no tags, no key twice."""

from typing import Any

import yaml

from project.support.yaml_loader import UniqueKeys

# PyYAML takes a second for this much, as long as little is nested; a complete configuration has 3 kB and six levels.
MAX_BYTES = 32_000
MAX_LEVELS = 30
MAX_DIGITS = 100  # Python refuses to write down a number of thousands
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class StrictYamlError(Exception):
    """What is wrong, and in which line, in one line."""


class Loader(UniqueKeys):
    """Stricter still."""

    levels = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
        line = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.events.AliasEvent):
            raise StrictYamlError(f"{line}: aliases (*name) are not allowed")
        if event.tag is not None:
            raise StrictYamlError(f"{line}: tags (!name) are not allowed")
        self.levels += 1
        if self.levels > MAX_LEVELS:
            raise StrictYamlError(f"{line}: nested too deeply")
        node = super().compose_node(parent, index)
        self.levels -= 1
        if node is not None and node.tag in NUMBERS and len(node.value) > MAX_DIGITS:
            raise StrictYamlError(f"{line}: a number of {len(node.value)} characters")
        return node


def load(content: bytes) -> Any:
    """Parse YAML. Raises StrictYamlError."""
    if len(content) > MAX_BYTES:
        raise StrictYamlError(f"larger than {MAX_BYTES // 1000} kB")
    try:
        return yaml.load(content.decode("utf-8"), Loader)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise StrictYamlError(f"not valid YAML: {' '.join(str(error).split())[:200]}") from None
