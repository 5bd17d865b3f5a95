"""Scripts and styles of the pages: two libraries out of their Python packages, and our own few lines."""

import re
import shutil
from importlib.metadata import distribution
from pathlib import Path

STATIC = Path(__file__).parent / "static"
EXPORT = re.compile(r"\bexport\s*\{[^{}]*?([\w$]+) as default\b[^{}]*\};?")


def write_assets(folder: Path) -> None:
    """Write all that the pages load into an existing folder."""
    tables = Path(str(distribution("itables").locate_file("itables/html")))  # not imported, which would take its time
    charts = Path(str(distribution("plotly").locate_file("plotly/package_data")))
    (folder / "datatables.js").write_text(as_script((tables / "dt_bundle.js").read_text(encoding="utf-8")), "utf-8")
    shutil.copyfile(tables / "dt_bundle.css", folder / "datatables.css")
    shutil.copyfile(charts / "plotly.min.js", folder / "plotly.js")
    for file in STATIC.iterdir():
        shutil.copyfile(file, folder / file.name)


def as_script(module: str) -> str:
    """A JavaScript module as a plain script that sets `DataTable`: browsers load no modules from a disk."""
    plain, exports = EXPORT.subn(r"globalThis.DataTable = \1;", module)
    if exports != 1:
        raise RuntimeError("itables' bundle exports no DataTable; another version of it is needed")
    return f"(() => {{\n{plain}\n}})();\n"
