"""YAML of plain data, in which no key can be lost."""

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_LEVELS = 30  # a complete configuration has six
MAX_DIGITS = 100  # Python refuses to write down a number of thousands
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


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
        raise yaml.YAMLError(f"not valid YAML: {' '.join(str(error).split())[:200]}") from None
