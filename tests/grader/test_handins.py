"""What a class hands in beside its configuration: notebooks, documents and texts. They cost points, and break nothing."""

import io
import json
import re
import time
import unicodedata
import zipfile
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console

from benchmarks.course import Student, write_course
from grader.apart import Apart
from grader.cli import main
from grader.grading.document_reading import LIMITS, read_document, read_documents
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.ranking import standings
from grader.grading.register_submissions import examined
from grader.grading.verdicts import verdict
from grader.intake.checks import LEAST_CHARACTERS, check, look, rejections
from grader.intake.downloads import Download
from grader.intake.notebooks import Cell, NotANotebook, parts_in, read_notebook
from grader.intake.packing import pack
from grader.intake.reports import FIRST_BYTES, PNG, length, read_reports, suffix
from grader.intake.submission import MAX_DOCUMENT_BYTES, take_in
from grader.ledger.results_folder import open_results
from grader.ledger.submission_store import document_texts
from grader.publish.feedback import feedback
from grader.publish.markdown import rendered_notebook
from grader.review import report_texts
from grader.review.report_review import review
from grader.review.similarity import similar
from grader.rules import Rules
from tests.grader.conftest import needs_sandbox
from tests.grader.engines import MadeUp, graded
from tests.grader.engines import scored as measured
from tests.grader.test_verdicts import graded as judged_by
from tests.grader.test_verdicts import scored

DEMANDING = Rules(reports="demand")
ABSENT = {"REPORT.md": None, "CONCLUSION.md": None}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg" + "A" * 5000
KOREAN = "정규화 층은 학습을 안정시키고 수렴을 빠르게 한다. " * 12
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> [me](javascript:alert(3)) ![far](http://192.0.2.1/x.png)"
)


