"""A class's repository: a pull request changes one student's folder, is read and never run, and needs no secret."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from benchmarks.hand_in_systems import git, written
from grader.engines.ray_cluster import SHIPPED
from grader.intake.pull_request import changed_paths, check_new, own_folder
from grader.review.handed_out import HANDED_OUT
from project.support.errors import UserError

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in ROOT.glob(".github/workflows/*.yml")}
GITLAB = yaml.safe_load((ROOT / "docs/examples/gitlab-ci.yml").read_text())["check"]
HOSTED = {"ubuntu-24.04", "windows-2025", "macos-15"}  # runners of GitHub's own, one for each job
CONTAINER = ROOT / "docs" / "Containerfile"
THEN = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "pattern", "folder"),
    [
        (["students/kim/config.yaml", "students/kim/a/b.md"], "students/*", "students/kim"),
        (["Week6/Dropout/김민지/work.ipynb"], "Week6/*/*", "Week6/Dropout/김민지"),
        (["w/\u1100\u1161/a", "w/가/b"], "w/*", "w/\u1100\u1161"),  # NFD and NFC
        ([], "students/*", "changes no folder like students/"),
        (["students/kim"], "students/*", "changes no folder like students/"),  # a link in the place of the folder
        (["students/kim/a", "students/lee/a"], "students/*", "changes 2 folders"),
        (["students/kim/a", "README.md"], "students/*", "changes 1 file outside of students/kim;"),
        (["students/kim/a", "students/lee"], "students/*", "changes 1 file outside of students/kim;"),
        (["Week6/Dropout/kim/a", "Week5/Dropout/kim/a"], "Week6/*/*", "changes 1 file outside"),
    ],
)
def test_a_pull_request_is_one_student_s_folder(changed, pattern, folder):
    listed = "\0".join([*changed, ""]).encode()
    if "changes" in folder:
        with pytest.raises(UserError, match=re.escape(folder)) as refused:
            own_folder(changed_paths(listed), pattern)
        assert "lee" not in str(refused.value)
    else:
        assert own_folder(changed_paths(listed), pattern) == folder


@pytest.mark.parametrize(
    ("new", "there", "refused"),
    [
        ("김민지_최종", "김민지", True),
        ("Kim Minji-2", "kim_minji", True),
        ("김민지", "20260001_김민지", True),
        ("김민지", "20260001 \u1100\u1175\u11b7\u1106\u1175\u11ab\u110c\u1175", True),  # NFD
        ("김민지", "김민지아", False),
        ("이바다_최종", "김민지", False),
        ("김민지", "김민지", False),
    ],
)
def test_a_new_folder_is_not_one_more_of_a_student_who_has_one(new, there, refused, tmp_path):
    for name in (there, new):
        written(tmp_path / "week4" / name / "a" / "config.yaml", b"")
    changed = [f"week4/{new}/a/config.yaml"]
    if refused:
        with pytest.raises(UserError, match="adds the folder") as caught:
            check_new(tmp_path, f"week4/{new}", changed)
        assert "20260001" not in str(caught.value)
    else:
        check_new(tmp_path, f"week4/{new}", changed)
    written(tmp_path / "week4" / new / "README.md", b"")  # which was there before
    check_new(tmp_path, f"week4/{new}", changed)


def pulled(folder: Path, changes: dict[str, bytes | None]) -> tuple[str, str]:
    """A clone of a class's repository with a pull request checked out. Returns the commits of main line and request."""
    written(folder / "students" / "이바다" / "config.yaml", b"x: 1\n")
    written(folder / "README.md", b"# A class\n")
    git(folder, "init", "-q", "-b", "main", author=THEN)
    for branch in ("main", "pull"):
        if branch == "pull":
            git(folder, "checkout", "-qb", branch, author=THEN)
            for path, content in changes.items():
                if content is None:
                    git(folder, "rm", "-q", path, author=THEN)  # and the folder with it
                else:
                    written(folder / path, content)
        git(folder, "add", ".", author=THEN)
        git(folder, "commit", "-qm", branch, author=THEN)
    commits = (folder / ".git" / "refs" / "heads" / branch for branch in ("main", "pull"))
    base, head = (commit.read_text().strip() for commit in commits)
    return base, head


