"""What a study is expected to show is written down before, and told to be seen only where its numbers show it."""

import pytest

from project.studies.claims import Claim, sides
from project.studies.one_training import CURVES, RunResult
from project.studies.study_page import page_data
from project.studies.study_plan import read_plan
from project.studies.study_result import ArmResult, Judged, StudyResult, answer, report, said_of
from project.support.errors import UserError

NOISE = [0.0, 0.001, -0.001, 0.002, -0.002]


def run_of(seed, accuracy, signal):
    curves = dict.fromkeys(CURVES, [accuracy])
    kept = {"loss": 1.0, "train_loss": 0.5, "val_loss": 1.0, "remarks": [], "seconds": 1.0}
    return RunResult(seed=seed, accuracy=accuracy, curves=curves, measured={"signal": signal}, **kept)


def judged(*holds, metric=None, missing=False):
    """A claim on a base of 50 %, an arm of 60 %, another of 70 %, and both of 72 %, each with some noise."""
    arms = []
    for number, (name, accuracy) in enumerate({"base": 0.5, "one": 0.6, "two, big": 0.7, "both": 0.72}.items()):
        runs = [
            run_of(seed, accuracy + NOISE[seed - number], None if missing else -2 + 0.1 * seed) for seed in range(5)
        ]
        arms.append(ArmResult(name=name, overlay="", runs=runs))
    claim = Judged(claim="So it is.", holds=list(holds), metric=metric)
    settings = {
        "name": "s",
        "question": "Is it?",
        "base": [],
        "images": {},
        "metric": "accuracy",
        "seeds": 5,
        "target": 0.8,
    }
    study = answer(StudyResult(arms=arms, claims=[claim], measured=["signal"], **settings))
    return study, *study.claims


def test_a_claim_is_seen_where_all_that_it_says_holds():
    study, claim = judged("one > base", "two, big > one")
    assert claim.verdict == "seen" and claim.p < 1e-6
    assert claim.found[0].startswith("one > base: 60.0 against 50.0, +10.0 points (")
    assert "expected: So it is." in report(study) and "seen, p = " in report(study)
    assert answer(study) == study, "asked again, it answers the same"
    (shown,) = page_data(study)["claims"]
    assert shown == {"claim": "So it is.", "found": claim.found, "said": said_of(claim)}


def test_a_claim_is_not_seen_where_a_part_is_noise_and_reversed_where_the_contrary_is_so():
    assert judged("one > base", "base > base")[1].verdict == "not seen"
    assert judged("one > base", "one > two, big")[1].verdict == "reversed"


def test_one_difference_can_be_compared_to_another():
    """Two is worth 20 points to the base and 12 beside one."""
    _, claim = judged("two, big + one > base + both")
    assert claim.verdict == "seen" and "+8.0 points" in claim.found[0]


def test_an_arm_can_be_compared_to_a_number_and_by_another_metric():
    assert judged("55 > base")[1].verdict == "seen"
    assert judged("-1 > signal of base", metric="signal")[1].verdict == "seen"
    assert judged("signal of base > -1")[1].verdict == "reversed"


def test_what_was_not_measured_is_not_judged():
    _, claim = judged("one > base", "-1 > signal of base", missing=True)
    assert claim.verdict == "not measured" and claim.p is None and len(claim.found) == 2
    study, claim = judged("signal of one > base", metric="signal", missing=True)
    assert claim.verdict == "not measured" and "not measured" in report(study)


def test_a_number_needs_no_arm_that_was_trained():
    study, _ = judged("80 > one")
    failed = study.arms[0].model_copy(update={"failed": "it was killed", "runs": []})
    study = answer(study.model_copy(update={"arms": [failed, *study.arms[1:]]}))
    assert study.claims[0].verdict == "seen"


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        ("one", "no comparison"),
        ("one > base > two", "no comparison"),
        ("one > bse", "'bse' is neither an arm"),
        ("heat of one > base", "'heat of one' is neither an arm"),
        ("base > nan", "'nan' is neither an arm"),
        ("base > inf", "'inf' is neither an arm"),
        ("2 > 1", "names no arm; arms are base, one"),
    ],
)
def test_a_comparison_that_cannot_be_read_is_one_line(comparison, said):
    with pytest.raises(UserError, match=said) as raised:
        sides(comparison, "accuracy", ["base", "one"])
    assert "\n" not in str(raised.value)


def test_a_claim_names_what_its_study_measures(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "base: configs/base.yaml\narms: {low: --model.optimizer.lr 0.01}\nmeasure: [near_zero]\n"
        "expect:\n- claim: Low rates are slow.\n  holds: [near_zero of base > low]\n"
    )
    plan = read_plan(["--study", str(file), "--first-seed", "7"])
    assert plan.measure == ["near_zero"] and plan.first_seed == 7
    assert plan.claims == [Claim(claim="Low rates are slow.", holds=["near_zero of base > low"])]
    file.write_text(file.read_text().replace("near_zero of", "weight_size of"))
    with pytest.raises(UserError, match="weight_size is not measured; name it in `measure`"):
        read_plan(["--study", str(file)])