def markdown(*lines: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": [line + "\n" for line in lines]}


def code(source: str, *outputs: dict) -> dict:
    return {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": source, "outputs": list(outputs)}


def stream(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": [text]}


def picture(text: str = "<Figure size 640x480>") -> dict:
    data = {"image/png": "iVBORw0KGgo" + "A" * 3_000_000, "text/plain": [text], "text/html": [HOSTILE]}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def notebook(*cells: dict) -> str:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}, ensure_ascii=False)


WORK = notebook(
    markdown("# 3주차 과제", "공지: 15 에포크"),
    markdown(
        "## 1. 이론: 코사인 스케줄러", "$\\eta_t$ 는 줄어든다.", f"![격차]({PIXEL})", "### 데이터 증강", KOREAN * 2
    ),
    code("import torch\nnet = MyNet()  # <b>"),
    markdown("## 2. 학습"),
    code("fit(net)", stream("epoch 1\repoch 1 50%\repoch 15 accuracy 0.89\n"), picture()),
    markdown("## 분석", KOREAN),
    code(""),
)


def texts(files: dict[str, str | bytes]) -> dict[str, str | None]:
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    return {part: found.markdown for part, found in read_reports(contents).parts.items()}


def sources(files: dict[str, str]) -> dict[str, tuple[str, ...]]:
    contents = {name: FIRST_BYTES.get(suffix(name), (b"",))[0] + text.encode() for name, text in files.items()}
    return {part: found.files for part, found in read_reports(contents).parts.items()}


def pdf(*lines: str, picture: bool = False) -> bytes:
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure, buffer = Figure(), io.BytesIO()
        for number, line in enumerate(lines):
            figure.text(0.02, 0.95 - 0.04 * number, line, size=8)
        if picture:
            figure.figimage(np.zeros((9, 9)))
        figure.savefig(buffer, format="pdf")
    return buffer.getvalue()


def docx(body: str, before: str = "", **more: str) -> bytes:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    whole = f'{before}<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>'
    return zipped({"word/document.xml": whole, **more})


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# notebooks: which cells are the report and the conclusion


def test_a_notebook_s_headings_say_what_is_report_and_what_conclusion():
    found = texts({"work.ipynb": WORK})
    assert (
        found["report"].startswith("## 1. 이론")
        and "데이터 증강" in found["report"]
        and "학습\n" not in found["report"]
    )
    assert found["conclusion"].startswith("## 분석") and "공지" not in found["report"] + found["conclusion"]
    assert "base64" not in found["report"] and "import torch" not in found["report"]


@pytest.mark.parametrize(
    ("heading", "part"),
    [
        *(
            (heading, "report")
            for heading in ("# Report", "## 2) Theory", "#보고서", "### **1-2. 이론**", "# 2주차 리포트")
        ),
        *(
            (heading, "conclusion")
            for heading in ("# Conclusions", "## 5. 결론 및 느낀 점", "# 결과 분석", "# 📈 Analysis")
        ),
        *((heading, "") for heading in ("# 데이터 분석", "# Reporting", "# II) Theory", "Report", "####### Report")),
    ],
)
def test_which_heading_begins_what(heading, part):
    found = parts_in([Cell("markdown", f"{heading}\nwords"), Cell("code", "1")])
    assert list(found) == ([part] if part else [])


def test_without_a_heading_the_last_words_after_the_code_are_the_conclusion():
    cells = [markdown("# Title"), code("1"), markdown("I saw that"), code(" \n"), markdown("dropout helped.")]
    found = texts({"a.ipynb": notebook(*cells)})
    assert found == {"report": None, "conclusion": "I saw that\n\ndropout helped."}
    assert texts({"a.ipynb": notebook(*cells, code("2"))})["conclusion"] is None


def test_a_report_ends_at_the_next_heading_of_its_level_and_what_is_fenced_is_no_heading():
    cells = [markdown("## Theory", "a", "```", "# Conclusion", "```", "### more", "b", "## Data", "c"), code("1")]
    assert texts({"a.ipynb": notebook(*cells)}) == {
        "report": "## Theory\na\n```\n# Conclusion\n```\n### more\nb",
        "conclusion": None,
    }


def test_a_file_says_otherwise_unless_it_says_nothing():
    assert texts({"a.ipynb": WORK, "REPORT.md": "mine"})["report"] == "mine"
    assert texts({"a.ipynb": WORK, "REPORT.md": " \n"})["report"].startswith("## 1. 이론")


def test_an_old_notebook_of_format_3_is_read():
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Conclusion"},
        {"cell_type": "code", "input": "print(1)", "outputs": [{"output_type": "stream", "text": ["1\n"]}]},
    ]
    old = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()
    assert read_notebook(old) == [Cell("markdown", "## Conclusion"), Cell("code", "print(1)", "1")]


# files and documents: which is which


@pytest.mark.parametrize(
    ("names", "report", "conclusion"),
    [
        ("report.PDF Conclusion.docx", "report.PDF", "Conclusion.docx"),
        ("이론_김민지.docx 결론.txt", "이론_김민지.docx", "결론.txt"),
        ("week2_theory.md CONCLUSION.md notes.md", "week2_theory.md", "CONCLUSION.md"),
        ("REPORT.md report.pdf", "REPORT.md", ""),
        ("homework.pdf CONCLUSION.md", "homework.pdf", "CONCLUSION.md"),
        ("one.pdf two.pdf", "", ""),
        ("report-1.jpg report-2.jpg x.png", "report-1.jpg report-2.jpg", ""),
        ("README.md photo.jpeg", "photo.jpeg", ""),
        ("README.md report.py texts/report.md", "", ""),
    ],
)
def test_which_file_is_which(names, report, conclusion):
    found = sources(dict.fromkeys(names.split(), "words"))
    assert found == {"report": tuple(report.split()), "conclusion": tuple(conclusion.split())}


def test_names_as_macos_writes_them_mean_the_same():
    assert sources({unicodedata.normalize("NFD", "보고서.pdf"): "x", "b.pdf": "x"})["report"]


# check and pack


