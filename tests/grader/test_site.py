"""The published pages: what is on them and what must not be, and, in Chromium, that they work and that texts are inert."""

import gc
import importlib
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from benchmarks import course as made_up
from benchmarks.course import Student, students, write_course, write_results
from grader.apart import Apart
from grader.grading.ranking import UNRANKED, standings
from grader.grading.verdicts import checks_by, median
from grader.intake.reports import Part
from grader.ledger.ledger import Ledger
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import open_results
from grader.publish.export_files import feedbacks
from grader.publish.markdown import rendered
from grader.publish.pages.assets import STATIC, as_script
from grader.publish.pages.languages import of_scripts
from grader.publish.pages.pictures import drawn_name
from grader.publish.pages.rendering import Pages
from grader.publish.pages.texts import shown_texts
from grader.publish.pseudonyms import pseudonyms
from grader.publish.publishing import publish
from grader.rules import Rules
from grader.secret import BYTES, Secret
from tests.grader.conftest import TINY_GLYPHS

build_module = importlib.import_module("grader.publish.pages.build")  # its package has a function of that name

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = (
    """# Theory <script>window.pwned = 1</script>

<img src=x onerror="window.pwned = 2"> <svg onload="window.pwned = 3"></svg> [me](javascript:window.pwned=4)
![far](http://192.0.2.1/track.png) [data](data:text/html,<script>window.pwned=5</script>) <iframe src="http://192.0.2.1">

$\\text{<script>window.pwned = 6</script>}$ and $\\href{javascript:window.pwned=7}{x}$ and $$\\frac{1}{$$

$$ \\sum_{i=1}^n x_i^2 $$

</section></main><style>body { display: none }</style>
"""
    + "\u202e"
    + "a real sentence " * 50
)
PRINTED = {
    "output_type": "display_data",
    "data": {"text/html": HOSTILE, "image/svg+xml": HOSTILE, "text/plain": HOSTILE},
}
PICTURE = "../assets/images/"
CONFUSION = "[[987, 654], [321, 789]]"
FIRST, SECOND = (Secret(bytes(BYTES), salt) for salt in (1, 2))
NAME = '</script><script>window.pwned = 8</script><img src=x onerror="window.pwned=9">'


def show_leaderboard(results: Path) -> str:
    with open_results(results) as opened:
        return publish(opened)


