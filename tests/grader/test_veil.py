"""Under pseudonyms nobody is named: neither by the grader nor by what students wrote about themselves and others."""

import json
import random
import re
import unicodedata
from dataclasses import replace
from html import unescape
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.course import Student, write_course
from benchmarks.hand_in_systems import HandIn, canvas, moodle, zipped
from grader.grading.class_list import class_list
from grader.grading.common_words import course_words, is_common
from grader.grading.hand_ins import hand_ins
from grader.grading.ranking import Entry
from grader.intake import roster
from grader.intake.downloads import Download
from grader.intake.submission import safe_id
from grader.intake.veil import NOBODY, VEILED, Marked, Person, letters, terms_of, veiled, veiled_html, whole
from grader.ledger.results_folder import open_results
from grader.publish.markdown import rendered
from grader.publish.pseudonyms import pseudonyms
from grader.publish.publishing import publish
from grader.rules import Rules
from grader.secret import BYTES, Secret
from tests.grader.conftest import TINY_GLYPHS

RULES = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
SECRET = Secret(bytes(BYTES))
KOREAN, KOREAN_GIVEN = ("김", "이", "박", "최", "남궁", "황보"), ("민지", "서연", "도윤", "하준", "원", "별", "이슬")
CHINESE, CHINESE_GIVEN = ("王", "李", "欧阳"), ("伟", "娜", "秀英", "小明")


