"""The pages of docs/, and the READMEs: each link leads somewhere, each page is in the navigation, and the site builds."""

import os
import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from docs.build_site import DOCS, linked, main, stage

ROOT = DOCS.parent
PAGES = sorted(page for page in DOCS.rglob("*.md") if not page.is_relative_to(DOCS / "examples"))
TEXTS = [*PAGES, *ROOT.glob("*.md")]
KOREAN = [page for page in TEXTS if page.name.endswith(".ko.md")]
LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Those that GitHub and the site give a page's headings: letters, digits and hyphens of what is shown."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    shown = (re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", heading) for heading in HEADING.findall(prose))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in shown}


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page):
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{path}#{anchor}"


def test_every_page_is_in_the_navigation_and_in_the_index_of_its_language():
    listed = re.findall(r'= "([\w./]+\.md)"', (DOCS / "zensical.toml").read_text(encoding="utf-8"))
    names = {page.relative_to(DOCS).as_posix() for page in PAGES}
    assert len(listed) == len(names) and {*listed} == names
    for index, korean in (("index.md", False), ("index.ko.md", True)):
        links = {path for path, _ in LINK.findall((DOCS / index).read_text(encoding="utf-8"))}
        assert {name for name in names if (".ko." in name) == korean} - {index} <= links


def named(text: str) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """The names, the links and the numbers of a page's prose, in whatever order a language has them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    links = (re.sub(r"\.ko\b|#.*", "", target) for target in re.findall(r"\]\(([^)]*)\)", prose))
    return Counter(re.findall(r"`[^`\n]+`", prose)), Counter(links), Counter(re.findall(r"\d+(?:[.,]\d+)*", prose))


@pytest.mark.parametrize("korean", [page for page in KOREAN if page.name != "index.ko.md"], ids=lambda page: page.name)
def test_a_page_in_two_languages_says_the_same(korean):
    twin = korean.with_name(korean.name.replace(".ko", ""))
    texts = [path.read_text(encoding="utf-8") for path in (twin, korean)]
    commands = r"^```bash\n.*?^```"
    for pattern in (r"^#+ ", r"^\|", *([] if korean.parent == ROOT else [commands])):  # test_readme.py has the README's
        found = [re.findall(pattern, text, re.MULTILINE | re.DOTALL) for text in texts]
        assert found[0] == found[1], pattern
    (names, links, numbers), (korean_names, korean_links, korean_numbers) = map(named, texts)
    assert names == korean_names and links == korean_links
    assert numbers <= korean_numbers  # which has those in digits, too, that English has as words


@pytest.mark.parametrize("korean", [*KOREAN, *ROOT.glob("notebooks/*.ko.ipynb")], ids=lambda page: page.name)
def test_a_page_in_korean_leads_to_those_that_are_in_korean(korean):
    """But for the one that it is the twin of; the two lead to each other."""
    text = korean.read_text(encoding="utf-8")
    targets = {os.path.normpath(korean.parent / path) for path, _ in LINK.findall(text) if path}
    of_both = {str(page).replace(".ko.", ".") for page in [*KOREAN, *ROOT.glob("notebooks/*.ko.ipynb")]}
    twin = korean.with_name(korean.name.replace(".ko.", "."))
    assert targets & of_both <= {str(twin)}
    if korean.suffix == ".md" and korean.stem != "claims.ko":  # which the lecture's page leads to
        assert f"]({twin.name})" in text and f"]({korean.name})" in twin.read_text(encoding="utf-8")


def test_links_out_of_the_pages_lead_to_the_repository():
    said = linked(
        "[a](own.md#x) [b](../configs/base.yaml) [c](../project/) [d](https://x.org) [e](house.svg)", DOCS, "URL"
    )
    assert (
        said
        == "[a](own.md#x) [b](URL/blob/main/configs/base.yaml) [c](URL/tree/main/project) [d](https://x.org) [e](house.svg)"
    )
    with pytest.raises(SystemExit, match="nothing-there"):
        linked("[a](nothing-there.md)", DOCS, "URL")


class Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids.add(given.get("id") or "")
        self.links += [given[name] for name in ("href", "src") if given.get(name)]
        self.loaded += [given[name] for name in ("href", "src") if given.get(name) and tag in ("script", "link", "img")]


def test_a_page_of_html_leads_somewhere_from_disk_and_on_the_site(tmp_path):
    stage(tmp_path, "URL")
    for page in DOCS.rglob("*.html"):
        links = [link for link in Page(page.read_text(encoding="utf-8")).links if not urlsplit(link).scheme]
        staged = tmp_path / "docs" / page.relative_to(DOCS)
        assert all((page.parent / link).exists() for link in links)
        on_site = [link for link in Page(staged.read_text(encoding="utf-8")).links if not urlsplit(link).scheme]
        assert on_site == [re.sub(r"\.md$", "/", link) for link in links]


def test_a_folder_that_is_no_earlier_site_is_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("docs.build_site.stage", lambda folder, repository: pytest.fail("builds"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    for out in (tmp_path / "full", tmp_path / "full" / "thesis.txt", ROOT, DOCS, DOCS / "site"):
        with pytest.raises(SystemExit, match="2"):
            main([str(out), "--repository", "URL"])
        assert f"{out}: " in capsys.readouterr().err
    assert (tmp_path / "full" / "thesis.txt").exists()


@pytest.mark.slow
def test_the_site_builds_and_every_link_in_it_leads_somewhere(tmp_path):
    pytest.importorskip("zensical")
    command = [str(tmp_path / "site"), "--repository", "https://example.org/course"]
    assert main(command) == main(command) == 0, "an earlier site is replaced"
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in tmp_path.glob("site/**/index.html")}
    assert len(pages) == len(PAGES) + len([*DOCS.rglob("*.html")])
    for path, page in pages.items():
        assert not [url for url in page.loaded if urlsplit(url).netloc], "nothing is fetched from elsewhere"
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), (path, link)
            if url.fragment and target in pages and not url.fragment.startswith("__"):  # the theme's own
                assert unquote(url.fragment) in pages[target].ids, (path, link)
    for korean in ("student.ko", "lecture/claims.ko"):
        assert '<html lang="ko"' in (tmp_path / "site" / korean / "index.html").read_text(encoding="utf-8")