@pytest.fixture(scope="module")
def rules() -> Rules:
    dataset = {"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS}
    site = Rules.load().site.but(labels="always")
    return Rules.load().but(dataset=dataset, site=site)


@pytest.fixture(scope="module")
def course(tmp_path_factory, rules) -> Path:
    """A published course of 40, one of them hostile and shown by name."""
    results = tmp_path_factory.mktemp("course")
    mallory = Student("mallory", NAME, 0.9, "audited", [NAME], {"REPORT.md": HOSTILE, "CONCLUSION.md": HOSTILE})
    cells = [{"cell_type": kind, "source": HOSTILE, "outputs": [PRINTED]} for kind in ("markdown", "code", "raw")]
    mallory.texts[f"{NAME.replace('/', '')}.ipynb"] = json.dumps({"cells": cells})
    write_course(results, [*students(39), mallory], rules.but(site=rules.site.but(names="name")))
    return results


def pages(results: Path, language: str = "en") -> dict[str, str]:
    found = {path: path.read_text() for path in (results / "site").rglob("*.html")}
    return {str(path): text for path, text in found.items() if ("ko" in path.parts) == (language == "ko")}


def page_data(page: Path) -> dict:
    return json.loads(re.search('id="data">(.*?)</script>', page.read_text())[1])


def all_files(results: Path) -> dict[str, bytes]:
    """The site's files, the time of their writing left out."""
    site = results / "site"
    files = {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    return {name: re.sub(rb"<p>Graded [^<]*</p>", b"", text) for name, text in files.items()}


def test_pages_under_pseudonyms_know_neither_names_nor_ids(tmp_path, rules):
    everyone = students(12)
    everyone[9].reason = f"{everyone[9].id} crashed: {everyone[9].name}"
    everyone[0].name, everyone[0].flags = "허준", ["허준이 남긴 파일"]
    write_course(tmp_path, everyone, rules)
    found = pages(tmp_path)
    assert len(found) == 13
    for path, text in found.items():
        assert not any(re.search(rf"\b{student.id}\b", path + text) or student.name in text for student in everyone)


@pytest.mark.parametrize(
    ("deadline", "labels", "shown"),
    [
        (None, "after_deadline", False),
        ("2999-01-01T00:00:00+09:00", "after_deadline", False),
        ("2020-01-01T00:00:00+09:00", "after_deadline", True),
        ("2999-01-01T00:00:00+09:00", "always", True),
    ],
)
def test_labels_that_score_stay_hidden_while_others_may_hand_in(deadline, labels, shown, tmp_path, rules, monkeypatch):
    monkeypatch.setattr(made_up, "made_up_confusion", lambda *_: json.loads(CONFUSION))
    deadline = deadline and datetime.fromisoformat(deadline)
    write_course(tmp_path, students(3), rules.but(deadline=deadline, site=rules.site.but(labels=labels)))
    with open_results(tmp_path) as opened:
        told = "".join(feedbacks(opened, standings(opened.ledger, opened.rules), "en").values())
    boards = "".join(path.read_text() for path in tmp_path.glob("leaderboard.*"))
    for path, text in pages(tmp_path).items():
        on_its_page = shown and "submissions" in path
        assert (CONFUSION in text) == (PICTURE in text) == ('id="classes"' in text) == on_its_page
    assert any((tmp_path / "site" / "assets" / "images").iterdir()) == shown
    assert "987" not in told and "onfus" not in told + boards


def test_every_page_is_there_in_both_languages_with_a_way_to_the_other(tmp_path, rules):
    everyone = students(6)
    everyone[5].accuracy = None
    everyone[4].texts = {}
    write_course(tmp_path, everyone, rules)
    for language, other in (("en", "ko"), ("ko", "en")):
        found = pages(tmp_path, language)
        assert len(found) == 7
        for path, text in found.items():
            assert f'<html lang="{language}">' in text
            (way,) = re.findall(f'id="switch" href="([^"]+)" lang="{other}"', text)
            assert str(Path(path, "..", way).resolve()) in pages(tmp_path, other)
            for asset in re.findall(r'(?:src|href)="([^"]*assets/[^"]*)"', text):
                assert Path(path, "..", asset).resolve().is_file()
    english = "".join(re.sub("<[^>]+>", " ", text) for text in pages(tmp_path, "ko").values())
    for word in ("Leaderboard", "Seconds", "Class median", "What stood in the way", "Nothing was handed in", "Report"):
        assert word not in english


def test_scripts_have_no_text_that_nobody_has_translated():
    assert of_scripts("ko") and all(of_scripts("ko").values()) and of_scripts("en") == {}
    assert {verdict.replace("_", " ") for verdict in ("passed", "below_target", *UNRANKED)} <= of_scripts("ko").keys()
    for name in STATIC.glob("*.js"):
        assert not re.findall(r'(?:title|text|name|info): "[A-Za-z ]{4,}"', name.read_text(encoding="utf-8")), name


def test_a_page_tells_the_place_the_median_the_points_and_the_reader_s_words(tmp_path, rules):
    everyone = students(5)
    write_results(tmp_path, everyone, rules.but(site=rules.site.but(names="id")))
    with open_results(tmp_path) as opened:
        given = {"report": 4, "conclusion": 2.5, "comment": "Clear <b>figures</b>"}
        opened.ledger.decisions.take("2026-11-25", "kang", "points", everyone[0].id, given)
        publish(opened)
    scored = sorted(student.accuracy for student in everyone)
    for language in ("en", "ko"):
        text = next(text for path, text in pages(tmp_path, language).items() if path.endswith(f"{everyone[0].id}.html"))
        assert f"{100 * scored[2]:.2f}\N{NO-BREAK SPACE}%" in text and "Clear &lt;b&gt;figures&lt;/b&gt;" in text
        place = 1 + sum(each > everyone[0].accuracy for each in scored)
        assert (f"{place} of 5" if language == "en" else f"5명 중 {place}위") in text
        assert ("4 of 5 report" if language == "en" else "보고서 4/5") in text
        assert ("Regularize" if language == "en" else "정규화 기법(regularization)을 쓰세요") in text


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("\n# Conclusion\n\nIt works.", "\nIt works."),
        ("## 4. 결론\nIt works.", "It works."),
        ("# Conclusion: what helped\nIt works.", "# Conclusion: what helped\nIt works."),
        ("It works.", "It works."),
    ],
)
def test_a_text_s_own_title_is_not_said_twice(markdown, shown):
    assert shown_texts({"conclusion": Part(("CONCLUSION.md",), markdown)}) == {"Conclusion": rendered(shown)}


