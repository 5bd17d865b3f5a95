"""A release: one version, told by both command lines, with a dated section of the changelog that is newer than all before."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

import grader.cli
import main
from project import __version__

ROOT = Path(__file__).parents[1]
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+) \((\d{4}-\d\d-\d\d)\)")


def test_the_changelog_tells_of_this_version_and_each_before():
    headings = HEADING.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    releases = [RELEASE.fullmatch(heading) for heading in headings if heading != "Unreleased"]
    assert all(releases) and "Unreleased" not in headings[1:], headings
    versions = [tuple(map(int, release.groups()[:3])) for release in releases]
    days = [date.fromisoformat(release[4]) for release in releases]
    assert ".".join(map(str, versions[0])) == __version__
    assert versions == sorted(set(versions), reverse=True) and days == sorted(days, reverse=True)


def test_the_version_is_stated_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "project.__version__"}
    assert project["project"]["dynamic"] == ["version"] and "version" not in project["project"]


@pytest.mark.parametrize("command", [main.main, grader.cli.main], ids=["main.py", "grader"])
def test_both_command_lines_tell_it(command, capsys):
    try:
        status = command(["--version"])
    except SystemExit as ended:
        status = ended.code
    assert (status, capsys.readouterr().out) == (0, f"Fifteen Epochs {__version__}\n")
