"""The lecture's claims: each has a study that runs, its expectation can be judged, and its table is whole in both languages."""

import pytest

from benchmarks import lecture
from project.studies.one_training import RunResult
from project.studies.study_plan import read_file, read_plan
from project.studies.study_result import ArmResult, Judged, StudyResult, answer
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
    shared = {lecture.AGAINST, lecture.TO, lecture.SEEDS, *lecture.UNITS_OF_METRICS}
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
        "gap:<br>`base > dropout`<br>`1 > dropout`" in row
        and "0.410 against 0.210, +0.200" in row
        and "**seen**" in row
    )
    assert "3 seeds)" in row and "50.0 against 40.0, +10.0 points (10.0 to 10.0)" in row
    assert no_number.endswith("| not measured | **not measured** |")
    assert "| 드롭아웃은 격차를 좁힌다." in korean and "0.410 대 0.210" in korean and "**확인됨**" in korean
    assert "시드 3개)" in korean and "50.0 대 40.0, +10.0 %p (10.0~10.0)" in korean
    assert "| 측정되지 않음 | **측정되지 않음** |" in korean
    for page in (english, korean):
        assert [line for line in page.splitlines() if line.startswith("## ")] and "## Regularization" not in korean
        assert {line.count(" | ") for line in page.splitlines() if line.startswith("| ")} == {3}


def test_the_committed_tables_are_of_the_studies_that_are_there():
    for name in ("claims.md", "claims.ko.md"):
        text = (lecture.TABLES / name).read_text(encoding="utf-8")
        for study in NAMES:
            claims = read_file(str(lecture.STUDIES / f"{study}.yaml")).expect
            assert text.count(f"../../configs/studies/lecture/{study}.yaml") == len(claims), (name, study)
            assert all(f"`{comparison}`" in text for claim in claims for comparison in claim.holds), (name, study)
        assert "not measured" not in text and "측정되지 않" not in text


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