def test_a_notebook_is_a_hand_in_and_is_packed(write_submission, rules, tmp_path, capsys):
    folder = write_submission(**ABSENT, **{"과제.ipynb": WORK})
    assert check(take_in(folder), rules) == check(take_in(folder), DEMANDING) == []
    assert main(["pack", str(folder), "--out", str(tmp_path / "a.zip")]) == 0
    assert "leave it out" not in capsys.readouterr().out
    assert take_in(tmp_path / "a.zip").digest == take_in(folder).digest


def test_a_missing_report_is_a_warning_unless_the_rules_demand_it(write_submission, tmp_path, capsys):
    folder, strict = write_submission(**ABSENT), tmp_path / "strict.yaml"
    strict.write_text("reports: demand\n")
    assert main(["check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "warn    REPORT.md: is missing" in said and "CONCLUSION.md: is missing" in said and "ready" in said
    assert main(["check", str(folder), "--rules", str(strict)]) == 1
    assert "reject  REPORT.md: is missing" in capsys.readouterr().out


def test_a_text_that_is_too_short_or_too_long_costs_points(write_submission, rules):
    folder = write_submission(**{"REPORT.md": "word " * 10_000, "CONCLUSION.md": f"Short. ![]({PIXEL})"})
    found = {finding.where: finding for finding in check(take_in(folder), rules)}
    assert "has 49999 characters" in found["REPORT.md"].what
    assert "has 6 characters" in found["CONCLUSION.md"].what and not rejections(list(found.values()))


def test_korean_says_as_much_in_half_the_characters():
    assert length("가나다") == 6 and length("abc") == 3 and length(" a \n\n b ") == 3 and length("漢字かな") == 8
    assert length("\u1100\u1161\u11a8") == 2, "a syllable in its parts"
    real = (143, 283, 600)  # characters of real conclusions in Korean
    assert [length("가" * count) >= LEAST_CHARACTERS["conclusion"] for count in real] == [False, True, True]


def test_what_korean_windows_writes_is_read(write_submission, rules):
    folder = write_submission()
    (folder / "REPORT.md").write_bytes((KOREAN * 3).encode("cp949"))
    (folder / "CONCLUSION.md").write_bytes(b"\xef\xbb\xbf" + CONCLUSION.encode())
    (finding,) = check(take_in(folder), rules)
    assert "cp949" in finding.what and finding.severity == "warn"
    assert KOREAN.strip() in take_in(folder).reports.parts["report"].markdown
    (folder / "REPORT.md").write_bytes(b"\xff\x80\xff" * 500)
    (finding, *_) = check(take_in(folder), rules)
    assert "not UTF-8" in finding.what and not rejections(check(take_in(folder), DEMANDING))


def test_documents_are_for_a_person_whatever_the_rules_demand(write_submission, tmp_path, capsys):
    folder = write_submission(**ABSENT)
    (folder / "REPORT.pdf").write_bytes(pdf("short"))
    (folder / "conclusion.jpg").write_bytes(b"\xff\xd8\xff")
    found = check(take_in(folder), DEMANDING)
    assert [finding.severity for finding in found] == ["warn", "warn"] and all("a person" in f.what for f in found)
    pack(take_in(folder), tmp_path / "a.zip")
    assert take_in(tmp_path / "a.zip").digest == take_in(folder).digest


def test_what_is_not_taken_for_a_text_says_how_it_would_be(write_submission, rules):
    folder = write_submission(**{"REPORT.txt": "", "old/a.ipynb.md": None})
    (folder / "plot.png").write_bytes(PNG)
    (folder / "old").mkdir()
    (folder / "old" / "a.ipynb").write_text(WORK)
    found = {finding.where: str(finding) for finding in check(take_in(folder), rules)}
    assert "CONCLUSION.png" in found["plot.png"] and "empty" in found["REPORT.txt"]
    assert "beside config.yaml" in found["old/a.ipynb"]


# what is large, damaged or hostile


def test_a_notebook_may_be_as_large_as_its_pictures_and_a_larger_one_is_left_out(write_submission, rules, tmp_path):
    folder = write_submission(**ABSENT, **{"a.ipynb": notebook(code("x", *[picture()] * 4), markdown(KOREAN))})
    assert (folder / "a.ipynb").stat().st_size > 12_000_000
    assert [finding.where for finding in check(take_in(folder), rules)] == ["REPORT.md"]
    (folder / "a.ipynb").write_text(notebook(markdown(f"![]({PIXEL + 'A' * 50_000_000})")))
    for source in (folder, tmp_path / "b.zip"):
        if not source.exists():
            with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in folder.iterdir():
                    archive.write(path, path.name)
        taken = take_in(source)
        found = check(taken, rules)
        assert taken.too_large == ("a.ipynb",) and not rejections(found)
        assert f"{MAX_DOCUMENT_BYTES // 10**6} MB" in next(str(f) for f in found if f.where == "a.ipynb")


def test_many_documents_that_are_too_large_end_the_reading(write_submission):
    folder = write_submission()
    for number in range(7):
        with open(folder / f"{number}.pdf", "wb") as file:
            file.truncate(MAX_DOCUMENT_BYTES + 1)
    assert "as are others" in take_in(folder).unusable


DAMAGED = {
    "no JSON": b"{",
    "nothing": b"",
    "deep lists": b"[" * 100_000,
    "deep cells": b'{"cells": ' * 20_000 + b"1" + b"}" * 20_000,
    "a million lists": b'{"cells": [' + b"[]," * 1_000_000 + b"[]]}",
    "a number without end": b'{"cells": ' + b"9" * 10_000 + b"}",
    "no cells": b'{"nbformat": 4}',
    "NaN": b"NaN",
    "UTF-16 by halves": b"\xff\xfe{",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_notebook_is_one_warning(content, write_submission, rules):
    folder = write_submission()
    (folder / "a.ipynb").write_bytes(content)
    (finding,) = check(take_in(folder), rules)
    assert finding.where == "a.ipynb" and finding.severity == "warn" and "\n" not in str(finding)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from("cells worksheets source input outputs data text".split()), inner, max_size=4)
    ),
    max_leaves=20,
)
cell_like = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["markdown", "code", "heading", "raw"]) | json_like},
    optional=dict.fromkeys(("source", "input", "level", "outputs", "attachments"), json_like),
)
notebook_like = st.fixed_dictionaries({"cells": st.lists(cell_like | json_like, max_size=5)}) | json_like


