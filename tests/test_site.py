"""The pages of docs/, and the READMEs: each link leads somewhere, each page is in the navigation, and the site builds."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from docs.build_site import DOCS, linked, main

ROOT = DOCS.parent
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [*PAGES, *ROOT.glob("*.md")]
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
    listed = re.findall(r'= "([\w.]+\.md)"', (DOCS / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(listed) == [page.name for page in PAGES]
    for index, korean in (("index.md", False), ("index.ko.md", True)):
        links = {path for path, _ in LINK.findall((DOCS / index).read_text(encoding="utf-8"))}
        assert {page.name for page in PAGES if (".ko." in page.name) == korean} - {index} <= links


@pytest.mark.parametrize("korean", sorted(DOCS.glob("*.ko.md")), ids=lambda page: page.name)
def test_a_page_in_two_languages_says_the_same(korean):
    texts = [path.read_text(encoding="utf-8") for path in (korean.with_name(korean.name.replace(".ko", "")), korean)]
    if korean.stem != "index.ko":  # which lists what there is in Korean
        for pattern in (r"^```bash\n.*?^```", r"^#+ ", r"^\|"):
            found = [re.findall(pattern, text, re.MULTILINE | re.DOTALL) for text in texts]
            assert found[0] == found[1], pattern


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


@pytest.mark.slow
def test_the_site_builds_and_every_link_in_it_leads_somewhere(tmp_path):
    pytest.importorskip("zensical")
    assert main([str(tmp_path / "site"), "--repository", "https://example.org/course"]) == 0
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in tmp_path.glob("site/**/index.html")}
    assert len(pages) == len(PAGES)
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
    assert '<html lang="ko"' in (tmp_path / "site" / "student.ko" / "index.html").read_text(encoding="utf-8")