def test_curves_are_there_for_what_failed(tmp_path, rules, monkeypatch):
    class Failed(Measurement):
        def __init__(self, **facts):
            super().__init__(
                **facts
                | {
                    "outcome": "unscorable",
                    "accuracy": None,
                    "said": "the logits are not all finite: the training diverged",
                }
            )

    monkeypatch.setattr(made_up, "Measurement", Failed)
    write_course(tmp_path, students(1), rules)
    (text,) = (text for path, text in pages(tmp_path).items() if "submissions" in path)
    assert 'id="accuracy"' in text and "this is as far as it got" in text and "What stood in the way" in text


def test_graded_is_when_it_was_graded(tmp_path, rules):
    write_course(tmp_path, students(2), rules)
    with open_results(tmp_path) as opened:
        opened.ledger.database.execute("UPDATE measurements SET ended = '2026-11-24T15:00:00.000+00:00'")
        publish(opened)
    board = json.loads((tmp_path / "leaderboard.json").read_text())
    assert (
        board["graded_at"].startswith("2026-11-24T15:00")
        and "2026-11-2" in pages(tmp_path).popitem()[1].rpartition("Graded")[2]
    )


def test_what_the_rules_keep_back_is_not_there(tmp_path, rules):
    shown, kept_back = tmp_path / "shown", tmp_path / "kept-back"
    write_course(shown, students(3), rules)
    write_course(kept_back, students(3), rules.but(site=rules.site.but(reports=False, mistakes=0)))
    own = [text for path, text in pages(shown).items() if "submissions" in path]
    assert all("one-cycle" in text and PICTURE in text for text in own)
    assert all("one-cycle" not in text and PICTURE not in text for text in pages(kept_back).values())
    assert list((kept_back / "site" / "assets" / "images").iterdir()) == []


DAMAGED = ('{"curves": [', "[1]", "", '{"curves": 5}', '{"mistakes": [{"image": 0}]}', '{"scoring": "../.."}')


def test_a_training_s_damaged_figures_stop_no_page(tmp_path, rules, capfd):
    write_course(tmp_path, students(len(DAMAGED)), rules)
    for drawn, content in zip(sorted(tmp_path.rglob("to_draw.json")), DAMAGED, strict=True):
        drawn.write_text(content)
    show_leaderboard(tmp_path)
    assert capfd.readouterr().err.count("to_draw.json: is damaged") == len(DAMAGED)
    assert len(pages(tmp_path)) == 1 + len(DAMAGED) and not any(PICTURE in text for text in pages(tmp_path).values())


