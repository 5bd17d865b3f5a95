"""The lecture's claims: each has a study that runs, its expectation can be judged, and its table is whole in both languages."""

import re

import pytest

from benchmarks import lecture
from project.studies.claims import Claim
from project.studies.one_training import RunResult
from project.studies.study_plan import read_file, read_plan
from project.studies.study_result import ArmResult, Compared, Estimate, Judged, StudyResult, answer
from project.studies.study_trainings import run
from project.support.yaml_loader import read_yaml

NAMES = [name for unit in lecture.UNITS.values() for name in unit]
SMALL = ["--data.source.val", "50", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--seeds", "2"]


def test_every_study_has_its_place_and_every_sentence_its_korean():
    assert sorted(NAMES) == sorted(path.stem for path in lecture.STUDIES.glob("*.yaml"))
    files = [read_file(str(lecture.STUDIES / f"{name}.yaml")) for name in NAMES]
    assert all(file.expect and file.seeds <= 8 for file in files)
    korean = read_yaml(lecture.KOREAN.read_bytes())
    verdicts = ("seen", "not seen", "reversed", "not measured")
    english = {*(claim.claim for file in files for claim in file.expect), *lecture.UNITS, *lecture.ABOUT, *verdicts}
    shared = {lecture.AGAINST, lecture.TO, lecture.SEEDS, *lecture.NOTES.values(), *lecture.UNITS_OF_METRICS}
    assert {*korean} == english | {*filter(None, lecture.HEAD)} | shared
    assert all(str(text).strip() for text in korean.values())


def test_a_table_has_a_row_for_each_claim_in_both_languages():
    def run_of(seed, gap):
        kept = {"accuracy": 0.5, "loss": 1.0, "train_loss": 1.0, "curves": {}, "remarks": [], "seconds": 1.0}
        return RunResult(seed=seed, val_loss=1 + gap + seed / 100, **kept)

    arms = [
        ArmResult(name=name, overlay="", runs=[run_of(seed, gap) for seed in range(3)])
        for name, gap in (("base", 0.4), ("dropout", 0.2))
    ]
    holds = ["base > dropout", "1 > dropout", "accuracy of base > 40"]
    missing = Judged(claim="Dropout narrows the gap.", holds=["signal of base > 1"])
    claims = [Judged(claim="Dropout narrows the gap.", holds=holds), missing]
    settings = {"question": "?", "base": [], "images": {}, "metric": "gap", "seeds": 3, "target": 0.8}
    study = answer(StudyResult(name="dropout", arms=arms, claims=claims, **settings))
    words = read_yaml(lecture.KOREAN.read_bytes())
    english, korean = (lecture.table({"dropout": study}, each) for each in ({}, words))
    row, no_number = (line for line in english.splitlines() if line.startswith("| Dropout narrows"))
    assert (
        "gap: `base > dropout`<br>gap: `1 > dropout`<br>`accuracy of base > 40`" in row
        and "0.410 against 0.210, +0.200" in row
        and "**seen**" in row
    )
    assert "3 seeds)" in row and "50.0 % against 40.0 %, +10.0 points (10.0 to 10.0)" in row
    assert no_number.endswith("| not measured | **not measured** |")
    assert "| 드롭아웃은 격차를 좁힌다." in korean and "0.410 대 0.210" in korean and "**확인됨**" in korean
    assert "시드 3개)" in korean and "50.0 % 대 40.0 %, +10.0 %p (10.0~10.0)" in korean
    assert "| 측정되지 않음 | **측정되지 않음** |" in korean
    for page in (english, korean):
        assert [line for line in page.splitlines() if line.startswith("## ")] and "## Regularization" not in korean
        assert {line.count(" | ") for line in page.splitlines() if line.startswith("| ")} == {3}


def test_the_committed_tables_are_of_the_studies_that_are_there():
    for name in ("claims.md", "claims.ko.md"):
        text = (lecture.TABLES / name).read_text(encoding="utf-8")
        assert not re.search(r"-0\.0*(?![\d.])", text), "no sign before a zero"
        words = {} if name == "claims.md" else read_yaml(lecture.KOREAN.read_bytes())
        for study in NAMES:
            file = read_file(str(lecture.STUDIES / f"{study}.yaml"))
            claims, arms = file.expect, ["base", *file.arms]
            for claim in claims:
                cell = lecture.expected_in(
                    claim, file.metric, file.base.split(), arms, lambda said: words.get(said, said)
                )
                assert f"| {words.get(claim.claim, claim.claim)} ([{study}]" in text and f"| {cell} |" in text, claim
            assert text.count(f"../../configs/studies/lecture/{study}.yaml") == len(claims), (name, study)
            assert all(f"`{comparison}`" in text for claim in claims for comparison in claim.holds), (name, study)
        assert "not measured" not in text and "측정되지 않" not in text


def said(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("means", "found"),
    [
        ((-0.001, -1.0), "0.00 against -1.00, +1.00 (0.94 to 1.06)"),
        ((0.001, 0.002), "0.00 against 0.00, 0.00 (-0.06 to 0.06)"),
    ],
)
def test_nothing_is_less_than_zero_by_its_sign_alone(means, found):
    difference = Estimate(mean=means[0] - means[1], low=means[0] - means[1] - 0.06, high=means[0] - means[1] + 0.06)
    compared = Compared(comparison="He > -1", metric="gradient", means=means, difference=difference)
    assert lecture.found_in(compared, said) == found


def test_shares_are_in_percent_and_their_differences_in_points():
    difference = Estimate(mean=35.4, low=28.8, high=41.9)
    compared = Compared(comparison="L1 > base", metric="near_zero", means=(36.2, 0.8), difference=difference)
    assert lecture.found_in(compared, said) == "36.2 % against 0.8 %, +35.4 points (28.8 to 41.9)"


def test_a_metric_stands_before_what_names_none_and_says_of_what_it_is():
    def expected(metric, *holds):
        base = ["configs/base.yaml", "--model.network.depth", "20"]
        return lecture.expected_in(Claim(claim="?", holds=holds), metric, base, ["base", "He"], said)

    assert expected("gap", "accuracy of base > loss of He") == "`accuracy of base > loss of He`"
    assert expected("gap", "He > base", "loss of He > 1") == "gap: `He > base`<br>`loss of He > 1`"
    by = "gradient (log10 of its norm by the outputs of layer 1, over that by those of layer 20)"
    assert expected("gradient", "He > -1", "1 > He") == f"{by}:<br>`He > -1`<br>`1 > He`"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_study_runs_at_a_small_scale_and_its_claims_are_judged(name, tmp_path):
    study = [*("--study", str(lecture.STUDIES / f"{name}.yaml")), *SMALL, "--data.source.train", "100"]
    if name == "closed_form":  # it needs more images than pixels, and more epochs than an arm of it has
        study += ["--data.source.train", "3200", "--trainer.max_epochs", "2"]
    (tmp_path / "runs").mkdir()
    found = answer(run(read_plan([*study, "--out", str(tmp_path)])))
    assert [arm.failed for arm in found.arms] == [None] * len(found.arms)
    assert found.claims and {claim.verdict for claim in found.claims} <= {"seen", "not seen", "reversed"}
