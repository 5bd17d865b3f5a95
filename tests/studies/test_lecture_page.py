"""The lecture's page: made of what was measured, right in what it says, and usable by everybody."""

import re
import shutil
from statistics import mean

import pytest
import yaml

from project.studies.lecture_page import CLAIMS, FOLDER, TEXTS, claims, main, page, read_results
from project.studies.lecture_results import DEPTHS, STARTS, by_batch, by_strength, fresh, labelled_images
from project.studies.study_plan import read_file
from project.studies.study_result import ArmResult

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TOLD = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
IDEAS = {idea["name"]: idea for idea in TOLD["ideas"]}


@pytest.fixture(scope="module")
def results():
    return read_results(FOLDER / "results.json")


def accuracy(results, study: str, *at: str) -> float:
    return next(mean(cell.accuracy) for cell in results.grids[study].cells if cell.at == at)


def test_the_page_is_that_of_the_results_and_claims(results):
    """Else: python -m project.studies.lecture_page."""
    built = page(results)
    assert built == (FOLDER / "index.html").read_text(encoding="utf-8")
    assert len(built) < 400_000 and "http" not in built.replace("http://www.w3.org/2000/svg", "").replace(
        "http-equiv", ""
    )


def test_both_languages_say_the_same_things():
    def names(value):  # of what is filled in, at whatever place of the sentence
        if isinstance(value, dict):
            return {key: names(one) for key, one in value.items()}
        if isinstance(value, list):
            return [names(one) for one in value]
        return sorted(part.partition("}")[0] for part in value.split("{")[1:])

    assert names(TOLD["page"]["en"]) == names(TOLD["page"]["ko"])
    for idea in TOLD["ideas"]:
        assert names(idea["en"]) == names(idea["ko"]), idea["name"]
        assert len(idea["en"]["choices"]) == 3 and 0 <= idea["answer"] < 3


def descended(rate: float, momentum: float) -> float:
    """What is left of the loss in the page's valley after sixty steps."""
    at, velocity = [-9.0, 1.0], [0.0, 0.0]
    for _ in range(60):
        for axis, slope in enumerate((1, 100)):
            velocity[axis] = momentum * velocity[axis] + slope * at[axis]
            at[axis] -= rate * velocity[axis]
    return (at[0] ** 2 + 100 * at[1] ** 2) / (9**2 + 100)


def test_momentum_is_the_fastest_way_down_the_valley():
    left = [descended(0.025, 0), descended(0.019, 0.7), descended(0.005, 0)]
    assert "rate 0.019 and no momentum" in IDEAS["surface"]["en"]["label_loss"], "what is drawn beside"
    assert IDEAS["surface"]["answer"] == left.index(min(left))
    assert left[1] < descended(0.019, 0) / 100


def said(idea: str, *words: str) -> None:
    """That both languages say of an idea what is held against numbers here."""
    for language in ("en", "ko"):
        text = " ".join(str(part) for part in IDEAS[idea][language].values())
        assert all(word in text for word in words), (idea, language)