@given(notebook_like.map(json.dumps).map(str.encode) | st.binary(max_size=200))
@settings(max_examples=150)
def test_no_notebook_breaks_anything(content):
    reports = read_reports({"a.ipynb": content})
    for cells in reports.notebooks.values():
        assert "<script" not in rendered_notebook(cells)
    for part in reports.parts.values():
        assert part.markdown is None or length(part.markdown) >= 0


def test_a_hundred_thousand_cells_and_texts_that_invite_backtracking_take_no_time():
    bad = [
        "![" * 100_000,
        "#" * 100_000,
        "# " + "1" * 100_000,
        "data:" * 50_000,
        "`" * 50_000,
        "[" * 50_000,
        "<" * 50_000,
    ]
    many = [Cell("markdown", "# Report\nx")] * 50_000 + [Cell("code", "1")] * 50_000
    began = time.process_time()
    cells = read_notebook(notebook(*map(markdown, bad)).encode())
    for each in (cells, many):
        parts_in(each)
        assert len(rendered_notebook(each)) < 10**6
    read_reports({"a.ipynb": notebook(*[code("1")] * 100_000).encode()})
    read_reports({"a.ipynb": notebook(markdown("# 결론\n" * 2_000_000)).encode(), "report.md": b"# x\n" * 4_000_000})
    assert time.process_time() - began < 20


