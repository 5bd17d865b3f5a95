"""YAML in which no key can be lost."""

from collections.abc import Hashable
from typing import Any

import yaml


class UniqueKeys(yaml.SafeLoader):
    """Plain data. A key that is there twice is a mistake, where PyYAML would take the last one."""


def construct_mapping(loader: UniqueKeys, node: yaml.MappingNode) -> dict[Hashable, Any]:
    """A mapping that has every key once and does not lie in itself."""
    seen = set()
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if key.value in seen:
            raise yaml.YAMLError(f"line {key.start_mark.line + 1}: the key {key.value[:80]!r} is there twice")
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


UniqueKeys.add_constructor("tag:yaml.org,2002:map", construct_mapping)