def overlap(results, study: str, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether seeds of one arm lie among those of another."""
    first, second = (next(cell.accuracy for cell in results.grids[study].cells if cell.at == at) for at in (one, other))
    return max(min(first), min(second)) <= min(max(first), max(second))


def test_what_is_said_of_rate_and_momentum_was_measured(results):
    study, rates = "rate_and_momentum", ("0.02", "0.05", "0.1", "0.2")
    best = {m: max(rates, key=lambda rate: accuracy(results, study, rate, m)) for m in ("0", "0.5", "0.9")}
    assert best["0"] == "0.2" and best["0.9"] == "0.05", "a quarter, and without momentum at the grid's edge"
    assert overlap(results, study, ("0.05", "0.9"), ("0.02", "0.9")) and overlap(
        results, study, ("0.1", "0.5"), ("0.2", "0.5")
    )
    assert accuracy(results, study, "0.2", "0.9") < 15, "hardly leaves chance"
    assert IDEAS[study]["answer"] == 0
    said(study, "base.yaml", "0.02", "0.05", "0.5")


def test_what_is_said_of_strength_was_measured(results):
    cells = [cell for cell in results.grids["strength"].cells if cell.at[0] in ("", "weight decay")]
    values = [mean(cell.accuracy) for cell in cells]
    gaps = [mean(cell.val_loss) - mean(cell.train_loss) for cell in cells]
    assert len(cells) == 6 and gaps == sorted(gaps, reverse=True) and f"{values[-1]:.1f}" == "55.6"
    said("strength", "55.6 %", "0.2", "0.6")
    none, *_, dropout = (cell for cell in results.grids["strength"].cells if cell.at[0] in ("", "dropout"))
    assert dropout.at[1] == "0.6" and abs(mean(dropout.accuracy) - mean(none.accuracy)) < 1, "as without"
    gap, without = (mean(cell.val_loss) - mean(cell.train_loss) for cell in (dropout, none))
    assert 0.4 < gap / without < 0.6, "half of it"
    assert accuracy(results, "strength", "affine", "0.6") < values[0] - 5, "warped images do the same"
    assert max(values) > values[0] + 1 and max(values) > values[-1] + 5 and IDEAS["strength"]["answer"] == 1


def test_what_is_said_of_penalties_was_measured(results):
    none, l1, l2 = results.penalties.arms
    assert [none.penalty, l1.penalty, l2.penalty] == ["", "L1", "L2"] and IDEAS["penalties"]["answer"] == 1
    middle = len(l1.shares) // 2
    assert l1.shares[middle][0] > 3 * max(none.shares[middle][2], l2.shares[middle][2]) and min(l1.near_zero) > 20, (
        "many"
    )
    assert max(l2.size) < min(none.size), "L2 keeps them small"
    assert all(sum(median for _, median, _ in arm.shares) == pytest.approx(100, abs=15) for arm in (none, l1, l2))


def test_what_is_said_of_fresh_networks_was_measured(results):
    def layers(activation, start, normalized=False):
        chosen = (activation, start, 10, normalized)
        return next(
            one.layers for one in results.fresh if (one.activation, one.start, one.depth, one.normalized) == chosen
        )

    def around_zero(layer):
        return layer.centred[len(layer.centred) // 2]

    tenth = layers("Tanh", "normal_1")[9]
    assert tenth.shares[0] + tenth.shares[-1] > 80 and IDEAS["outputs"]["answer"] == 2
    tenth = layers("Sigmoid", "xavier")[9]
    assert max(tenth.shares) < 30 and around_zero(tenth) == 100, "spread out, and the same for all images"
    plain, gained = layers("ReLU", "xavier"), layers("ReLU", "he")
    assert plain[9].signal[1] < plain[0].signal[1] / 10, "Xavier without ReLU's gain"
    assert gained[9].signal[1] > gained[0].signal[1] / 10


def test_what_is_said_of_gradients_was_measured(results):
    """Of the hidden layers but the first, whose weights are as many."""

    def gradients(activation, start, normalized=False):
        chosen = (activation, start, 10, normalized)
        return next(
            [layer.gradient[1] for layer in one.layers[1:10]]
            for one in results.fresh
            if (one.activation, one.start, one.depth, one.normalized) == chosen
        )

    second, *_, tenth = gradients("Sigmoid", "xavier")
    assert tenth > 1000 * second and IDEAS["gradients"]["answer"] == 2
    for activation, start, normalized in (
        ("ReLU", "he", False),
        ("Sigmoid", "xavier", True),
        ("Sigmoid", "normal_1", False),
    ):
        second, *_, tenth = gradients(activation, start, normalized)
        assert 0.1 < second / tenth < 10
    for activation in ("Tanh", "ReLU"):
        small = gradients(activation, "normal_001")
        assert max(small) < 1e-4 and 0.1 < small[0] / small[-1] < 10, "alike, and next to nothing"


def test_what_is_said_of_normalization_was_measured(results):
    def of(rate, normalization):
        return accuracy(results, "rate_and_normalization", rate, normalization)

    rates = ("0.05", "0.2", "0.5", "1")
    best = max(rates, key=lambda rate: of(rate, "none"))
    assert best == "0.2" and max(of("0.5", "none"), of("1", "none")) < 15, "as the question says"
    assert best == max(rates, key=lambda rate: of(rate, "batch")), "of both"
    assert all(of(rate, "batch") > of(rate, "none") for rate in rates) and of("0.5", "batch") > of("0.2", "none")
    cells = results.grids["rate_and_normalization"].cells
    highest = next(cell.accuracy for cell in cells if cell.at == ("1", "batch"))
    assert [value < 15 for value in sorted(highest)] == [True, False, False], "one of three seeds"
    assert IDEAS["rate_and_normalization"]["answer"] == 1
    small, large = (
        {name: accuracy(results, "batch_and_normalization", size, name) for name in ("batch", "layer", "group")}
        for size in ("2", "64")
    )
    assert small["batch"] < min(small["layer"], small["group"]) - 10
    assert large["batch"] > max(large["layer"], large["group"]) - 2
    assert IDEAS["batch_and_normalization"]["answer"] == 1
    others = [
        accuracy(results, "batch_and_normalization", *at) for at in (("8", "none"), ("8", "batch"), ("2", "layer"))
    ]
    assert max(others) < 30.5, "the best reach 30 %"
    (two,) = (
        row for unit in claims(CLAIMS["en"]) for row in unit["rows"] if "`group, 2 > batch, 2`" in row["expected"]
    )
    assert two["found"][0].startswith("49.6 % against 47.4 %") and two["verdict"] == "not seen"
    said("batch_and_normalization", "47.4 %", "49.6 %", "1000", "35")
    assert -(-400 // 2) * 5 == 1000 and -(-400 // 64) * 5 == 35, "steps"


def test_the_page_has_all_claims_of_the_tables_in_both_languages():
    english, korean = claims(CLAIMS["en"]), claims(CLAIMS["ko"])
    for units, path in ((english, CLAIMS["en"]), (korean, CLAIMS["ko"])):
        assert sum(len(unit["rows"]) for unit in units) == path.read_text(encoding="utf-8").count(
            "configs/studies/lecture/"
        )
    assert [len(unit["rows"]) for unit in english] == [len(unit["rows"]) for unit in korean]
    assert {*TOLD["page"]["en"]["units"]} <= {unit["unit"] for unit in english}


def test_what_notes_on_claims_say_is_in_the_tables():
    rows = [row for unit in claims(CLAIMS["en"]) for row in unit["rows"]]

    def found(study, comparison):
        expected = next(row for row in rows if row["study"] == study and f"`{comparison}`" in row["expected"])
        comparisons = [line for line in expected["expected"] if line.endswith("`")]
        return expected["found"][comparisons.index(f"`{comparison}`")]

    assert found("dropout", "accuracy of dropout > one_mask of dropout").startswith("49.4 % against")
    assert " against 60.5 %, " in found("left_out", "averaging > base")
    bases = [read_file(f"configs/studies/lecture/{study}.yaml").base for study in ("dropout", "left_out")]
    assert bases[0] == bases[1] and "--trainer.max_epochs 5" in bases[0], "the same network without"
    grown = found("signal_relu", "base, normalized > -1").split(" against ")[0]
    assert grown == "1.57" and round(10 ** float(grown)) == 37
    assert [row["claim"] for row in rows if row["study"] == "signal_relu"][-1].startswith("Batch normalization brings")
    for language in ("en", "ko"):
        notes = TOLD["page"][language]["notes"]
        assert all(number in notes["dropout"] for number in ("49.4 %", "60.5 %"))
        assert all(number in notes["signal_relu"] for number in ("+1.57", "37", "20"))


def test_arms_have_places():
    def arm(name):
        return ArmResult(name=name, overlay="", runs=[])

    assert by_strength(arm("weight decay 0.02"), None) == ("weight decay", "0.02")
    assert by_strength(arm("base"), None) == ("", "0")
    assert by_batch(arm("batch 2, layer"), None) == ("2", "layer") and by_batch(arm("base"), None) is None


def test_fresh_layers_are_those_of_the_results(results):
    """As near as processors round."""
    kept = next(one for one in results.fresh if (one.activation, one.start, one.depth) == ("Tanh", "xavier", 2))
    made = fresh(*labelled_images(200), "Tanh", "xavier", 2, False)
    assert [layer.gradient[1] for layer in made.layers] == pytest.approx(
        [layer.gradient[1] for layer in kept.layers], rel=0.02
    )
    assert 2 in DEPTHS and "xavier" in STARTS


def test_what_pictures_say_of_themselves_is_so(results):
    """How many seeds there are, that steps on an axis differ, and what a gradient is by."""
    for language in ("en", "ko"):
        assert "{seeds}" in IDEAS["penalties"][language]["label"], "and not the table's, which are more"
        uneven = {"en": "not evenly spaced", "ko": "간격이 일정하지 않음"}[language]
        for idea, axis in (
            ("rate_and_momentum", "rate"),
            ("rate_and_normalization", "rate"),
            ("batch_and_normalization", "batch"),
        ):
            assert uneven in IDEAS[idea][language][axis]
        assert {"en": "weights", "ko": "가중치"}[language] in IDEAS["gradients"][language]["label"]
    assert "레이어" not in TEXTS.read_text(encoding="utf-8"), "one word for a layer"
    assert {len(arm.size) for arm in results.penalties.arms} == {4}


def test_layers_that_are_decades_apart_have_axes_of_their_own(results):
    """Else all but the largest are needles, which look as if they told no images apart."""
    for one in results.fresh:
        hidden = one.layers[:-1]
        if one.activation != "ReLU":
            assert not any(layer.span for layer in hidden), "the function's range"
            continue
        sizes = [layer.signal[1] for layer in hidden]
        if max(sizes) > 100 * min(sizes):
            assert all(layer.span for layer in hidden), (one.start, one.depth)
        if all(layer.span for layer in hidden):
            assert all(max(layer.centred) < 80 for layer in hidden), (one.start, one.depth)
            assert max(layer.span[1] for layer in hidden) == one.span[1]
    made = fresh(*labelled_images(200), "ReLU", "normal_001", 2, False)
    first, last, head = made.layers
    assert last.span and last.span[1] < first.span[1] == made.span[1] and head.span is None


def test_results_that_cannot_be_read_are_one_line(tmp_path, capsys):
    from project.support.errors import exit_status

    assert exit_status(main, ["--out", str(tmp_path)]) == 2
    (tmp_path / "results.json").write_text("{}")
    assert exit_status(main, ["--out", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("results.json" in line and "--measure" in line for line in lines)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def opened(browser, width: int, scheme: str, language: str):
    """The page, and what it says and asks for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page, said = context.new_page(), []
    page.set_default_timeout(20_000)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else said.append(asked.url))
    page.goto((FOLDER / "index.html").resolve().as_uri() + f"?lang={language}")
    return page, said


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium")
@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_counts_and_marks_what_was_seen_as_the_table_does(browser, language):
    page, _ = opened(browser, 1280, "light", language)
    tables = CLAIMS["en"].read_text(encoding="utf-8").split("\n## ")[1:]
    shown = {fold.locator("summary").text_content(): fold for fold in page.locator("main > details").all()}
    expected = []
    for table in tables:
        verdicts = [line.split("**")[1] for line in table.splitlines() if "**" in line]
        expected.append(([{"seen": "✓", "reversed": "✗"}.get(one, "–") for one in verdicts], verdicts.count("seen")))
    found = []
    for summary, fold in shown.items():
        marks = [head.text_content()[0] for head in fold.locator("li b").all()]
        seen, every = [int(number) for number in re.findall(r"\d+", summary)][:: 1 if language == "en" else -1]
        assert every == len(marks)
        found.append((marks, seen))
    assert sorted(found) == sorted(expected)
    page.context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium")
