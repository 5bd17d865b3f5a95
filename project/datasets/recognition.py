"""What kind of dataset lies at a path: images in folders or archives, tables, IDX files."""

import zipfile
from pathlib import Path
from typing import Any

from project.datasets.damage import DAMAGED
from project.datasets.idx import idx_files
from project.datasets.tables import ENDINGS, is_hidden, is_table
from project.support.errors import UserError

Description = dict[str, Any]  # class_path and init_args of a source


def recognized(path: Path) -> Description:
    """The data source for what lies at a path: an ImageTable, IDXImages, or else an ImageArchive. Reads names only.

    Raises:
        UserError: There is nothing, or it is a file of another kind.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    return {"class_path": source_class(path), "init_args": {"path": str(path.resolve())}}


def source_class(path: Path) -> str:
    """Full name of the source's class."""
    name = path.name.lower()
    if path.is_dir():
        if idx_files(path):
            return "project.datasets.idx.IDXImages"
        entries = [entry for entry in path.iterdir() if not is_hidden(entry.name)]
        if any(is_table(entry.name) for entry in entries) and not any(entry.is_dir() for entry in entries):
            return "project.datasets.tables.ImageTable"
    elif name.endswith(ENDINGS) or (name.endswith(".zip") and holds_a_table(path)):
        return "project.datasets.tables.ImageTable"
    elif not name.endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")):
        raise UserError(
            f"{path}: no dataset; expected a folder, .zip or .tar of images, a .csv, or a folder of IDX files"
        )
    return "project.datasets.image_archive.ImageArchive"


def holds_a_table(path: Path) -> bool:
    """Whether a zip holds a table and nothing else."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not is_hidden(name)]
    except DAMAGED:
        return False  # ImageArchive says what is wrong with it
    return bool(names) and all(map(is_table, names))