def generated(count: int) -> list[tuple[str, str]]:
    """Names as a course has them, family and given: of two to four characters, all different."""
    draw = random.Random(7)
    korean = [(family, given) for family in KOREAN for given in KOREAN_GIVEN]
    chinese = [(family, given) for family in CHINESE for given in CHINESE_GIVEN]
    return draw.sample(korean, count // 2) + draw.sample(chinese, count - count // 2)


def report(own: tuple[str, str], friend: tuple[str, str], number: int) -> str:
    """A report whose author signs it in every way, and thanks a friend."""
    family, given = own
    entities = "".join(f"&#{ord(letter)};" for letter in family + given)
    return (
        f"# {family}{given}의 보고서 ({number})\n\n작성자: {family} {given}, {given}{family}, **{family}**{given}, {entities}\n\n"
        + f"`{family}_{given}.py` {family}\u200b{given} {unicodedata.normalize('NFD', family + given)} 학번 2026-{number}\n\n"
        + f"[blog](https://example.org/{quote(family + given)}/{number}) mailto: s{number}@example.org\n\n"
        + f"{friend[0]}{friend[1]}에게 고맙습니다. "
        + "정규화는 일반화 격차를 줄인다. " * 20
    )


@pytest.fixture(scope="module")
def named(tmp_path_factory) -> tuple[Path, list[str]]:
    """A published course, and all that may be in no byte of it."""
    results = tmp_path_factory.mktemp("named")
    people, everyone, secrets = generated(20), [], []
    for at, (family, own) in enumerate(people):
        number, name, friend = 48_000 + 37 * at, family + own, people[at - 1]
        student = Student(
            f"id2026{number}", name, 0.9 - at / 100, source=f"{name}_{number}_{number + 1}_숙제{name}.zip"
        )
        text = report((family, own), friend, number)
        cells = [{"cell_type": kind, "source": text, "outputs": []} for kind in ("markdown", "code")]
        student.texts = {"REPORT.md": text, "CONCLUSION.md": text, f"{name}.ipynb": json.dumps({"cells": cells})}
        if at % 5 == 4:
            student.accuracy, student.reason = None, f"{student.source}: is no archive: {name}.7z"
        everyone.append(student)
        secrets += [name, f"{family} {own}", f"{own}{family}", str(number), student.id, student.source]
    write_course(results, everyone, RULES.but(site=RULES.site.but(mistakes=0)))
    with open_results(results) as opened:
        given_points = {"report": 1, "conclusion": 1, "comment": f"{everyone[0].name}, 잘했어요"}
        opened.ledger.decisions.take("now", "kang", "points", everyone[0].id, given_points)
        publish(opened)
    return results, secrets


def test_no_name_id_file_or_number_is_in_any_byte_that_is_published(named):
    results, secrets = named
    forms = {unicodedata.normalize(form, text) for text in secrets for form in ("NFC", "NFD")}
    forms |= {quote(text) for text in forms}
    published = [path for path in (results / "site").rglob("*") if path.is_file() and "submissions" in str(path)]
    published += [results / "site" / "index.html", results / "site" / "ko" / "index.html", results / "leaderboard.md"]
    assert len(published) == 2 * 20 + 3
    for path in published:
        content = path.read_text(encoding="utf-8") + str(path.relative_to(results))
        numerals = {*re.findall(r"(?<![\w.])\d+(?![\w.])", content)}  # digits within a checksum are nobody's
        assert [form for form in forms if form in (numerals if form.isdecimal() else content)] == []
        if path.parent.name == "submissions":
            assert "일반화 격차" in content and VEILED in content


AUTHOR = Person("minji-20261", "Kim Minji 김민지", ("20261001",))
FRIEND = Person("do-20262", "Do Hyun", ("20262002",))


@pytest.mark.parametrize(
    "text",
    [
        "KIM MINJI",
        "Minji Kim",
        "minji kim",
        "kim-minji",
        "by Minji.",
        "민지가",
        "김 민지",
        "김*민지*",
        "20261001",
        "2026-1001",
        "a.b@c.ac.kr",
    ],
)
def test_an_author_is_veiled_however_the_name_is_written(text):
    for found in (veiled(text, AUTHOR, [FRIEND]), veiled_html(f"<p>{text}</p>", AUTHOR, [FRIEND])):
        assert VEILED in found and "inji" not in found.lower() and "민지" not in found and "1001" not in found


@pytest.mark.parametrize(
    "text",
    ["ⓜⓘⓝⓙⓘ", "Ｍｉｎｊｉ", "𝐌𝐢𝐧𝐣𝐢", "Mínjï", "m\u0301inji", "%4dinji", "mi%6eji", "%254dinji", "x.org/~mi%6Eji/work"]
    + ["Minji²", "②026①001", "２０２６１００１", "2026100%31", "%EA%B9%80민지"],
)
def test_no_form_of_a_letter_and_no_escape_hides_a_name(text):
    for own, others in ((AUTHOR, [FRIEND]), (Person("x1", "X Y"), [AUTHOR._replace(student="minji")])):
        for found in (veiled(f"by {text} 50%", own, others), veiled_html(f"<p>by {text} 50%</p>", own, others)):
            assert VEILED in found and text not in found and found.startswith(("by", "<p>by")) and "50%" in found


def test_what_only_looks_like_an_escape_or_another_form_stays():
    said = "50%de the loss, x² + ½, 100%20 caf\u00e9, caf%C3%A9, cafe%CC%81, a ① list at 3㎏, β₁ = 0.9"
    assert veiled(said, AUTHOR, [FRIEND]) == said


def test_a_text_of_escapes_is_soon_done():
    import time

    for text in ("a" * 100_000, "%25" * 30_000, "%25" + "25" * 50_000, ("x" * 70 + "%41") * 1500, "%2541" * 20_000):
        began = time.process_time()
        veiled(text, AUTHOR, [FRIEND])
        assert time.process_time() - began < 10


def test_of_others_whole_names_are_veiled_and_words_stay():
    said = "Do we train on 김밥? An MLP with hyun layers; the kimono of Minjia; 120261001 weights"
    assert veiled(said, Person("x1", "X Y"), [AUTHOR, FRIEND]) == said
    assert veiled("with Do Hyun and 김민지와", Person("x1", "X Y"), [AUTHOR, FRIEND]) == f"with {VEILED} and {VEILED}와"


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("Smith, Mary Jane", "Mary Jane Smith; smith mary-jane; Smith, Mary Jane; MaryJane Smith"),
        ("van der Berg, Jan", "Jan van der Berg; Berg, Jan van der; Van der Berg Jan; van der Berg, Jan"),
        ("Ana María López García", "López García, Ana María; Ana Maria Lopez Garcia; García, Ana María López"),
        ("O'Brien-Walsh, Siobhán Máire", "Siobhán Máire O'Brien-Walsh; obrien walsh siobhan maire"),
        ("Nguyễn Văn An", "An Nguyễn Văn; Văn An Nguyễn; an van nguyen"),
    ],
)
def test_a_name_of_several_words_is_veiled_wherever_it_is_turned(listed, written):
    other = Person("x20261", listed)
    shown = f"{VEILED}; " * written.count(";") + VEILED
    assert veiled(written, Person("y", "Y"), [other]) == shown
    gone = Person("", "", (), Marked.of(terms_of(NOBODY, [other]).words, "00"))
    assert veiled(written, Person("y", "Y"), [gone]) == shown
    assert veiled("Mary, Jane, Jan, Ana and an ana", Person("y", "Y"), [other]) == "Mary, Jane, Jan, Ana and an ana"


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        ("김민지A", "김민지, 김 민지, 민지김, 김민지A"),
        ("김민지2", "김민지"),
        ("정우진(휴학)", "정우진, 정우진(휴학)"),
        ("(휴학) 정우진", "정우진"),
        ("[TA] 정우진", "정우진"),
        ("정우진/휴학", "정우진"),
        ("정우진 - 휴학", "정우진"),
        ("이바다·Lee Bada", "이바다, Lee Bada, Bada Lee, LEE, BADA"),
        ("최별-Choi Byeol", "최별, Choi Byeol, Byeol Choi"),
        ("최별 - Choi Byeol", "최별, Choi Byeol, 최별 - Choi Byeol"),
        ("강나루Kang Naru", "강나루, Kang Naru, 강나루Kang Naru"),
        ("Kang Naru강나루", "강나루, Kang Naru"),
        ("송이 Song, Yi-Seul", "송이, Yi-Seul Song"),
        ("김민지(金旻志)", "김민지, 金旻志"),
        ("Иван Петров (Ivan Petrov)", "Петров Иван, Ivan Petrov"),
        ("Kim Minji (withdrawn)", "Kim Minji, Minji Kim"),
        ("Park (Minji)", "Park Minji, Minji Park"),
        ("마리아·로페스", "마리아 로페스, 로페스 마리아"),
        ("山田はなこ", "山田はなこ, 山田 はなこ"),
        ("한가람*", "한가람"),
    ],
)
def test_of_a_name_in_two_scripts_or_with_a_remark_the_name_alone_is_veiled(listed, written):
    found = veiled(written, Person("y", "Y"), [Person("x20261", listed)])
    assert not re.search(r"[^\W▒]", found), found
    said = "A park with 김밥, 휴학 중, TA, withdrawn, 민지도, 로페스, lee, 2, an A"
    assert veiled(said, Person("y", "Y"), [Person("x20261", listed)]) == said


