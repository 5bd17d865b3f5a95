"""What docs/policy.md shows works as it says, in its order."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from grader.cli import main
from grader.rules import Limits, Rules
from tests.grader.test_grades import DAY, DUE, board, course

PAGE = Path("docs/policy.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_of_the_page_runs_on_every_rule_of_it(tmp_path, rules, monkeypatch, capsys):
    rules = rules.but(deadline=DUE, late="flag", limits=Limits())
    course(tmp_path / "results", rules, {"lee": DUE + 3 * DAY})
    monkeypatch.chdir(tmp_path)
    for text in blocks("yaml"):  # a part of a file: the other rules are those that were graded by
        changed = {**json.loads(rules.model_dump_json()), **yaml.safe_load(text)}
        Path(re.findall(r"^# in (\S+),", text)[0]).write_text(yaml.safe_dump(changed))
    said = {}
    for command in (line for block in blocks("bash") for line in block.splitlines()):
        words = shlex.split(command, comments=True)
        assert words[:3] == ["python", "-m", "grader"] and main(words[3:]) == 0, command
        said[" ".join(words[3:])] = capsys.readouterr().out
    assert "85.00 -> 75.00" in said["rules results --try late.yaml"]
    assert "85.00 -> 90.00" in said["rules results --try cutoffs.yaml"]
    assert board(Path("results"))["park"]["verdict"] == "passed"  # the third decision was taken back
    assert "exempt" in said["explain results lee"] and "by the cut-offs" in said["explain results lee"]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_its_rules_are_rules(text, tmp_path):
    (tmp_path / "rules.yaml").write_text(text)
    known = {*Rules.model_fields}
    assert Rules.load(tmp_path / "rules.yaml") and yaml.safe_load(text).keys() <= known
