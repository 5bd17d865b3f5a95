"""The examples of docs/own.md run as they stand, and are found in effect."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHORT = ["--run.wandb=disabled", "--run.figures=false", "--run.diagnostics=false"]
SHORT += ["--trainer.max_epochs=1", "--trainer.limit_train_batches=10", "--trainer.limit_val_batches=1"]
TEXT = (ROOT / "docs/own.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"## (.*?)\n.*?```python\n# submission/(\w+\.py)\n(.*?)```\n\n```bash\n(.*?)\n```", TEXT, re.DOTALL
)
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
    program, *words = shlex.split(command)
    # A process of its own: a class that was made once is among those that the parser knows for good.
    told = subprocess.run(
        [sys.executable, *words, *SHORT, f"--run.folder={tmp_path}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{submission}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr
    if family := FAMILIES.get(heading):
        assert re.search(rf"^  met +{family} ", told.stdout, re.MULTILINE) and "note:" not in told.stderr
    else:
        assert told.stdout.startswith(f"{name}, ")


def test_the_page_has_every_kind_and_both_languages_have_the_same_code():
    assert len(EXAMPLES) == 7 and all(len(code.strip().splitlines()) <= 16 for _, _, code, _ in EXAMPLES)
    blocks = [
        re.findall(r"```.*?```", (ROOT / f"docs/{page}").read_text(encoding="utf-8"), re.DOTALL)
        for page in ("own.md", "own.ko.md")
    ]
    assert blocks[0] == blocks[1]