def test_a_rendered_notebook_is_inert():
    page = rendered_notebook(
        read_notebook(
            notebook(
                markdown(HOSTILE, f"![alt]({PIXEL})", "```", "never closed"),
                code(f"'{HOSTILE}'", stream(f"\x1b[31m{HOSTILE}\x1b[0m"), picture()),
                {"cell_type": "raw", "source": HOSTILE},
                markdown("# after \ud800", "![](attachment:x.png)"),
            ).encode("utf-8", "surrogatepass")
        )
    )
    assert not re.search(r"<(script|img|iframe|style|svg)|href=.javascript|base64|\x1b|Figure size", page)
    assert "<h3>after ?</h3>" in page and page.count("<samp>") == 1 and page.count("<pre>") == page.count("</pre>")
    page.encode()


def test_what_a_cell_printed_is_its_end_without_progress_bars():
    (cell,) = read_notebook(notebook(code("x", stream("a\n" * 5000 + "1%\r2%\r100%\r\nend"))).encode())
    assert cell.output.endswith("a\n100%\nend") and len(cell.output) <= 2000


# documents, read in a sandbox


@needs_sandbox
def test_the_text_of_pdf_and_docx_is_read():
    assert "Cosine annealing" in read_document(pdf("Cosine annealing", "lowers it"), ".pdf")
    word = docx(paragraph("코사인") + "<w:p><w:pPr><w:t/></w:pPr></w:p>" + paragraph("a &amp; b"))
    assert read_document(word, ".docx").split("\n") == ["코사인", "", "a & b", ""]