@pytest.mark.parametrize("number", ["002610024", "2610024"])
def test_a_number_is_veiled_with_the_zeros_before_it_and_without(number):
    other = Person("x", "X Y", (number,))
    found = veiled("by 002610024, 2610024, 002-610024.", NOBODY, [other])
    assert re.fullmatch(f"by 0*{VEILED}, {VEILED}, 0*{VEILED}.", found), found
    said = "0.0002610024, 12610024, 1002610024 and " + "0" * 100 + "2610024"
    assert veiled(said, NOBODY, [other]) == said
    assert veiled("in 2026", NOBODY, [Person("x", "X Y", ("0002026",))]) == "in 2026"


def test_the_longest_of_names_is_soon_turned():
    assert len(whole(Person("x", " ".join(f"n{at}" for at in range(50_000))))) < 100


def test_a_name_of_one_character_is_veiled_as_a_word_and_not_within_words():
    author = Person("won", "원", ())
    assert veiled("원, 원은 원래 병원에", author, []) == f"{VEILED}, {VEILED}은 원래 병원에"


def test_markup_stays_whole():
    author = Person("code-1", "Code Strong", ())
    found = veiled_html('<p><code>Code</code> <a href="https://x.org/code-strong">x</a></p>', author, [])
    assert found == f'<p><code>{VEILED}</code> <a href="">x</a></p>'


