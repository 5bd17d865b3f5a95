"""What a study's runs tell, in numbers and in words."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from project.studies import study_figure
from project.studies.metric_names import METRIC_NAMES
from project.studies.one_training import RunResult
from project.studies.study_figure import band_of, draw
from project.studies.study_metrics import METRICS, span
from project.studies.study_page import page
from project.studies.study_result import ArmResult, StudyResult, answer, report, words_on_beginners
from project.studies.study_table import table


def run_of(seed, accuracy, loss=0.5, train_loss=0.2):
    curves = {"val/accuracy": [accuracy / 2, accuracy], "val/loss": [1.0, loss]}
    curves |= {"train/accuracy": [0.5, 0.6], "train/loss": [1.0, 0.4]}
    measured = {"accuracy": accuracy, "loss": loss, "train_loss": train_loss, "val_loss": loss}
    return RunResult(seed=seed, **measured, curves=curves, remarks=[], seconds=1.0)


def study_of(arms: dict, failed: dict | None = None, **more):
    results = [
        ArmResult(
            name=name,
            overlay="" if name == "base" else "a: 1\n",
            failed=(failed or {}).get(name),
            runs=[run_of(seed, accuracy) for seed, accuracy in enumerate(accuracies)],
        )
        for name, accuracies in arms.items()
    ]
    seeds = max(map(len, arms.values()))
    settings = {
        "name": "s",
        "question": "",
        "base": [],
        "images": {},
        "metric": "accuracy",
        "seeds": seeds,
        "target": 0.8,
    } | more
    return answer(StudyResult(arms=results, **settings))


NOISY = [0.70, 0.75, 0.72, 0.71, 0.74]


def words(study, metric="accuracy"):
    return [arm.found[metric].words for arm in study.arms]


def test_a_difference_is_told_in_points_with_its_interval():
    study = study_of(
        {"base": NOISY, "up": [value + gain for value, gain in zip(NOISY, (0.01, 0.012, 0.014, 0.012, 0.012))]}
    )
    assert words(study) == [
        "base: 72.4 % (95 % interval 69.8 to 75.0)",
        "up: +1.2 points (95 % interval 1.0 to 1.4)",
    ]
    assert study.best["accuracy"] == ""


def test_what_is_not_told_apart_says_how_many_seeds_would():
    study = study_of({"base": NOISY, "same": [0.71, 0.74, 0.73, 0.72, 0.72]})
    said = words(study)[1]
    assert said.startswith("same: +0.0 points, not told apart from base by 5 seeds (95 % interval -")
    assert " points); about " in said and said.endswith(" more seeds would show a difference of one point")
    few = study_of({"base": NOISY[:2], "same": [0.71, 0.74]})
    assert words(few)[1].endswith(" would show a difference of one point, if they scatter as these 2 do")


def test_a_large_difference_that_few_seeds_do_not_tell_is_said_and_what_it_would_take():
    """Where 40 points are seen, nobody asks for the seeds that show one."""
    few = study_of({"base": [0.15, 0.19], "up": [0.48, 0.68]})
    base, up = words(few)
    assert up.startswith("up: +41.0 points, not told apart from base by 2 seeds (95 % interval -")
    needed = few.arms[1].found["accuracy"].difference.seeds_needed
    assert f"about {needed - 2} more seed" in up and "would show one as large as this, if they scatter" in up
    assert needed < 10


def test_no_interval_leaves_what_is_possible():
    study = study_of({"base": [0.01, 0.12], "up": [0.45, 0.99]})
    for arm in study.arms:
        found = arm.found["accuracy"]
        for one, least in ((found.estimate, 0), (found.difference, -100)):
            assert one is None or least <= one.low <= one.mean <= one.high <= 100
    assert study.arms[0].found["accuracy"].estimate.low == 0 and study.arms[1].found["accuracy"].estimate.high == 100


def test_networks_that_have_hardly_begun_to_learn_are_told():
    """No difference between these means nothing yet."""
    study = study_of({"base": [0.30, 0.15], "up": [0.32, 0.15], "good": [0.7, 0.8]})
    assert words_on_beginners(study) == "", "all losses fell"
    for arm in study.arms:
        arm.runs[1].curves["train/loss"] = [2.30, 2.28]
    said = words_on_beginners(study)
    assert said.startswith("hardly begun to learn: base with 1 of 2 seeds, up with 1 of 2 seeds (the training loss")
    assert said in report(study) and said in page(study)
    study.arms[0].runs[1].curves["train/loss"] = [None, None]
    assert "base" not in words_on_beginners(study)


def test_the_best_is_corrected_for_having_looked_at_all():
    better = [value + gain for value, gain in zip(NOISY, (0.05, 0.051, 0.052, 0.05, 0.051))]
    study = study_of({"base": NOISY, "same": NOISY, "up": better})
    assert study.best["accuracy"] == "best of 2 arms: up, better than base, corrected for having looked at 2"
    worse = study_of({"base": better, "same": better, "down": NOISY})
    assert worse.best["accuracy"].startswith("best of 2 arms: none is told to be better than base, "), "none is named"


def test_a_failed_arm_is_told_and_not_estimated():
    study = study_of({"base": NOISY, "up": NOISY[:3]}, failed={"up": "no memory"})
    assert words(study)[1] == "up: failed: no memory" and study.arms[1].found["accuracy"].estimate is None
    base = study_of({"base": NOISY[:3], "up": NOISY}, failed={"base": "no memory"})
    assert words(base)[1] == "up: base gives nothing to compare it to"


def test_a_target_that_some_seeds_never_reach_has_no_mean():
    study = study_of({"base": [0.9, 0.9], "low": [0.9, 0.3]})
    assert words(study, "epochs") == [
        "base: 2.0 epochs (95 % interval -0.6 to 4.6)",
        "low: epochs to the target accuracy: not reached with 1 of 2 seeds",
    ]


def test_the_gap_is_between_losses_in_evaluation_mode():
    study = study_of({"base": [0.5, 0.5], "up": [0.6, 0.6]})
    assert study.arms[0].found["gap"].values == pytest.approx([0.3, 0.3])


@settings(max_examples=8)
@given(st.permutations(["a", "b", "c"]), st.permutations(range(4)))
def test_the_order_of_arms_and_runs_is_nothing(arms, order):
    values = {
        "base": [0.5, 0.6, 0.7, 0.65],
        "a": [0.5, 0.7, 0.7, 0.6],
        "b": [0.8, 0.9, 0.97, 0.95],
        "c": [0.1, 0.2, 0.1, 0.3],
    }
    plain, mixed = study_of(values), study_of({name: values[name] for name in ("base", *arms)})
    for arm in mixed.arms:
        arm.runs = [arm.runs[index] for index in order]
    found = {arm.name: arm.found for arm in answer(mixed).arms}
    assert found == {arm.name: arm.found for arm in plain.arms} and answer(mixed).best == plain.best


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.31, 2.14, "0.3 to 2.1"),
        (-13.6, -0.03, "-13.60 to -0.03"),
        (-1.0, 0.0, "-1.0 to 0.0"),
        (-1e-9, 1, "0.000 to 1.000"),
    ],
)
def test_a_bound_near_zero_keeps_its_side(low, high, said):
    assert span(low, high, METRICS["accuracy"]) == said


def test_study_json_comes_back_as_it_was():
    study = study_of({"base": NOISY, "up": NOISY})
    assert StudyResult.model_validate_json(study.model_dump_json()) == study
    assert set(study.arms[0].found) == set(METRIC_NAMES)


def test_the_page_keeps_a_text_a_text():
    study = study_of({"base": NOISY, "</script><b>": NOISY}, question="<img src=x>")
    html = page(study)
    assert "</script><b>" not in html and "<img" not in html and "{{" not in html
    inside = html.partition('id="data">')[2].partition("</script>")[0]
    assert json.loads(inside)["arms"][1]["name"] == "</script><b>"
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", ""), "it asks nobody"


def test_the_page_names_units_and_has_colors_for_a_dark_ground():
    html = page(study_of({"base": NOISY, "up": NOISY}))
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    accuracy, gap, epochs = (data["metrics"][name] for name in ("accuracy", "gap", "epochs"))
    assert (accuracy["unit"], accuracy["unit_of_means"], gap["unit"]) == ("points", "%", "")
    assert epochs["unit"] == epochs["unit_of_means"] == "epochs"

    def luminance(color):
        shares = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark = [study_figure.color_of(number, dark=True) for number in range(8)]
    assert len({*dark}) == 8 and data["arms"][1]["color_in_dark"] == dark[1]
    panel = re.findall(r"--panel: (#\w+)", html)[1]
    assert min((luminance(color) + 0.05) / (luminance(panel) + 0.05) for color in dark) >= 4.5


def test_a_figure_is_drawn_also_of_arms_that_failed_or_diverged(tmp_path):
    study = study_of({"base": NOISY, "failed": []}, failed={"failed": "no memory"})
    study.arms[0].runs[0].curves["val/accuracy"] = [None, None]
    for kind in ("png", "svg"):
        draw(study, tmp_path / f"figure.{kind}")
        assert (tmp_path / f"figure.{kind}").stat().st_size > 10_000
    assert band_of(study.arms[1], "val/loss") is None


def test_the_figure_shows_the_differences_that_the_answer_rests_on(tmp_path, monkeypatch):
    """Also where intervals of the means overlap, by which nobody should judge."""
    drawn = []
    monkeypatch.setattr(study_figure, "save", lambda figure, path: drawn.append(figure))
    study = study_of({"base": NOISY, "up": [value + 0.01 for value in NOISY]})
    draw(study, tmp_path / "figure.png")
    _, differences, _, _ = drawn[0].axes
    assert differences.get_title() == "Difference to base, seed by seed" and differences.get_xlabel().startswith(
        "points"
    )
    dots, line, mean, zero = differences.lines
    told = study.arms[1].found["accuracy"].difference
    assert dots.get_xdata() == pytest.approx([1.0] * 5) and [*zero.get_xdata()] == [0, 0]
    assert [*line.get_xdata()] == [told.low, told.high] and [*mean.get_xdata()] == [told.mean]
    assert "means and their 95 % intervals" in drawn[0].get_suptitle()
    draw(study_of({"alone": NOISY}), tmp_path / "figure.png")
    assert len(drawn[1].axes) == 3, "one arm differs from nothing"


def test_the_table_can_be_put_into_a_report():
    better = [value + gain for value, gain in zip(NOISY, (0.05, 0.051, 0.052, 0.05, 0.051))]
    study = study_of({"base": NOISY, "a|b": better, "same": [0.71, 0.74, 0.73, 0.72, 0.72]})
    head, rule, base, up, same = table(study).splitlines()
    assert head.count("|") == rule.count("|") == base.count("|") == same.count("|") == 6
    assert base.startswith("| base | 72.4 |  | 0.300 |") and up.startswith("| a\\|b | 77.5 | **+5.1** (4.9 to 5.2) |")
    assert "**" not in same
    failed = table(study_of({"base": NOISY, "up": NOISY[:3]}, failed={"up": "no memory"})).splitlines()[-1]
    assert failed.startswith("| up | failed: no memory |") and failed.count("|") == 6


def test_the_report_begins_with_the_question():
    study = study_of({"base": NOISY, "up": NOISY}, question="Does it help?")
    assert report(study).splitlines()[:2] == ["Does it help?", "Validation accuracy in %"]


def test_two_runs_an_epoch_or_an_image_apart_are_not_told_apart():
    """Both differences are one step: a deviation of zero would make it certain."""
    runs = {"base": [0.70, 0.72], "up": [0.702, 0.722]}
    study = study_of(runs)
    assert "not told apart" not in words(study)[1], "nobody knows of how many images"
    for arm in study.arms:
        arm.runs[:] = [run.model_copy(update={"val_images": 500}) for run in arm.runs]
    assert "up: +0.2 points, not told apart from base by 2 seeds" in words(answer(study))[1]

    def late(accuracies):
        return {"val/accuracy": [*accuracies, 0.9]}

    for arm, epochs in zip(study.arms, (3, 4)):
        arm.runs[:] = [run.model_copy(update={"curves": late([0.5] * (epochs - 1))}) for run in arm.runs]
    found = answer(study).arms[1].found["epochs"]
    assert found.values == [4, 4] and not found.difference.told_apart and found.difference.p > 0.05
