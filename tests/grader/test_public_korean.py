"""In Korean, a student reads reasons and flags in Korean: each sentence that may be said has its twin."""

import html
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.course import Student, write_course
from grader.cli import main
from grader.grading.presence import CAME_ANEW, NO_MORE
from grader.intake import downloads, identity
from grader.ledger.results_folder import open_results
from grader.publish.pseudonyms import pseudonyms
from grader.publish.public_korean import KOREAN, in_language, sentences, told_flag
from grader.publish.public_words import (
    FLAGS,
    OTHER_FLAG,
    OTHER_REASONS,
    REASONS,
    SLOT,
    SLOTS,
    public_flag,
    public_reason,
)
from grader.rules import Rules
from tests.grader.conftest import TINY_GLYPHS

RULES = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
NAMES = set("config.yaml student.yaml nn.Parameter requires_grad False SAM CPU GPU GB MB".split())  # the same in Korean
VALUES = {
    "number": st.sampled_from(("3", "85.0%", "1,234")),
    "doing": st.sampled_from(("training", "predicting")),
    "families": st.sampled_from(("optimization", "optimization and normalization", "a")).filter(
        lambda text: text != "a"
    ),
    "setting": st.sampled_from(("model.network", "model.regularization", "trainer.max_epochs")),
    "exception": st.sampled_from(("ValueError", "an exception of its own")),
    "signal": st.just("SIGSEGV"),
    "file": st.just("summary.json"),
    "any": st.just("whatever stands there"),
}
NUMBER = r"\d+(?:[.,]\d+)*"
ENGLISH = re.compile(r"[A-Za-z][a-z]+(?: [a-z]+)+")  # two words one after the other


@st.composite
def said(draw, sentences):
    sentence = draw(st.sampled_from([*sentences]))
    return SLOT.sub(lambda slot: draw(VALUES[slot[1]]), sentence)


def test_each_sentence_has_its_twin_with_the_same_free_places():
    assert VALUES.keys() == SLOTS.keys()
    assert [*KOREAN] == sentences(), "in this order"
    for english, korean in KOREAN.items():
        assert sorted(SLOT.findall(english)) == sorted(SLOT.findall(korean)) and "any" not in SLOT.findall(english)
        words = re.findall(r"[\w.]*[A-Za-z][\w.]*", SLOT.sub(" 1 ", korean))
        assert {re.sub("[가-힣].*", "", word).strip(".") for word in words} <= NAMES, korean
        assert re.search(r"니다(\([^)]*\))?$", korean), f"as one speaks to a student: {korean}"


@given(said(REASONS), st.sampled_from([*OTHER_REASONS]))
def test_every_reason_is_published_in_korean(reason, verdict):
    published = public_reason(reason, verdict)
    korean = in_language(published, "ko")
    assert in_language(published, "en") == published
    assert not published or (re.search("[가-힣]", korean) and not ENGLISH.search(korean))
    assert sorted(re.findall(NUMBER, published)) == sorted(re.findall(NUMBER, korean))


@given(said(FLAGS))
def test_every_flag_is_published_in_korean(flag):
    assert public_flag(flag) != OTHER_FLAG
    assert not ENGLISH.search(in_language(public_flag(flag), "ko"))
    korean, _, rest = told_flag(flag, "ko").partition(" (" + flag[:1])
    assert not ENGLISH.search(korean) and (flag.endswith(rest.removesuffix(")")) or not rest)


def test_every_flag_about_whose_it_is_is_on_the_list():
    said = [downloads.TWO_WAYS, downloads.NOT_AS_MOST, CAME_ANEW, NO_MORE]
    said += [
        identity.ANOTHERS,
        identity.OF_ANOTHER,
        identity.ALIKE,
        identity.ALONE,
        identity.NOT_LISTED,
        identity.SHARED,
    ]
    assert OTHER_FLAG not in {public_flag(flag.format("somebody")) for flag in said}


def test_what_is_not_on_the_list_is_a_fault_of_ours():
    with pytest.raises(ValueError, match="nothing that is published"):
        in_language("whatever", "ko")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A course with somebody rejected, failed or flagged for each sentence there is."""
    folder = tmp_path_factory.mktemp("korean")
    values = {"number": "3", "doing": "training", "families": "optimization", "setting": "model.network"}
    values |= {"exception": "ValueError", "signal": "SIGSEGV", "file": "summary.json", "any": "kim wrote this"}
    reasons = [reason.format(**values) for reason in REASONS if reason not in ("not graded yet", "handed in nothing")]
    everyone = [Student(f"r{n}", f"r{n}", None, reason=f"config.yaml: {n} is wrong") for n in range(2)]
    everyone += [Student(f"f{n}", f"f{n}", None, crashed=reason) for n, reason in enumerate(reasons)]
    flags = [flag.format(**values) for flag in FLAGS]
    everyone += [Student(f"p{n}", f"p{n}", 0.9, "audited", flags[n::3]) for n in range(3)]
    everyone.append(Student("low", "low", 0.1))
    write_course(folder, everyone, RULES.but(site=RULES.site.but(reports=False)))
    return folder


def test_a_korean_page_has_no_english_sentence_in_reasons_and_flags(course):
    pages = [*(course / "site" / "ko" / "submissions").iterdir()]
    reasons, flags = 0, 0
    for page in pages:
        text = page.read_text()
        for part in re.findall(r"<strong>이유:</strong>(.*?)</p>", text) + re.findall(r"<li>(.*?)</li>", text):
            assert not ENGLISH.search(html.unescape(part)), part
            assert re.search("[가-힣]", part)
        reasons, flags = reasons + text.count("이유:"), flags + text.count("<li>")
        assert 'lang="en"><li>' not in text
    assert reasons == len(REASONS) + 1 and flags > 25 and len(pages) == len(REASONS) + 4


def test_feedback_and_gradescope_s_results_are_in_korean_too(course):
    for form in ("feedback", "gradescope"):
        assert main(["export", str(course), "--format", form, "--language", "ko"]) == 0
    with open_results(course) as opened:
        names = pseudonyms(opened.ledger.in_order_of_arrival(), opened.secret)
    told = {path.stem: path.read_text().replace(names[path.stem], "") for path in (course / "feedback").iterdir()}
    assert "config.yaml을 받아들일 수 없습니다 \\(config.yaml: 0 is wrong; train again" in told["r0"], (
        "it quotes the file"
    )
    assert "판정: 반려." in told["r0"] and "판정: 목표 미달." in told["low"]
    assert "정확도 10.00%: 목표 80%를 넘지 못했습니다\n" in told["low"]
    found = json.loads((course / "gradescope" / "low" / "results.json").read_text())
    assert {test["name"] for test in found["tests"]} >= {"규칙과 형식", "정확도 80% 초과", "15 에포크 이하"}
    assert not ENGLISH.search(json.dumps([test["name"] for test in found["tests"]], ensure_ascii=False))
    rejected = json.loads((course / "gradescope" / "r0" / "results.json").read_text())["tests"][0]["output"]
    assert rejected.startswith("config.yaml을 받아들일 수 없습니다")