def bash(script: str, folder: Path, **variables: str) -> int:
    """As a runner has a script run."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # whose python the steps call
    known = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "GIT_CONFIG_GLOBAL": os.devnull, **variables}
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, env=known, capture_output=True)
    return done.returncode


@pytest.mark.parametrize("system", ["github", "gitlab"])
@pytest.mark.parametrize("case", ["good", "another's", "nothing left"])
def test_the_steps_say_what_becomes_of_a_pull_request(system, case, config, tmp_path):
    own = {"config.yaml": config.encode(), "student.yaml": b"id: kim\nname: Kim\n"}
    own["sitecustomize.py"] = own["grader.py"] = b"open('/tmp/ran', 'w')\n"
    changes = {f"students/kim/{name}": content for name, content in own.items() if case != "nothing left"}
    if case != "good":
        changes["students/이바다/config.yaml"] = None
    ran, summary = tmp_path / "ran", tmp_path / "check.md"
    if system == "github":
        base, _ = pulled(tmp_path / "pull", changes)
        step = WORKFLOWS["pull-request"]["jobs"]["check"]["steps"][-1]
        assert set(step["env"]) == {"BASE"}
        status = bash(step["run"], tmp_path, BASE=base, GITHUB_STEP_SUMMARY=str(summary))
    else:
        base, _ = pulled(tmp_path / "class", changes)
        lines = [line for line in GITLAB["before_script"] if line.startswith("git ")] + GITLAB["script"]
        script = "\n".join(lines).replace("/tmp/", f"{tmp_path}/")
        status = bash(script, tmp_path / "class", CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
        summary = tmp_path / "class" / "check.md"
    said = summary.read_text(encoding="utf-8")
    assert not ran.exists() and not Path("/tmp/ran").exists()
    if case == "good":  # modules are read, and named as no module of a student's may be named
        assert status == 1 and "kim: would be rejected" in said and "sitecustomize" in said
    elif case == "another's":
        assert status == 2 and "changes 2 folders like students/" in said
    else:
        assert status == 2 and "the pull request leaves nothing in students/이바다" in said
    assert case == "nothing left" or "이바다" not in said


def test_no_pull_request_meets_a_secret_or_a_runner_of_our_own():
    met = 0
    for name, workflow in WORKFLOWS.items():
        events = workflow[True]  # YAML's `on`
        assert "pull_request_target" not in events, name
        if "pull_request" not in events:
            continue
        met += 1
        assert "secrets." not in json.dumps(workflow, default=str) and workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            if "github.ref == 'refs/heads/main'" in job.get("if", ""):
                continue  # a pull request's is another one
            asked = job.get("strategy", {}).get("matrix", {}).get("system", [])
            runners = asked if job["runs-on"] == "${{ matrix.system }}" else [job["runs-on"]]
            assert runners and {*runners} <= HOSTED and job["permissions"] == {"contents": "read"}, name
    assert met == 3
    assert "secret" not in json.dumps(GITLAB).casefold() and "tags" not in GITLAB
    first, second = (step["with"] for step in WORKFLOWS["pull-request"]["jobs"]["check"]["steps"][:2])
    assert first["ref"] == "${{ github.event.pull_request.base.sha }}" and "path" not in first
    assert second["path"] == "pull" and not first["persist-credentials"] and not second["persist-credentials"]


@pytest.mark.parametrize("workflow", ["grade", "practice"])
@pytest.mark.parametrize("status", [0, 2])
def test_what_a_run_says_of_students_is_in_no_public_log(workflow, status, tmp_path):
    env = {"SUBMISSIONS": "in", "RESULTS": "results", "RULES": "r.yaml", "REGRADE": "kim", "PATH": os.environ["PATH"]}
    python = tmp_path / ".venv/bin/python"
    written(python, f"#!/bin/sh\necho Kim Minji $@\necho Lee >&2\nexit {status}\n".encode())
    python.chmod(0o755)
    (run,) = [
        step["run"]
        for step in WORKFLOWS[workflow]["jobs"][workflow]["steps"]
        if " -m grader run" in step.get("run", "")
    ]
    done = subprocess.run(["bash", "-e", "-c", run], env=env, cwd=tmp_path, capture_output=True, text=True)
    told = (tmp_path / "results" / f"{workflow}.log").read_text() if (tmp_path / "results").exists() else ""
    assert "Kim Minji -m grader run in --out results --rules r.yaml" in told and "Lee" in told
    assert "Kim" not in done.stdout + done.stderr and "Lee" not in done.stdout + done.stderr
    assert (f"::error::{workflow}.log in" in done.stdout, done.returncode) == (bool(status), bool(status))


def test_the_container_has_what_the_grader_needs_and_nothing_else():
    lines = [line for line in CONTAINER.read_text().splitlines() if line and not line.startswith("#")]
    instructions = [line.split(maxsplit=1) for line in lines]
    assert {word for word, _ in instructions} == {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "ENTRYPOINT", "CMD"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = [Path(path) for path in listed.stdout.splitlines()]
    copied = [source for word, rest in instructions if word == "COPY" for source in rest.split()[:-1]]
    for source in copied:
        top = len(Path(source).parts)  # a pattern's * stands for no slash
        found = [path for path in tracked if Path(*path.parts[:top]).match(source)]
        assert any(len(path.parts) == top or "*" not in source for path in found), source
    needed = {pattern.partition("/")[0] for pattern in HANDED_OUT} | set(SHIPPED)  # `similar` knows what was handed out
    assert needed <= set(copied)
    for word, rest in instructions:
        if word == "RUN":
            assert subprocess.run(["bash", "-n", "-c", rest]).returncode == 0
    (entry,) = (json.loads(rest) for word, rest in instructions if word == "ENTRYPOINT")
    (command,) = (json.loads(rest) for word, rest in instructions if word == "CMD")
    assert entry[0] == "python"
    here = [sys.executable, *entry[1:], *command, "--help"]
    assert subprocess.run(here, cwd=ROOT, capture_output=True).returncode == 0
    page = (ROOT / "docs" / "cluster.md").read_text()
    assert "docker build --file docs/Containerfile --tag fifteen-epochs ." in page
    assert "apptainer build fifteen-epochs.sif docker-archive:fifteen-epochs.tar" in page
