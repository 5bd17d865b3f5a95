"""Layers in plain lists and dicts, where torch does not look for them."""

from collections.abc import Iterator
from typing import Any

from torch import nn


def in_plain_lists(network: nn.Module) -> Iterator[str]:
    """Says of each attribute that holds layers in a plain list, tuple or dict which one it is, and how to write it."""
    known = {*network.modules()}
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if name[0] != "_" and any(each not in known for each in layers_within(value)):
                is_dict, kind = isinstance(value, dict), type(value).__name__
                cure = "nn.ModuleDict({...})" if is_dict else "nn.ModuleList([...]), or nn.Sequential(...)"
                place = f"{path}.{name}" if path else name
                yield f"the layers in {place}, a plain {kind}, are not trained; write self.{name} = {cure}"


def layers_within(value: Any, deeper: bool = True) -> Iterator[nn.Module]:
    """The modules with weights in a list, tuple or dict, and in those that lie in it."""
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for each in within:
        if isinstance(each, nn.Module):
            yield from (each,) if next(each.parameters(), None) is not None else ()
        elif deeper:
            yield from layers_within(each, deeper=False)
