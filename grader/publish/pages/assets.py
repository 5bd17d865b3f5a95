"""Scripts and styles of the pages: two libraries out of their Python packages, and our own few lines."""

import importlib.util
import re
import shutil
from pathlib import Path

STATIC = Path(__file__).parent / "static"
EXPORTS = re.compile(r"\bexport\s*\{([^{}]*\bas default\b[^{}]*)\};?")


def write_assets(folder: Path) -> None:
    """Write all that the pages load into an existing folder."""
    tables, charts = package("itables") / "html", package("plotly") / "package_data"
    (folder / "datatables.js").write_text(as_script((tables / "dt_bundle.js").read_text(encoding="utf-8")), "utf-8")
    shutil.copyfile(tables / "dt_bundle.css", folder / "datatables.css")
    shutil.copyfile(charts / "plotly.min.js", folder / "plotly.js")
    for file in STATIC.iterdir():
        shutil.copyfile(file, folder / file.name)


def as_script(module: str) -> str:
    """A JavaScript module as a plain script that sets `DataTable`: browsers load no modules from a disk."""
    exports = EXPORTS.search(module)
    names = dict(reversed(pair.split(" as ")) for pair in exports[1].split(",")) if exports else {}
    if "default" not in names:
        raise RuntimeError("itables' bundle exports no DataTable; another version of it is needed")
    plain = module[: exports.start()] + f"globalThis.DataTable = {names['default']};" + module[exports.end() :]
    return f"(() => {{\n{plain}\n}})();\n"


def package(name: str) -> Path:
    """A package's folder. It need not be imported, which takes its time."""
    return Path(importlib.util.find_spec(name).origin).parent
