"""Whether a student's code imports what draws text, of which a training could make itself further images.

It is told from the text, line by line, so that code can hide it; a person who reads that code sees it.
"""

import re
from collections.abc import Iterator, Mapping

DRAWS = ("PIL.ImageDraw", "PIL.ImageFont", "matplotlib")
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+(?P<package>\w[\w.]*)[ \t]+)?import[ \t]+(?P<names>[^\n;]+)", re.MULTILINE)


def drawing(modules: Mapping[str, bytes]) -> list[str]:
    """What a person should look at in modules that were checked: nothing, or a single line."""
    imported = {name for code in modules.values() for name in imports(code.decode("utf-8", "replace"))}
    if found := [ours for ours in DRAWS if any(f"{name}.".startswith(f"{ours}.") for name in imported)]:
        return [f"imports {', '.join(found)}, with which further images could be drawn"]
    return []


def imports(code: str) -> Iterator[str]:
    """Dotted names of what lines import."""
    for found in IMPORT.finditer(code):
        for name in found["names"].strip("() \t").split(","):
            yield ".".join(filter(None, (found["package"], name.partition(" as ")[0].strip())))