CLASS = [Person("20260021", "Quentin Vasquez"), Person("20260022", "김민지"), Person("90123", "Bo Ek")]


@pytest.mark.parametrize(
    "text",
    [
        "Quentin *Vasquez*, **Quentin** Vasquez, ***Quentin*** *Vasquez*, Quen**tin** Vas*quez*",
        "[Quentin](http://e.org/) Vasquez, Quentin [*Vasquez*](http://e.org/)",
        "Quentin&nbsp;Vasquez, Quenti&#110;&#x20;Vasquez, &#81;**uentin**&nbsp;Vasquez, Quentin&shy;Vasquez",
        "|Quentin|Vasquez|\n|-|-|\n|x|Quentin|\n|Vasquez|x|\n|Quentin **Vasquez**|김민지|",
        "`Quentin` `Vasquez`, ~~Quentin~~ `Vasquez`, ![Quentin](a.png) ![Vasquez](b.png)",
        "김**민**지, 김*민지*, 김`민지`, 김 _민_ 지, |김|민지|",
        "2026**0021**, **2026** *0021*, `2026``0021`, 2026&nbsp;0021",
        "## Quentin\n## Vasquez\n\n- Quentin\n- Vasquez\n\nQuentin\n\nVasquez\n\n> Quentin\n\nVasquez",
        "$Quentin$ $Vasquez$, Quentin\\\nVasquez",
        "`Quentin Vasquez`s and **Quentin Vasquez**x, 1*20260021*",
        "q.vasquez@*example*.org, quentin%20**vasquez**",
    ],
)
def test_a_name_is_veiled_as_a_reader_sees_it_whatever_markup_is_within(text):
    found = veiled_html(rendered(text), Person("y1", "Y Z"), CLASS)
    plain = re.sub(r"\W", "", unescape(re.sub("<[^>]*>", "", found))).casefold()
    assert VEILED in found and not re.search("quentin|vasquez|민지|민|20260021|0021", plain), found
    assert re.findall("<[^>]*>", found) == re.findall("<[^>]*>", rendered(text))


@pytest.mark.parametrize(
    "text",
    [
        "|90|123|\n|-|-|\n|90|123|\n|2026|0021|",
        "- 90\n- 123\n\n90\n\n123",
        "차이*김*\n\n민지역, 김\n\n- 민지도",
        "$\\frac{90}{123}$ &lt;b&gt; 1 &amp; 2 &amp;amp; a < b",
        "Quentin|**x**|Vasquez; 김**x**민지",
    ],
)
def test_what_only_lies_beside_each_other_stays(text):
    assert veiled_html(rendered(text), Person("y1", "Y Z"), CLASS) == rendered(text)


def test_beside_a_veil_text_stays_text():
    found = veiled_html(rendered("&lt;b&gt; & **Quentin** Vasquez &amp;lt;i&gt;"), Person("y1", "Y Z"), CLASS)
    assert found == f"<p>&lt;b&gt; &amp; <strong>{VEILED}</strong> {VEILED} &amp;lt;i&gt;</p>\n".replace(
        f" {VEILED} &amp;lt", f"{VEILED} &amp;lt"
    )


def test_a_text_of_markup_is_soon_done():
    import time

    for text in ("*a* " * 25_000, "<b>" * 30_000, "|a" * 50_000, "<b>Quentin</b> <b>Vasquez</b> " * 3_000):
        began = time.process_time()
        veiled_html(f"<p>{text}</p>", AUTHOR, [*CLASS, *(Person(f"s{at}", f"Ann{at} Lee") for at in range(500))])
        assert time.process_time() - began < 10


