"""The examples of docs/own.md run as they stand, and are found in effect."""

import multiprocessing
import re
import shlex
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from main import main

ROOT = Path(__file__).parents[1]
SHORT = ["--run.wandb=disabled", "--run.figures=false", "--run.diagnostics=false"]
SHORT += ["--trainer.max_epochs=1", "--trainer.limit_train_batches=10", "--trainer.limit_val_batches=1"]
TEXT = (ROOT / "docs/own.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"## (.*?)\n.*?```python\n# submission/(\w+\.py)\n(.*?)```\n\n```bash\n(.*?)\n```", TEXT, re.DOTALL
)
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["project.training.command_line"])  # imported once for all
FAMILIES = {
    "An optimizer": "optimization",
    "A schedule": "optimization",
    "A regularizer": "regularization",
    "An augmentation": "regularization",
    "An initialization": "initialization",
    "A normalization": "normalization",
}


@pytest.fixture(scope="module")
def submission(tmp_path_factory):
    """A folder in which `submission` lies, with all files of the page."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "submission").mkdir()
    for _, file, code, _ in EXAMPLES:
        (folder / "submission" / file).write_text(code)
    return folder


@pytest.mark.parametrize(("heading", "file", "code", "command"), EXAMPLES, ids=[each[0] for each in EXAMPLES])
def test_an_example_trains_and_is_found_in_effect(heading, file, code, command, submission, tmp_path):
    name = re.findall(r"^class (\w+)", code, re.MULTILINE)[-1]
    program, file, *words = shlex.split(command)
    assert (program, file) == ("python", "main.py")
    # A process of its own: a class that was made once is among those that the parser knows for good.
    process = PROCESSES.Process(target=told, args=([*words, *SHORT, f"--run.folder={tmp_path}"], submission, tmp_path))
    process.start()
    process.join()
    out, err = ((tmp_path / name).read_text(encoding="utf-8") for name in ("out", "err"))
    assert process.exitcode == 0, err
    if family := FAMILIES.get(heading):
        assert re.search(rf"^  met +{family} ", out, re.MULTILINE) and "note:" not in err
    else:
        assert out.startswith(f"{name}, ")


def told(words, submission, folder):
    """Act a command out where `submission` lies, and keep what it says in files."""
    sys.path.insert(0, str(submission))
    with (
        open(folder / "out", "w", encoding="utf-8") as out,
        open(folder / "err", "w", encoding="utf-8") as err,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        status = main(words)
    sys.exit(status)


def test_the_page_has_every_kind_and_both_languages_have_the_same_code():
    assert len(EXAMPLES) == 7 and all(len(code.strip().splitlines()) <= 16 for _, _, code, _ in EXAMPLES)
    blocks = [
        re.findall(r"```.*?```", (ROOT / f"docs/{page}").read_text(encoding="utf-8"), re.DOTALL)
        for page in ("own.md", "own.ko.md")
    ]
    assert blocks[0] == blocks[1]
