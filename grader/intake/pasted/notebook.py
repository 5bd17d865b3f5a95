"""Makes a submission to be looked over of a notebook with plain PyTorch. Nothing of the notebook is run."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from grader.intake.notebooks import NotANotebook, read_notebook
from grader.intake.pasted.augmentation import Augmentations
from grader.intake.pasted.images import Images
from grader.intake.pasted.loss import Loss
from grader.intake.pasted.network import find_network
from grader.intake.pasted.not_taken import NotTaken
from grader.intake.pasted.plain_code import PlainCode
from grader.intake.pasted.training import Training
from grader.intake.submission import MAX_FILE_BYTES
from grader.safe_text import printable
from project.assignment import RULES
from project.support.errors import UserError
from project.support.yaml_loader import read_yaml

MOST_BYTES = 50 * 10**6  # pictures and outputs included
BASE = RULES.with_name("base.yaml")
TABLE = "project.datasets.tables.ImageTable"
STUDENT = "id:  # your student id\nname:  # your name\n"
MODULE = "my_network"


class Imported(NamedTuple):
    """A submission made of a notebook: its files by name, what is to be told, a line each, and the name of its table."""

    files: dict[str, bytes]
    said: list[str]
    table: str


def import_notebook(notebook: Path, folder: Path) -> Imported:
    """Write the submission `folder`, which must not exist, all at once.

    Raises:
        UserError: The notebook cannot be read, or holds no network; the folder is there already or cannot be written.
    """
    if os.path.lexists(folder):
        raise UserError(f"{folder}: is there already; name another folder with --out FOLDER")
    if notebook.suffix != ".ipynb":
        raise UserError(f"{notebook}: is no Jupyter notebook; name a file that ends in .ipynb")
    try:
        if notebook.stat().st_size > MOST_BYTES:
            raise UserError(f"{notebook}: larger than {MOST_BYTES // 10**6} MB; clear its outputs")
        content = notebook.read_bytes()
    except OSError as error:
        raise UserError(f"{notebook}: cannot be read ({error.strerror})") from None
    try:
        imported = submission_of(content, notebook.name)
    except UserError as error:
        raise UserError(f"{notebook}: {error}") from None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=folder.parent) as scratch:
            whole = Path(scratch, "submission")
            whole.mkdir()
            for name, each in imported.files.items():
                (whole / name).write_bytes(each)
            if os.path.lexists(folder):
                raise UserError(f"{folder}: is there already; name another folder with --out FOLDER")
            shutil.move(whole, folder)
    except OSError as error:
        raise UserError(f"--out {folder}: cannot be written ({error.strerror})") from None
    return imported


def submission_of(content: bytes, name: str) -> Imported:
    """The submission that a notebook makes. Raises UserError where it cannot be read, or holds no network."""
    try:
        cells = enumerate(read_notebook(content), 1)
    except NotANotebook as error:
        raise UserError(str(error)) from None
    code = PlainCode((number, cell.source) for number, cell in cells if cell.kind == "code")
    training = Training(code)
    network = find_network(code, training.trained, training.statements_that_train())
    training.network = network.nodes
    base = read_yaml(BASE.read_bytes())

    optimizer = training.find_optimizer() or base["model"]["optimizer"]
    epochs = training.find_epochs(base["trainer"]["max_epochs"])
    batch_size = training.find_batch_size(base["data"]["batch_size"])
    scheduler = training.find_schedule(optimizer, epochs)
    loss = Loss(code, network.nodes)
    regularization = loss.find_regularization()
    images = Images(code, network.nodes)
    table, scaling = images.find_images()
    augmentations = Augmentations(code, network.nodes)
    augmentation = augmentations.find_augmentation()
    source = {"class_path": TABLE, "init_args": {"path": printable(table)}} if table else base["data"]["source"]
    chosen = {"class_path": f"submission.{MODULE}.{network.name}"}
    settings: dict[str, Any] = {
        **base,
        "trainer": {**base["trainer"], "max_epochs": epochs},
        "model": {
            **base["model"],
            "network": {**chosen, "init_args": network.arguments} if network.arguments else chosen,
            "optimizer": optimizer,
            "scheduler": scheduler,
            "regularization": regularization,
        },
        "data": {**base["data"], "source": source, "batch_size": batch_size, "augmentation": augmentation, **scaling},
    }
    said = [
        f"network: {network.name}, in {MODULE}.py",
        *network.said,
        *training.said,
        *images.said,
        *loss.said,
        *augmentations.said,
    ]
    said += NotTaken(code, network.nodes, network.handles, training.functions_that_train()).find()
    said += code.skipped
    said += [
        f"data.source: {printable(table)}, as the notebook calls it: set its path" if table else images.not_taken()
    ]
    if len(content) > MAX_FILE_BYTES:
        said.append(
            f"the notebook is larger than {MAX_FILE_BYTES // 10**6} MB: clear its outputs before you hand it in"
        )
    header = f"# Made of {printable(name)} by `python -m grader import`: look it over.\n"
    files = {
        "config.yaml": (header + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)).encode(),
        f"{MODULE}.py": network.module.encode("utf-8", "replace"),
        "student.yaml": STUDENT.encode(),
        name: content,
    }
    return Imported(files, said, table)