ENTITIES = "<!DOCTYPE x [" + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9)) + "]>"
UNREADABLE = {
    "garbage": (b"%PDF-1.7\n" + bytes(range(256)) * 50, ".pdf"),
    "a cut PDF": (pdf("words")[:-300], ".pdf"),
    "an encrypted zip": (b"PK\x03\x04" * 100, ".docx"),
    "an entity bomb": (docx(paragraph("&e8;"), ENTITIES), ".docx"),
    "an external entity": (docx(paragraph("&x;"), '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), ".docx"),
    "a zip bomb": (zipped({"word/document.xml": "<a>" + " " * 200_000_000}), ".docx"),
    "deep elements": (docx("<w:p>" * 1_000_000), ".docx"),
    "no document": (zipped({"x": "y"}), ".docx"),
}


@needs_sandbox
@pytest.mark.parametrize(("content", "kind"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_has_no_text(content, kind):
    assert "root:" not in read_document(content, kind).replace("words", "")


@needs_sandbox
def test_a_document_that_hangs_is_its_own_trouble(monkeypatch, tmp_path, write_submission):
    hangs = tmp_path / "hangs.py"
    hangs.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr("grader.grading.document_reading.SCRIPT", hangs)
    monkeypatch.setattr("grader.grading.document_reading.LIMITS", replace(LIMITS, seconds=0.5))
    folder = write_submission(**ABSENT)
    (folder / "REPORT.pdf").write_bytes(b"%PDF")
    (tmp_path / "submissions").mkdir(exist_ok=True)
    assert read_documents({"REPORT.pdf": b"%PDF"}, take_in(folder).digest, tmp_path) == {"REPORT.pdf": ""}


@needs_sandbox
def test_documents_are_read_once_and_counted(write_submission, tmp_path, monkeypatch):
    folder, results = write_submission(**ABSENT), tmp_path / "results"
    (folder / "REPORT.pdf").write_bytes(pdf("too short to be a report"))
    (folder / "CONCLUSION.docx").write_bytes(docx(paragraph(KOREAN)))
    (results / "submissions").mkdir(parents=True)
    download = Download(folder, datetime.now(UTC))
    with Apart("grader.grading.examination") as apart:
        examination = examined(apart, download, results, 15)
        monkeypatch.setattr("grader.grading.document_reading.read_document", lambda *given: pytest.fail("read again"))
        assert examined(apart, download, results, 15) == examination
    assert KOREAN.strip() in (document_texts(results, examination.digest) or {})["CONCLUSION.docx"]
    found = {finding["where"]: finding for finding in examination.findings}
    assert "has 24 characters" in found["REPORT.pdf"]["what"] and found["REPORT.pdf"]["severity"] == "bonus"
    assert "a person" in found["CONCLUSION.docx"]["what"]


@pytest.mark.parametrize("picture", [False, True], ids=["all text", "with pictures"])
@pytest.mark.parametrize("kind", [".pdf", ".docx"])
def test_a_short_text_that_was_read_is_short_unless_pictures_may_say_the_rest(kind, picture, write_submission):
    text = "Scanned with a telephone"
    folder = write_submission(**{"REPORT.md": None})
    word = docx(paragraph(text), **({"word/media/image1.jpeg": "x"} if picture else {}))
    (folder / f"REPORT{kind}").write_bytes(pdf(text, picture=picture) if kind == ".pdf" else word)
    (finding,) = look(take_in(folder), 15, {f"REPORT{kind}": text})
    assert "has 24 characters" in finding.what
    assert finding.by_rules(DEMANDING).severity == ("warn" if picture else "reject")


@pytest.mark.parametrize("name", ["report.docx", "report.pdf", "report.png", "Theory.JPG", "homework.pdf"])
@pytest.mark.parametrize("content", [b"", b" \n", b"hello", b"not a png, but a text " * 99, b"\xd0\xcf\x11\xe0" * 99])
def test_what_is_no_document_by_its_first_bytes_is_none(name, content, write_submission):
    folder = write_submission(**{"REPORT.md": None})
    (folder / name).write_bytes(content)
    found = {finding.where: finding for finding in check(take_in(folder), DEMANDING)}
    assert found.keys() == {name, "REPORT.md"} and found["REPORT.md"].severity == "reject"
    said = "is no " if content.strip() else "is empty"
    assert found[name].what.startswith(said) and found[name].severity == "warn"
    (folder / "Theory of mine.pdf").write_bytes(pdf("words"))
    assert not rejections(check(take_in(folder), DEMANDING)), "what else there is takes its place"


# verdicts, feedback, pages, review, near-copies


def test_verdicts_follow_the_rules_in_force_without_a_new_check(write_submission):
    findings = [asdict(finding) for finding in look(take_in(write_submission(**ABSENT)), 15)]
    handed_in = judged_by(scored(), findings=findings)
    said = verdict(handed_in, Rules())
    assert said.name == "passed" and len(said.warnings) == 2
    strict = verdict(handed_in, DEMANDING)
    assert strict.name == "rejected" and strict.reason.startswith("REPORT.md: is missing") and not strict.warnings


def test_who_handed_in_no_report_is_graded_told_and_may_get_no_points(write_submission, rules, tmp_path, capsys):
    folder, results = write_submission(**ABSENT), tmp_path / "results"
    graded(folder.parent, results, rules, MadeUp(lambda job: measured(0.9)))
    with open_results(results) as opened:
        (entry,) = standings(opened.ledger, opened.rules)
        told = feedback(entry, opened.rules, 1, "x", "ko")
    assert entry.verdict == "passed" and entry.total == 90 and re.search("REPORT.md: .*없습니다", told)
    assert main(["bonus", str(results), entry.student, "--report", "0"]) == 0
    (page,) = (results / "site" / "submissions").iterdir()
    assert page.read_text().count("Nothing was handed in.") == 2
    strict = tmp_path / "strict.yaml"
    strict.write_text(json.dumps({**json.loads((results / "assignment.json").read_text()), "reports": "demand"}))
    assert main(["leaderboard", str(results), "--rules", str(strict)]) == 0
    assert "rejected" in capsys.readouterr().out


@pytest.fixture
def handed_in(tmp_path, rules):
    """A published course of two, who handed in the same notebook under names of their own, and one with a document."""
    again = WORK.replace("공지", "알림")
    everyone = [
        Student("kim", "Kim", 0.9, texts={"김민지.ipynb": WORK}),
        Student("lee", "Lee", 0.8, texts={"lee.ipynb": again}),
        Student("rex", "Rex", 0.7, texts={"[b]rex homework.pdf": "%PDF, or not", "CONCLUSION.md": CONCLUSION}),
        *(
            Student(f"s{n}", f"S{n}", 0.6, texts={"REPORT.md": REPORT, "CONCLUSION.md": f"{n} " * 200})
            for n in range(5)
        ),
    ]
    write_course(tmp_path, everyone, rules)
    return tmp_path


def test_the_page_shows_the_notebook_and_neither_its_name_nor_a_document(handed_in):
    pages = [path.read_text() for path in (handed_in / "site" / "submissions").iterdir()]
    shown = [page for page in pages if "net = MyNet()" in page]
    assert len(shown) == 2 and all("# &lt;b&gt;" in page and "accuracy 0.89" in page for page in shown)
    assert all('<h2 id="conclusion">Conclusion</h2>\n<h4>분석</h4>' in page for page in shown)
    (other,) = (page for page in pages if "which a person opens" in page)
    assert "or not" not in other and not any(name in "".join(pages) for name in ("김민지", "lee.ipynb", "homework"))
    assert not list((handed_in / "site").rglob("*.pdf")) and not list((handed_in / "site").rglob("*.ipynb"))


def test_pages_without_reports_show_no_notebook(handed_in, rules):
    strict = handed_in / "rules.yaml"
    kept = json.loads((handed_in / "assignment.json").read_text())
    strict.write_text(json.dumps({**kept, "site": {**kept["site"], "reports": False}}))
    assert main(["leaderboard", str(handed_in), "--rules", str(strict)]) == 0
    pages = [path.read_text() for path in (handed_in / "site" / "submissions").iterdir()]
    assert not any("MyNet" in page or "분석" in page or "handed in" in page for page in pages)


def test_a_review_shows_notebooks_and_where_documents_lie(handed_in):
    said = io.StringIO()
    with open_results(handed_in) as opened, suppress(EOFError):
        console = Console(file=said, width=100, force_terminal=False)
        console.input = lambda *given, **more: "s"
        review(opened, "kang", named=True, console=console)
    text = said.getvalue()
    assert "김민지.ipynb" in text and "net = MyNet()" in text and "report: 김민지.ipynb" in text
    place = handed_in / "documents" / "rex-report-1.pdf"
    assert "report: [b]rex homework.pdf" in text, "a name is no markup"
    assert place.name in text and place.read_bytes() == b"%PDF, or not" and "\x1b" not in text


def test_texts_that_cannot_be_shown_are_one_line_of_a_review_and_the_next_is_shown(handed_in, monkeypatch):
    bomb = sorted((handed_in / "submissions").glob("*.zip"))[0]
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("REPORT.md", bytes(2 * 10**8))
    monkeypatch.setattr("grader.review.report_review.Apart", partial(Apart, memory=3 * 10**8))
    said = io.StringIO()
    with open_results(handed_in) as opened:
        console = Console(file=said, width=100, force_terminal=False)
        console.input = lambda *given, **more: "s"
        assert review(opened, "kang", console=console) == 0
    text = " ".join(said.getvalue().split())
    assert text.count("Its texts cannot be shown: reading them took more than 0.3 GB") == 1
    assert text.count("conclusion: CONCLUSION.md") >= 4, "all others are shown"


def test_a_long_report_is_shown_as_far_as_a_person_reads(handed_in):
    said = str(report_texts.markdown("word " * 10_000).renderables[1])
    assert said == "(The rest is left out.)"


def test_near_copies_are_found_in_notebooks_and_pictures_are_none(handed_in):
    with open_results(handed_in) as opened:
        found = similar(handed_in, standings(opened.ledger, opened.rules))
    assert [each.students for each in found if each.what == "texts"] == [("kim", "lee")]


def test_what_is_no_notebook_says_so():
    with pytest.raises(NotANotebook, match="no cells"):
        read_notebook(b"[]")