def test_kept_files_that_are_damaged_cost_their_own_page_s_texts_alone(tmp_path, rules, capfd, monkeypatch):
    write_course(tmp_path, students(3), rules)
    monkeypatch.setattr("grader.publish.pages.rendering.Apart", partial(Apart, memory=3 * 10**8))
    first, second, _ = sorted((tmp_path / "submissions").glob("*.zip"))
    first.write_bytes(first.read_bytes()[:-50])
    with zipfile.ZipFile(second, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("REPORT.md", bytes(2 * 10**8))
    show_leaderboard(tmp_path)
    said = capfd.readouterr().err
    assert (
        f"{first.name}: is damaged" in said
        and "without report and conclusion: reading them took more than 0.3 GB" in said
    )
    own = [text for path, text in pages(tmp_path).items() if "submissions" in path]
    assert sum("one-cycle" in text for text in own) == 1 and sum("cannot be shown" in text for text in own) == 1


def test_images_that_are_damaged_stop_no_page(tmp_path, rules, capfd):
    write_course(tmp_path, students(2), rules)
    for images in tmp_path.rglob("scoring/test.safetensors"):
        images.write_bytes(b"x" * 100)
    show_leaderboard(tmp_path)
    assert "test.safetensors is damaged" in capfd.readouterr().err and len(pages(tmp_path)) == 3


def test_pages_of_those_who_are_gone_go_too(tmp_path, rules):
    write_course(tmp_path, students(3), rules)
    (tmp_path / "site" / "submissions" / "stranger.html").write_text("")
    write_course(tmp_path, [], rules)
    assert not (tmp_path / "site" / "submissions" / "stranger.html").exists() and len(pages(tmp_path)) == 4
    assert [path.name for path in tmp_path.glob(".site*")] == []


def test_pages_of_several_trainings_show_them_all_and_draw_the_middle_one(tmp_path, rules):
    everyone = students(6)
    for student in everyone:
        student.trainings = 3
    write_course(tmp_path, everyone, rules.but(site=rules.site.but(names="id")))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    found = {graded.student: list(graded.measurements.values()) for graded in ledger.graded(checks_by(rules))}
    ledger.close()
    rows = {row["name"]: row for row in page_data(tmp_path / "site" / "index.html")["entries"]}
    for student, results in found.items():
        page = tmp_path / "site" / "submissions" / f"{student}.html"
        data, text = page_data(page), page.read_text()
        middle = results.index(median(results))
        assert len(results) == len(data["curves"]) == text.count("<code>") == 3 and data["middle"] == middle
        assert (
            f"<tr><td>{middle + 1} (ranks)</td><td>{100 * results[middle].accuracy:.2f}\N{NO-BREAK SPACE}%</td>" in text
        )
        last = data["curves"][middle][-1]["val/accuracy"]
        assert rows[student]["curve"][-1] == round(last, 4) and rows[student]["accuracy"] == results[middle].accuracy


def test_a_killed_rendering_leaves_the_old_pages_and_the_next_one_clears_up(tmp_path, rules):
    write_course(tmp_path, students(3), rules)
    before = all_files(tmp_path)
    killed = (
        "import os, sys; from grader.cli import main;"
        "from grader.publish.pages.rendering import Pages; Pages.leaderboard = lambda *_: os._exit(9);"
        "main(['leaderboard', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", killed, tmp_path], cwd=Path(__file__).parents[2])
    assert done.returncode == 9 and all_files(tmp_path) == before and len(list(tmp_path.glob(".site-*"))) == 1
    show_leaderboard(tmp_path)
    assert all_files(tmp_path) == before and list(tmp_path.glob(".site*")) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_new_pages_take_the_place_of_the_old_ones(at_once, tmp_path, monkeypatch):
    if not at_once:
        monkeypatch.setattr(build_module, "exchange", lambda first, second: False)
    for text in ("first", "second"):
        new = tmp_path / ".new"
        new.mkdir()
        (new / "index.html").write_text(text)
        build_module.swap(new, tmp_path / "site")
        assert (tmp_path / "site" / "index.html").read_text() == text
        shutil.rmtree(new, ignore_errors=True)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_one_student_s_results_at_a_time_are_in_memory(tmp_path, rules, monkeypatch):
    everyone = students(30)
    for student in everyone:
        student.trainings = 3
    alive = []
    submission = Pages.submission

    def watched(self, graded, *more):
        gc.collect()
        alive.append(sum(type(thing) is Measurement for thing in gc.get_objects()))
        return submission(self, graded, *more)

    monkeypatch.setattr(Pages, "submission", watched)
    gc.freeze()  # what is there already is not looked through 30 times
    try:
        write_course(tmp_path, everyone, rules)
    finally:
        gc.unfreeze()
    assert len(alive) == 30 and max(alive) <= 2 * 3  # this student's, and the one's before


def test_pages_are_written_without_torch():
    asked = "import sys, grader.publish.publishing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], cwd=Path(__file__).parents[2]).returncode == 0


def test_an_image_s_name_does_not_tell_its_place(tmp_path, rules):
    write_course(tmp_path, students(5), rules)
    names = [path.stem for path in (tmp_path / "site" / "assets" / "images").iterdir()]
    used = set(re.findall(f"{PICTURE}(\\w+)\\.png", "".join(pages(tmp_path).values())))
    assert used == set(names) and all(len(name) == 16 for name in names)
    assert len({drawn_name(*drawn) for drawn in ((FIRST, "data", 5), (SECOND, "data", 5), (SECOND, "data", 6))}) == 3