@pytest.mark.browser
def test_the_valley_diverges_above_the_limit_alone(browser):
    """At every place of the sliders; the limit is 2 (1 + momentum) / 100."""
    page, said = opened(browser, 1280, "light", "en")
    page.locator("#surface .guess input").first.check()
    page.locator("#surface button.show").click()
    sentences = page.evaluate(
        """() => {
          const [rate, momentum] = document.querySelectorAll("#surface input[type=range]"), told = [];
          for (let r = 1; r <= 40; r++) for (let m = 0; m <= 19; m++) {
            for (const [range, value] of [[rate, r / 1000], [momentum, m / 20]]) {
              range.value = value;
              range.dispatchEvent(new Event("input"));
            }
            told.push([r, m, document.querySelector("#surface p[aria-live]").textContent]);
          }
          return told;
        }"""
    )
    begins = ("After 60 steps", "Right at the limit", "It diverges")
    for rate, momentum, sentence in sentences:
        limit = 20 + momentum  # in thousandths
        assert sentence.startswith(begins[(rate >= limit) + (rate > limit)]), (rate, momentum, sentence)
        left = descended(rate / 1000, momentum / 20)
        assert ("its picture above" in sentence) <= (rate >= limit or momentum > 15), (rate, momentum, sentence)
        assert "its picture below" in sentence or left > 1e-8, (rate, momentum, sentence)
    assert len(sentences) == 800 and said == []
    page.context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium")
