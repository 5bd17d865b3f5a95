"""YAML from strangers: plain data only, no aliases (which can grow without bounds), no key twice."""

from typing import Any

import yaml

MAX_BYTES = 256_000


class StrictYamlError(Exception):
    """What is wrong, and in which line, in one line."""


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, stricter."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise StrictYamlError(f"line {self.peek_event().start_mark.line + 1}: aliases (*name) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise StrictYamlError(f"line {key.start_mark.line + 1}: the key {key.value!r} is there twice")
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(content: bytes) -> Any:
    """Parse YAML. Raises StrictYamlError."""
    if len(content) > MAX_BYTES:
        raise StrictYamlError(f"larger than {MAX_BYTES // 1000} kB")
    try:
        return yaml.load(content.decode("utf-8"), Loader)
    except StrictYamlError:
        raise
    except RecursionError:
        raise StrictYamlError("nested too deeply") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError) as error:
        raise StrictYamlError(f"not valid YAML: {' '.join(str(error).split())[:200]}") from None