def test_pseudonyms_are_the_same_each_time_and_no_two_are_equal():
    ids = [f"s{number}" for number in range(5000)]
    names = pseudonyms(ids, FIRST)
    assert len(set(names.values())) == 5000 and names == pseudonyms(ids, FIRST)
    assert names != pseudonyms(ids, SECOND)


@pytest.mark.parametrize(
    "text", [HOSTILE, NAME, "[" * 20_000, "$" + "{" * 1000 + "$", "> " * 5000, "\0\x1b[2J", "<" * 9000]
)
def test_markdown_of_strangers_is_inert_and_soon_done(text):
    started = time.process_time()
    html = rendered(text)
    assert time.process_time() - started < 20
    for forbidden in ("<script", "<img", "<svg", "<style", "<iframe", 'href="javascript', 'href="data', "\0"):
        assert forbidden not in html


def test_formulas_tables_and_links_are_rendered():
    html = rendered(
        "# A\n\n$x^2$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[link](https://example.org) $$\\frac{1}{2}$$ and 3 $ or 4"
    )
    assert "<h3>A</h3>" in html and "<msup>" in html and "<mfrac>" in html and "<td>1</td>" in html
    assert 'href="https://example.org"' in html and "3 $ or 4" in html


def test_a_table_library_of_another_shape_is_told():
    with pytest.raises(RuntimeError, match="itables"):
        as_script("const x = 1; export {x as y};")


# In a browser from here on.

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium; apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page that writes down what it says and asks for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("dialog", lambda dialog: page.said.append(dialog.message))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else page.said.append(asked.url))
    yield page
    context.close()


def open_page(page, results: Path, name: str = "index.html") -> None:
    page.goto((results / "site" / name).as_uri())
    drawn = "[...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('svg'))"
    assert soon(page, lambda: page.evaluate(drawn))


def column(page, number: int) -> list[str]:
    return page.locator(f"#leaderboard tbody tr td:nth-child({number})").all_inner_texts()


def numbers(page, number: int) -> list[float]:
    return [float(text.split()[0]) for text in column(page, number) if text]


def soon(page, holds) -> bool:
    """Whether something comes to hold within some seconds: pages answer in their own time."""
    for _ in range(100):
        if holds():
            return True
        page.wait_for_timeout(50)
    return False


@needs_browser
@pytest.mark.browser
def test_the_leaderboard_sorts_searches_and_filters(page, course):
    open_page(page, course)
    assert len(column(page, 1)) == 40 and numbers(page, 3) == sorted(numbers(page, 3), reverse=True)
    page.get_by_role("button", name="Seconds").click()
    assert soon(page, lambda: numbers(page, 7) == sorted(numbers(page, 7))) and len(numbers(page, 7)) == 37
    page.get_by_label("Search").fill("Number12")
    assert soon(page, lambda: column(page, 2) == ["Student Number12"])
    page.get_by_role("button", name="Show all").click()
    page.locator("select[name=verdict]").select_option("rejected")
    assert soon(page, lambda: set(column(page, 5)) == {"rejected"})
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("combobox", name="Normalization").select_option("GroupNorm")
    said = page.locator("#leaderboard tbody .marks")
    names = partial(page.evaluate, "[...document.querySelectorAll('tbody .marks')].map((one) => one.ariaLabel)")
    assert soon(page, lambda: 0 < said.count() < 36 and all("GroupNorm" in one for one in names()))
    assert page.said == []


@needs_browser
@pytest.mark.browser
def test_charts_follow_the_filters_and_colors(page, course):
    open_page(page, course)
    assert page.locator("#curves-count").inner_text() == "37"
    page.get_by_label("Search").fill("Number12")
    assert soon(page, lambda: page.locator("#curves-count").inner_text() == "1")
    ink = "getComputedStyle(document.querySelector('#cost-chart .xtick text')).fill"
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    assert soon(page, lambda: page.evaluate(ink) != light)
    page.emulate_media(media="print", color_scheme="dark")
    assert soon(page, lambda: page.evaluate(ink) == "rgb(0, 0, 0)")
    assert page.said == []