def test_nothing_is_veiled_for_two_thousand_students_in_long_texts_too_slowly():
    import time

    others = [
        Person(f"s{2026_0000 + n}", f"Student Number{n} 홍길동{chr(0xAC00 + n)}", (str(90_000 + n),))
        for n in range(2000)
    ]
    started = time.process_time()
    veiled("정규화는 일반화 격차를 줄인다. The gap is 12,345. " * 1000, AUTHOR, others)
    assert time.process_time() - started < 4


def test_what_only_a_student_yaml_says_is_veiled_on_its_author_s_page_alone(tmp_path):
    """Else anybody could take words out of everybody's texts."""
    text = "The learning rate was raised with Ann Lee (ann7) and Park Jun, and accuracy grew. " * 9
    told = {"bob": {"id": ["bob"]}, "the": {}, "ann": {"login": ["ann7@x.org"]}, "folder": {"id": ["folder"]}}
    names = {"bob": "Bob Brown", "the": "learning rate", "ann": "Ann Lee", "folder": "accuracy"}
    course = [Student(each, names[each], 0.9, texts={"REPORT.md": text}, source=f"{each}.zip") for each in told]
    write_course(tmp_path, course, RULES.but(site=RULES.site.but(mistakes=0)))
    with open_results(tmp_path) as opened:
        for student, known in told.items():
            change = "UPDATE submissions SET known_as = ? WHERE student = ?"
            opened.ledger.database.execute(change, [json.dumps(known), student])
        publish(opened)
        names_shown = pseudonyms(told, opened.secret)
    pages = {each: (tmp_path / "site" / "submissions" / f"{names_shown[each]}.html").read_text() for each in told}
    assert "The learning rate was raised" in pages["bob"] and "and accuracy grew" in pages["bob"]
    assert "Ann Lee" not in pages["bob"] and "ann7" not in pages["bob"]
    assert "learning rate was" not in pages["the"] and f"and {VEILED} grew" in pages["folder"]


UPLOADS = ("submission", "Report (2)", "accuracy_final", "최종 제출물", "week-decay", "validation.loss", "1")


def test_uploads_of_common_names_take_no_word_out_of_anybody_s_text(tmp_path):
    """Also words that only many files' names have, or the handout. Who is called by a file's name is veiled."""
    text = (
        "The validation loss and accuracy of this submission are in the report. 최종 정확도가 높다. A kiwi grew. " * 9
    )
    files = [*UPLOADS, *(f"kiwi-{number}" for number in range(5)), "zofia"]
    course = [
        Student(f"file{n}", name, 0.9, texts={"REPORT.md": text + "Zofia"}, source=f"{name}.zip")
        for n, name in enumerate(files)
    ]
    write_course(tmp_path, course, RULES.but(site=RULES.site.but(mistakes=0)))
    with open_results(tmp_path) as opened:
        for student in course:  # as a file's name is all that tells
            change = "UPDATE submissions SET student = ?, name = ?, known_as = ? WHERE student = ?"
            own = safe_id(student.name)
            opened.ledger.database.execute(change, [own, student.name, json.dumps({"id": [own]}), student.id])
        publish(opened)
    pages = [path.read_text() for path in (tmp_path / "site" / "submissions").iterdir()]
    assert len(pages) == len(files)
    for page in pages:
        assert (
            "The validation loss and accuracy of this submission are in the report. 최종 정확도가 높다. A kiwi grew."
            in page
        )
        assert "Zofia" not in page and VEILED in page


ACCOUNTS = [
    HandIn("Minji Kim", 7301013, family="Kim"),
    HandIn("Bada Lee", 7302000, family="Lee"),
    HandIn("Ann Oh", 7303000),
]