@pytest.mark.browser
def test_a_reader_predicts_then_looks_with_the_keyboard_alone(browser):
    page, said = opened(browser, 1280, "light", "en")
    assert page.locator("svg").count() == 0, "no picture before an answer"
    idea = page.locator("#strength")
    assert idea.locator("button").is_disabled()
    idea.locator(".guess input").first.focus()
    page.keyboard.press("ArrowDown")  # the second choice
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert "As you expected" in idea.locator(".verdict").inner_text()
    assert page.evaluate("document.activeElement.className") == "verdict right"
    before = idea.locator("p[aria-live]").inner_text()
    idea.locator("input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    after = idea.locator("p[aria-live]").inner_text()
    assert before.startswith("weight decay 0.2:") and after.startswith("weight decay 0.05:")
    assert idea.locator("svg").count() == 2 and "1 of 1" in page.locator("#score").inner_text()
    page.locator("button[data-language=ko]").press("Enter")
    assert page.evaluate("document.documentElement.lang") == "ko"
    assert "가중치 감쇠 0.05:" in idea.locator("p[aria-live]").inner_text(), "what was set stays"
    page.reload()
    assert page.evaluate("document.documentElement.lang") == "ko", "not that of the address, which is older"
    assert idea.locator(".really").count() == idea.locator(".yours").count() == 1 and idea.locator("svg").count() == 2
    idea.locator("button.retry").press("Enter")
    assert idea.locator("svg").count() == 0 and page.evaluate("document.activeElement.type") == "radio"
    assert "{" not in page.locator("main").inner_text() and "undefined" not in page.locator("main").inner_text()
    assert said == []
    page.context.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium")
@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme", "language"), [(1280, "light", "en"), (390, "dark", "ko")])
def test_nothing_stands_in_anybody_s_way(browser, width, scheme, language):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page, said = opened(browser, width, scheme, language)

    def findings():
        return [(found["id"], found["nodes"][0]["html"]) for found in axe.run(page).response["violations"]]

    assert findings() == []
    for idea in page.locator("article").all():
        idea.locator(".guess input").first.check()
        idea.locator("button.show").click()
    assert findings() == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("article svg").count() == 11
    charts = page.locator("article svg:has(line.axis)").all()
    assert len(charts) == 9 and all(": " in chart.get_attribute("aria-label") for chart in charts), "numbers, too"
    page.locator("summary").first.press("Enter")
    assert page.locator("details[open] li").count() > 5 and findings() == []
    # Every setting of every picture can be drawn.
    for place in page.locator(".controls input[type=radio]").all():
        place.check()
    text = page.locator("main").inner_text()
    assert not any(word in text for word in ("{", "undefined", "NaN")) and said == []
    page.context.close()