@needs_browser
@pytest.mark.browser
def test_all_is_within_reach_of_the_keyboard(page, course):
    open_page(page, course)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    while "leaderboard" not in page.evaluate("document.activeElement.closest('table')?.id ?? ''"):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
        assert len(reached) < 30
    assert {"SELECT", "BUTTON", "INPUT"} <= set(reached)
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert soon(page, lambda: numbers(page, 3) == sorted(numbers(page, 3)))
    page.locator("#leaderboard tbody a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/submissions/*.html")


@needs_browser
@pytest.mark.browser
def test_a_hostile_submission_is_inert(page, course):
    for name in ("index.html", "submissions/mallory.html"):
        open_page(page, course, name)
        page.wait_for_timeout(300)
        assert page.evaluate("window.pwned") is None and page.said == []
    assert page.locator("main").is_visible() and page.locator(".prose img, .prose svg, .prose script").count() == 0
    assert "window.pwned = 8" in page.locator("h1").inner_text()  # shown, as the text that it is


@needs_browser
@pytest.mark.browser
def test_a_page_says_what_its_submission_did(page, course):
    open_page(page, course, "submissions/s2026000.html")
    for heading in ("Learning curves", "The four families", "Class by class", "Most confident mistakes", "Report"):
        assert page.get_by_role("heading", name=heading, exact=True).count() == 1
    assert page.locator(".chart svg.main-svg").count() >= 6 and page.locator(".mistakes img").count() == 12
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth == 32)")
    open_page_without_charts = (course / "site" / "submissions" / "s2026009.html").as_uri()
    page.goto(open_page_without_charts)
    assert "max_epochs" in page.locator("main").inner_text() and page.said == []


@needs_browser
@pytest.mark.browser
def test_what_is_asked_for_is_in_the_address_and_goes_along_to_the_other_language(page, course):
    open_page(page, course)
    page.locator("select[name=verdict]").select_option("rejected")
    page.get_by_label("Search").fill("Number9")
    assert soon(page, lambda: "verdict=rejected" in page.url and "search=Number9" in page.url)
    page.locator("#switch").click()
    page.wait_for_url("**/ko/index.html#*")
    assert soon(page, lambda: set(column(page, 5)) == {"반려"} and column(page, 2) == ["Student Number9"])
    assert page.locator("html").get_attribute("lang") == "ko" and page.locator("h2").first.inner_text() == "순위표"
    page.get_by_role("button", name="모두 보기").click()
    assert soon(page, lambda: len(column(page, 1)) == 40 and "#" not in page.url) and page.said == []


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("language", ["", "ko/"])
def test_rows_are_one_line_high_and_a_narrow_screen_shows_what_matters(page, course, language):
    open_page(page, course, f"{language}index.html")
    heights = "[...document.querySelectorAll('#leaderboard tbody tr')].map((row) => row.offsetHeight)"
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert max(page.evaluate(heights)) < 40
    right = "[...document.querySelectorAll('#leaderboard .verdict')].map((one) => one.getBoundingClientRect().right)"
    shown = "[...document.querySelectorAll('#leaderboard tbody tr:first-child td')].filter((c) => c.offsetWidth).length"
    inside = page.locator("div.dt-container").bounding_box()
    assert max(page.evaluate(right)) <= inside["x"] + inside["width"] and page.evaluate(shown) == 4
    assert page.locator("#leaderboard tbody tr:first-child td:nth-child(2)").bounding_box()["width"] > 110
    marks = "[...document.querySelectorAll('.named')].map((one) => [one.lastChild, one.closest('td')].map((each) => each.getBoundingClientRect().right))"
    assert all(mark <= cell for mark, cell in page.evaluate(marks)), "a star or a flag is never cut off"


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_stands_in_anybody_s_way(browser, course, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for name in ("index.html", "submissions/mallory.html", "ko/index.html", "ko/submissions/s2026000.html"):
        open_page(page, course, name)
        found = [(found["id"], found["nodes"][0]["html"]) for found in axe.run(page).response["violations"]]
        assert found == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