@pytest.mark.parametrize("group", ["", "1조"])
@pytest.mark.parametrize("system", ["canvas", "moodle"])
def test_what_a_system_calls_students_is_veiled_where_the_roster_has_their_names_in_hangul(system, group, tmp_path):
    """In either order, also where the system's name has no space in it; and of a group all members."""
    accounts = [replace(each, files={"w.zip": zipped({"config.yaml": b"x: 1"})}) for each in ACCOUNTS]
    folder = canvas(tmp_path / "in", accounts) if system == "canvas" else moodle(tmp_path / "in", accounts)
    names = ("김민지", "이바다", "오안")
    listed = roster.Roster(
        [
            roster.Student(f"id{at}", name, number=str(one.number), group=group)
            for at, (one, name) in enumerate(zip(accounts, names))
        ]
    )
    found = class_list(
        [entry_of(each) for each in hand_ins(folder, RULES, listed)], {each.student: each for each in listed.students}
    )
    text = "Written by Kim Minji, or Minji Kim (7301013), with Lee Bada, Bada Lee and OH, Ann; bad and min are words."
    for author in found:
        others = [told for student, (_, told) in found.items() if student != author]
        said = veiled(text, found[author][0], others)
        assert not re.search("Minji|7301013|Bada|Ann", said) and said.endswith("bad and min are words."), said


def test_on_the_own_page_all_numbers_in_a_name_of_canvas_s_are_veiled():
    """A name that ends in a number may be read in two ways."""
    eve = Entry(student="eve", name="이브", verdict="passed", tier="verified", source="eve_7301013_7302000_9001_w.zip")
    for listed in ({}, {"eve": roster.Student("eve", "이브")}):
        found = class_list([eve], listed)
        assert veiled("I am 7302000, not 7301013.", found["eve"][0], []) == f"I am {VEILED}, not {VEILED}."


def test_on_the_own_page_the_given_name_in_a_name_without_spaces_is_veiled():
    kim = Entry(
        student="kim",
        name="김나단",
        verdict="passed",
        tier="verified",
        source="x.zip",
        known_as={"name": ["kimnathan"]},
    )
    (own, told), text = (
        class_list([kim], {"kim": roster.Student("kim", "김나단")})["kim"],
        "Kim, or Nathan, is better than before",
    )
    assert (
        veiled(text, own, []) == f"{VEILED}, or {VEILED}, is better than before"
        and veiled(text, NOBODY, [told]) == text
    )


def entry_of(download: Download) -> Entry:
    known = {"source": download.source.name, "known_as": dict(download.known_as)}
    return Entry(student=download.student, name=download.name, verdict="passed", tier="verified", **known)


WORDS = "accuracy the rate training gradient overfitting softmax relu SGD lr learningrate learning-rate BatchSize 정확도 정확도그래프"
TEXT = "The training accuracy rose: learning rate, SGD, ReLU, batch size, the gradient, softmax, overfitting, an lr. 정확도 그래프. "


def a_student_called(word: str) -> dict[str, tuple[Entry, dict[str, roster.Student]]]:
    """Somebody who chose a word to be called: as a folder, a GitHub name, an account, and also where there is a roster."""

    def entry(student: str, name: str, source: str, **known: str) -> Entry:
        about = {"verdict": "passed", "tier": "verified", "known_as": {kind: [text] for kind, text in known.items()}}
        return Entry(student=student, name=name, source=source, **about)

    row = roster.Student("20261", "Eve Park", "20261", "", (f"{word}@x.kr",), word)
    return {
        "folder": (entry(word, word, word, id=word), {}),
        "GitHub name": (entry(word, "Eve", f"homework-{word}"), {}),
        "login": (entry("evepark-13", "evepark", "evepark_13_1_x.zip", login=f"{word}@x.kr", canvas="13"), {}),
        "Canvas's name": (entry(f"{word}-13", word, f"{word}_13_1_x.zip", canvas="13"), {}),
        "roster's login": (
            entry("20261", "Eve Park", f"homework-{word}", id="20261", login=f"{word}@x.kr"),
            {"20261": row},
        ),
        "roster's GitHub name": (entry(word, "Eve Park", "x.zip"), {word: replace(row, student=word, id="")}),
    }


@pytest.mark.parametrize("word", WORDS.split())
def test_who_is_called_by_a_word_of_the_course_takes_it_out_of_nobody_s_text(word):
    kim = Entry(student="kim-minji", name="Kim Minji", verdict="passed", tier="verified", source="kim-minji.zip")
    for way, (entry, listed) in a_student_called(word).items():
        found = class_list([kim, entry], listed)
        assert veiled(TEXT, found["kim-minji"][0], [found[entry.student][1]]) == TEXT, way
        assert not listed or veiled("Eve Park", found["kim-minji"][0], [found[entry.student][1]]) == VEILED


