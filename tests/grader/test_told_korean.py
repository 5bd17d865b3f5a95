"""In Korean, a student reads findings, remarks and evidence in Korean: whatever our code can say there has its twin."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from grader.cli import main
from grader.intake.checks import Finding, check
from grader.intake.families import foreseen
from grader.intake.grammar import IN_WORDS
from grader.intake.submission import take_in
from grader.publish.public_korean import told_reason
from grader.publish.sentences import SLOT
from grader.publish.told_korean import (
    FREE,
    KOREAN,
    WORDS,
    compiled,
    finding_in_korean,
    in_korean,
    told,
    told_evidence,
    told_finding,
    told_line,
)
from project.strategies import OWN_NOISE
from project.support.yaml_loader import CURES
from tests.grader.test_public_korean import ENGLISH

ROOT = Path(__file__).parents[2]
# What says findings, remarks and evidence, and the functions there that say something else: to a person at a terminal, or
# what is quoted as it is.
SAYS = {
    "grader/intake/checks.py": (),
    "grader/intake/families.py": ("chosen_of",),
    "grader/intake/grammar.py": ("offered",),
    "grader/intake/strict_yaml.py": (),
    "grader/intake/submission.py": ("read_regular",),
    "grader/intake/reports.py": (),
    "grader/grading/examination.py": (),
    "grader/publish/gradescope_upload.py": (),
    "project/strategies.py": ("check_config",),
    "project/assignment.py": ("conditions", "whole_number", "load"),
}
QUOTED = {OWN_NOISE, "{} (the images here are {}: (N, {}, {}, {}))"}  # a strategy's name, and what an exception says
SENTENCE = re.compile(r"[a-z,]+ [a-z]+ [a-z]+")  # three words one after the other
COMMAND = re.compile(r"`[^`]*`|python -m [A-Za-z_. ]+|--[a-z_.]+ [a-z/]*")  # is the same in Korean
POLITE = re.compile(r"(니다|세요|니까\?)(\([^)]*\))?$|: [^:]*$")  # or what to write comes last
VALUES = {"text": "what 'they' wrote", "more": "10, 28", "offered": " or ".join([*IN_WORDS.values(), "null"])}
VALUES |= {"names": "conv1, conv2 and fc", "families": "optimization and normalization"}


def texts_said(file: str, but: tuple[str, ...]) -> list[str]:
    """The texts of a module that are sentences, but for docstrings; `{}` stands for what is put into them."""
    tree = ast.parse((ROOT / file).read_text())
    found, skipped = [], set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            skipped |= {id(each.value) for each in node.body if isinstance(each, ast.Expr)}
        if isinstance(node, ast.FunctionDef) and node.name in but:
            skipped |= {id(each) for each in ast.walk(node)}
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(each) for each in node.values}
        if id(node) not in skipped and isinstance(node, (ast.JoinedStr, ast.Constant)):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in parts))
    return [text for text in found if SENTENCE.search(text.replace("{}", "a"))]


@pytest.mark.parametrize("file", SAYS)
def test_whatever_is_said_in_the_code_is_part_of_a_sentence_with_a_twin(file):
    """A sentence that is new there fails here until it has one."""
    known = "\n".join([*(english for some in KOREAN.values() for english in some), *WORDS])
    texts = texts_said(file, SAYS[file])
    assert not [t for t in texts for part in t.split("; ") if part not in QUOTED and not found_in(part, known)]


def found_in(text: str, known: str) -> bool:
    return bool(re.search(r"[^\n]*?".join(map(re.escape, text.split("{}"))), known))


@pytest.mark.parametrize("kind", KOREAN)
def test_each_twin_has_the_same_places_and_speaks_as_one_does_to_a_student(kind):
    for english, korean in KOREAN[kind].items():
        places = SLOT.findall(english)
        assert len(places) == len(set(places)) and set(places) == set(SLOT.findall(korean)), english
        assert sum(place in FREE for place in places) <= 3, "each more is looked for at the power of one more"
        assert kind not in ("what", "census", "mend") or POLITE.search(korean), korean
        assert not ENGLISH.search(COMMAND.sub("", SLOT.sub("", korean))), korean


@pytest.mark.parametrize("kind", KOREAN)
def test_each_sentence_is_found_by_what_it_says(kind):
    """No earlier sentence takes it for itself."""
    for english in KOREAN[kind]:
        said = SLOT.sub(lambda slot: VALUES.get(slot[1], "Net" if slot[1] in ("name", "kind") else "3"), english)
        assert next(sentence for sentence in KOREAN[kind] if compiled(sentence).fullmatch(said)) == english
        shown = in_korean(said, kind) or ""
        assert shown and not SLOT.search(shown)
        assert not ENGLISH.search(COMMAND.sub("", shown.replace(VALUES["text"], ""))), shown


def test_a_finding_is_found_in_its_line_wherever_colons_and_semicolons_stand():
    for where in ("config.yaml: trainer.max_epochs", "a; b.py: line 3", "time"):
        for what in ("is missing", "'x: y; z' is not a plain id", "larger than 3 MB; hand in no weights and no data"):
            for mend in ("remove it", "clear the outputs of a notebook; make pictures smaller"):
                line = str(Finding(where, what, mend))
                korean = finding_in_korean(line)
                assert korean and korean.endswith(KOREAN["mend"][mend]), line
                assert finding_in_korean(f"{line} (and 2 more)") == f"{korean} (그 밖에 2건)"


def test_how_late_is_told_in_korean_units():
    said = in_korean("came 2 days and 3 hours after the deadline, 2026-12-04T23:59:00+09:00", "what")
    assert said == "마감(2026-12-04T23:59:00+09:00)보다 2일 3시간 늦게 제출했습니다"


def test_what_is_not_known_stays_as_it_is():
    assert told_line("nobody: knows this; do nothing", "ko") == "nobody: knows this; do nothing"
    assert told("nobody knows this", "census", "ko") == "nobody knows this"
    assert told_line("time: is missing; remove it", "en") == "time: is missing; remove it"


def test_several_initializations_are_told_one_by_one():
    of_he, of_normal = (
        "He: 8 of 9 layers; std 0.1 to 0.2; measured / formula 0.99 to 1",
        "normal: 1 of 9 layers; std 1 to 1",
    )
    korean = told_evidence(f"{of_he}, {of_normal}", "ko")
    assert korean == ", ".join(told_evidence(each, "ko") for each in (of_he, of_normal))
    assert not ENGLISH.search(korean)


def test_each_cure_of_what_is_no_yaml_is_told_in_korean():
    for cure in CURES.values():
        korean = in_korean(f"line 3, column 5: not valid YAML: mapping values are not allowed here; {cure}", "what")
        assert korean and cure not in korean, cure


def test_a_hostile_line_takes_no_time():
    for text in (": ; " * 300, "a: is no notebook (" * 100, "Net: x will not learn: no gradient " * 30):
        assert told_reason(text, "failed", "ko")


def spoiled(config):
    config["trainer"] |= {"max_epochs": 16, "max_steps": 3, "nonsense": 1}
    config["model"] |= {"network": {"class_path": "submission.gone.Net"}, "initialization": "os.system"}
    config["data"] |= {"batch_size": 0, "mean": "zero", "augmentation": {"class_path": "x"}}
    config["ckpt_path"] = "x.ckpt"


def test_all_findings_of_a_spoiled_submission_are_told_in_korean(write_submission, rules):
    folder = write_submission("spoiled", spoiled, **{"torch_py": "x = 1\n", "mine_py": "x = ("})
    (folder / "notes.csv").write_text("1,2\n")
    (folder / "a.pdf").write_bytes(b"no pdf")
    (folder / "CONCLUSION.md").write_text("too short")
    findings = check(take_in(folder), rules)
    assert len(findings) > 10
    for finding in findings:
        korean = told_finding(finding, "ko")
        assert korean.what != finding.what and korean.mend != finding.mend, finding
        assert finding_in_korean(str(finding)), finding


def test_check_speaks_korean_when_it_is_asked_to(write_submission, capsys, tmp_path):
    good, bad = write_submission("good"), write_submission("bad", spoiled)
    assert main(["check", str(good), "--language", "ko"]) == 0
    said = capsys.readouterr().out
    assert "갈래      optimization: " in said and "제출할 준비가 되었습니다(구분 verified)" in said
    assert main(["check", str(bad), "--language", "ko", "--summary", str(tmp_path / "summary.md")]) == 1
    said = capsys.readouterr().out
    assert (
        "반려      config.yaml: trainer.max_epochs: 1에서 15 사이여야 하는데 16입니다" in said
        and "이대로면 반려됩니다." in said
    )
    assert "| 위치 | 내용 | 고치는 방법 |" in (tmp_path / "summary.md").read_text()
    for text in (said, (tmp_path / "summary.md").read_text()):
        assert not ENGLISH.search(COMMAND.sub("", text))


def test_what_a_configuration_says_of_each_family_is_told_in_korean(write_submission):
    config = yaml.safe_load((write_submission("own") / "config.yaml").read_text())
    for network in ("submission.mine.Net", "torchvision.models.vgg11", "project.networks.MLP", 3):
        empty = {"model": {"network": network, "optimizer": "torch.optim.SGD"}, "data": {}}
        assert all(in_korean(each.said, "check") for each in foreseen(empty))
    assert {each.state for each in foreseen(config)} == {"chosen"}
