"""Gradescope's autograder, tried in folders as its container has them, with no more installed than setup.sh installs."""

import importlib.util
import json
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import pytest
from jsonschema import validate

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.ledger.results_folder import open_results
from grader.rules import Rules
from tests.grader.conftest import TINY_GLYPHS
from tests.grader.test_public_korean import ENGLISH
from tests.grader.test_told_korean import COMMAND

INSTALLED = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection", "yaml", "_yaml")
# After https://gradescope-autograders.readthedocs.io/en/latest/specs/, "Output format", read in November 2026.
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
TEST = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number"},
        "max_score": {"type": "number"},
        "status": {"enum": ["passed", "failed"]},
        "name": {"type": "string"},
        "name_format": FORMAT,
        "number": {"type": "string"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "tags": {"type": "array"},
        "visibility": VISIBILITY,
        "extra_data": {"type": "object"},
    },
}
BOARD = {
    "type": "object",
    "required": ["name", "value"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "value": {"type": ["number", "string"]},
        "order": {"enum": ["asc", "desc"]},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["score"],  # or on each test
    "additionalProperties": False,
    "properties": {
        "score": {"type": "number", "minimum": 0},
        "execution_time": {"type": "number"},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "tests": {"type": "array", "items": TEST},
        "leaderboard": {"type": "array", "items": BOARD},
    },
}


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    """What Gradescope has built before any upload: an interpreter with what setup.sh installs."""
    place = tmp_path_factory.mktemp("image") / "venv"
    venv.create(place)
    (packages,) = place.glob("lib/python*/site-packages")
    for name in INSTALLED:
        if found := importlib.util.find_spec(name):
            (path,) = found.submodule_search_locations or [found.origin]
            (packages / Path(path).name).symlink_to(path)
    return place


@pytest.fixture
def container(tmp_path, image):
    """Makes /autograder of the zip that our command writes; returns what runs an upload there."""

    def make(*options: str) -> Path:
        here = tmp_path / "autograder"
        assert main(["gradescope", "--out", str(tmp_path / "autograder.zip"), *options]) == 0
        shutil.rmtree(here, ignore_errors=True)
        with zipfile.ZipFile(tmp_path / "autograder.zip") as archive:
            archive.extractall(here / "source")
            modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert modes["setup.sh"] & modes["run_autograder"] & 0o111 == 0o111
        shutil.copy(here / "source" / "run_autograder", here / "run_autograder")
        (here / "run_autograder").chmod(0o755)
        (here / "venv").symlink_to(image)
        (here / "submission").mkdir()
        (here / "results").mkdir()
        return here

    return make


def run(here: Path, files: dict[str, bytes], upload: int = 7, mail: str = "m@x.org") -> dict:
    for name, content in files.items():
        (here / "submission" / name).write_bytes(content)
    about = {"id": upload, "created_at": "2026-11-24T10:00:00-08:00", "users": [{"name": "김민지", "email": mail}]}
    (here / "submission_metadata.json").write_text(json.dumps(about))
    done = subprocess.run(
        [here / "run_autograder"], cwd=here, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((here / "results" / "results.json").read_text(encoding="utf-8"))
    validate(results, SCHEMA)
    return results


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_upload_is_checked_within_seconds_and_without_torch(container, write_submission):
    here = container()
    started = time.monotonic()
    results = run(here, contents(write_submission()))
    assert time.monotonic() - started < 15
    assert results["score"] == 0 and results["output"].startswith("# Ready")
    assert [test["name"] for test in results["tests"]][1:] == Rules.load().families
    assert {test["status"] for test in results["tests"]} == {"passed"}


def test_what_would_be_rejected_is_told_with_how_to_mend_it(container, write_submission):
    def change(config):
        config["trainer"]["max_epochs"] = 16

    results = run(container(), contents(write_submission(change=change, evil_py="import os; os._exit(9)")))
    assert results["tests"][0]["status"] == "failed" and "max_epochs" in results["tests"][0]["output"]
    assert results["output"].startswith("# It would be rejected") and "hand in that run" in results["output"]


def test_in_korean_the_checks_answer_in_korean(container, write_submission):
    def change(config):
        config["trainer"]["max_epochs"] = 16

    here = container("--language", "ko")
    results = run(here, contents(write_submission(change=change)))
    assert results["tests"][0]["name"] == "규칙과 형식" and "16입니다. --trainer.max" in results["tests"][0]["output"]
    assert results["output"].startswith("# 이대로면 반려됩니다") and "**반려** config.yaml: " in results["output"]
    assert not ENGLISH.search(COMMAND.sub("", json.dumps(results["output"], ensure_ascii=False)))
    (here / "source" / "rules.yaml").write_text("nonsense: 1\n")
    assert "담당 교수자" in run(here, {})["output"]


def test_a_family_that_is_missing_is_a_line_that_failed(container, write_submission):
    def change(config):
        config["model"]["normalization"] = None
        config["model"]["network"] = {"class_path": "project.networks.MLP"}

    results = run(container(), contents(write_submission(change=change)))
    assert {test["name"]: test["status"] for test in results["tests"]}["normalization"] == "failed"


@pytest.mark.parametrize("files", [{}, {"work.7z": b"7z"}, {"a.zip": b"PK\3\4 no more"}, {"config.yaml": b"\xff: ["}])
def test_any_upload_gets_an_answer(container, files):
    results = run(container(), files)
    assert results["tests"][0]["status"] == "failed"


def test_a_fault_of_ours_is_told_as_one(container):
    here = container()
    (here / "source" / "rules.yaml").write_text("max_epochs: many\n")
    assert "no fault of yours" in run(here, {})["output"]


@pytest.mark.parametrize("named", [True, False], ids=["by its number", "by its files"])
def test_final_results_are_handed_out(container, write_submission, tmp_path, named, capsys):
    files = contents(write_submission())
    texts = {name: content.decode() for name, content in files.items()}
    rules = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
    everyone = [
        Student("kim", "김민지", 0.91, texts=texts, source="submission_7" if named else "kim.zip"),
        Student("lee", "Lee", 0.8),
    ]
    write_course(tmp_path / "results", everyone, rules)
    if not named:  # a made-up course has made-up digests
        from grader.intake.submission import take_in

        with open_results(tmp_path / "results") as opened:
            digest = take_in(tmp_path / "submissions" / "kim-minji").digest
            for table in ("submissions", "measurements", "findings"):
                opened.ledger.database.execute(f"UPDATE {table} SET digest = ? WHERE student = 'kim'", [digest])
            known = json.dumps({"login": ["M@x.org"]})
            opened.ledger.database.execute("UPDATE submissions SET known_as = ? WHERE student = 'kim'", [known])
    here = container(
        "--rules",
        str(tmp_path / "results" / "assignment.json"),
        "--results",
        str(tmp_path / "results"),
        "--language",
        "ko",
    )
    results = run(here, files)
    assert results["score"] == 91.0 and "정확도" in results["output"] and results["leaderboard"][0]["value"] == 91.0
    assert named or run(here, files, mail="bob@x.org")["score"] == 0, "files are no proof of whose they are"
    assert run(here, {"config.yaml": b"a: 1"}, upload=8)["score"] == 0, "a later upload has no final result"


def test_a_group_s_upload_has_the_result_of_all_its_members(container, write_submission, tmp_path, capsys):
    members = [Student(name, name.title(), 0.9, source="submission_7") for name in ("ann", "ben")]
    apart = [Student(name, name.title(), 0.8, source="submission_8") for name in ("cal", "dee")]
    rules = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
    write_course(tmp_path / "results", members + apart, rules)
    with open_results(tmp_path / "results") as opened:
        opened.ledger.decisions.take("now", "kang", "points", "dee", {"report": 1.0, "conclusion": 1.0})
    here = container("--rules", str(tmp_path / "results" / "assignment.json"), "--results", str(tmp_path / "results"))
    said = capsys.readouterr().err
    assert "submission_8: its members cal, dee have different points" in said and "submission_7" not in said
    files = contents(write_submission())
    results = run(here, files)
    assert results["score"] == 90.0 and "Ann" not in results["output"] and results["output"].count("# ") == 2
    other = run(here, files, upload=8)
    assert (
        other["score"] == 0 and "Your points differ" in other["output"] and "when all are graded" not in other["output"]
    )


def test_setup_installs_what_the_checks_need_and_is_sound():
    from grader.publish import gradescope

    done = subprocess.run(["bash", "-n"], input=gradescope.SETUP + gradescope.RUN, text=True)
    assert done.returncode == 0
    asked = "import sys, grader.publish.gradescope_upload; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "wandb", "rich"} & {*loaded}