def test_names_of_people_are_no_words_of_the_course():
    names = "kim minji lee jun park seoyeon choi hyun zhang huang smith taylor anna david 민지 김민지 이서연 도윤 하준"
    assert not [name for name in names.split() if is_common(name)]


LATIN = ("Ana", "Zoltán", "Minji", "Yunseo", "Oyelaran", "Nguyen", "Kwon", "Brzęczyszczykiewicz")
VOCABULARY = sorted(word for word in course_words() if len(word) > 1)
people = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.sampled_from(LATIN), st.sampled_from(LATIN)).map(" ".join),
            st.tuples(st.sampled_from(KOREAN), st.sampled_from(KOREAN_GIVEN[:4])).map("".join),
        ),
        st.integers(20_260_000, 20_269_999),
        st.sampled_from(("roster", "account", "file")),
        st.sampled_from([*UPLOADS, ""]),
    ),
    min_size=2,
    max_size=6,
    unique_by=(itemgetter(0), itemgetter(1)),
)


@settings(max_examples=100)
@given(people, st.lists(st.sampled_from(VOCABULARY), min_size=5, max_size=30))
def test_whoever_is_in_the_class_nobody_is_named_and_the_pages_own_words_stay(class_, words):
    """Whatever tells who they are, and whatever their files are called. A file that says who it is is called by name."""
    entries, listed = [], {}
    for name, number, told, upload in class_:
        by_file = told == "file"
        student = safe_id(name) or f"x{number}" if by_file else str(number)
        source = f"{name}.zip" if by_file or not upload else f"{upload}.zip"
        known = {"id": [student]} if by_file else {"canvas": [str(number)]}
        entries.append(
            Entry(student=student, name=name, verdict="passed", tier="verified", source=source, known_as=known)
        )
        if told == "roster":
            listed[student] = roster.Student(student, name, id=str(number), logins=(f"m{number}@example.org",))
    assume(not {letters(word) for entry in entries for word in entry.name.split()} & {*VOCABULARY})
    found = class_list(entries, listed)
    secrets = [name for name, *_ in class_] + [str(number) for _, number, told, _ in class_ if told != "file"]
    words = [*words, *UPLOADS]
    for own, _ in found.values():
        others = [other for _, other in found.values() if other.student != own.student]
        assert veiled(" ".join(words), own, others) == " ".join(words)
        shown = veiled(". ".join([*words, *secrets, *words]), own, others)
        assert [secret for secret in secrets if secret in shown] == []


def test_a_pseudonym_stays_when_others_join():
    ids = [f"s{number}" for number in range(400)]
    draw = random.Random(1)
    draw.shuffle(ids)
    whole = pseudonyms(ids, SECRET)
    assert any(name[-1].isdigit() for name in whole.values()), "some would have had the same"
    for joined in (10, 100, 399):
        assert pseudonyms(ids[:joined], SECRET) == {student: whole[student] for student in ids[:joined]}


def test_pages_call_students_the_same_when_others_hand_in(tmp_path):
    ids = [f"s{number}" for number in range(120, 0, -1)]  # in an order that is not that of the ids
    everyone = [Student(student, student, None) for student in ids]
    rules = RULES.but(site=RULES.site.but(reports=False))
    write_course(tmp_path / "early", everyone[:60], rules)
    write_course(tmp_path / "late", everyone, rules)

    def called(results: Path) -> dict[str, str]:
        with open_results(results) as opened:
            return pseudonyms(opened.ledger.in_order_of_arrival(), opened.secret)

    early, late = called(tmp_path / "early"), called(tmp_path / "late")
    assert early == {student: late[student] for student in early}
    pages = {path.stem for path in (tmp_path / "early" / "site" / "submissions").iterdir()}
    assert pages == set(early.values())
