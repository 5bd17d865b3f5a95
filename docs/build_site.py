"""Builds the documentation as a site: `python docs/build_site.py OUT --repository URL`. Needs `pip install -e ".[docs]"`.

The pages can be read where they lie, too. What a page links to outside of docs/ is not on the site, so that such links lead
to the repository; a link to nothing ends the build.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
SHOWN = (".md", ".png", ".svg", ".gif", ".html")  # what the site has of docs/
MARKDOWN = re.compile(r'(href="[\w./-]+)\.md"')  # in a page of HTML
ELSEWHERE = re.compile(r"[a-z]+:")  # https:, mailto:


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("out", type=Path, help="folder to make; an earlier site in it is replaced")
    parser.add_argument(
        "--repository", default=address(), metavar="URL", help="of this repository (GitHub's, in a workflow)"
    )
    options = parser.parse_args(arguments)
    if not options.repository:
        parser.error("--repository: name the address that links to code lead to")
    if why := kept(options.out.resolve()):
        parser.error(f"{options.out}: {why}; name another folder")
    with tempfile.TemporaryDirectory() as scratch:
        stage(Path(scratch), options.repository)
        command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
        built = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
        if built.returncode:
            print(f"error: {built.stdout}{built.stderr}", file=sys.stderr)
            return 2
        site = Path(scratch, "site")
        for page in site.glob("**/*.ko/index.html"):  # one site has one language, which readers' software goes by
            text = page.read_text(encoding="utf-8")
            page.write_text(text.replace('<html lang="en"', '<html lang="ko"', 1), encoding="utf-8")
        shutil.rmtree(options.out, ignore_errors=True)
        shutil.copytree(site, options.out)
    print(f"{options.out / 'index.html'} is the first page.")
    return 0


def kept(out: Path) -> str:
    """Why a folder is not to be replaced; empty where it is none, empty, or an earlier site."""
    if out.is_relative_to(DOCS) or DOCS.is_relative_to(out):
        return "has the pages that the site is made of, or lies among them"
    if out.exists() and not (out / "sitemap.xml").is_file() and (out.is_file() or any(out.iterdir())):
        return "has something else than an earlier site"
    return ""


def address() -> str:
    """Where GitHub has this repository, in one of its workflows; else empty."""
    server, name = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
    return f"{server}/{name}" if server and name else ""


def stage(folder: Path, repository: str) -> None:
    """Write what Zensical builds from: its settings, and the pages with their links out of docs/ made whole."""
    shutil.copy(DOCS / "zensical.toml", folder)
    for file in sorted(DOCS.rglob("*")):
        target = folder / "docs" / file.relative_to(DOCS)
        if file.suffix not in SHOWN or file.is_relative_to(DOCS / "examples"):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            target.write_text(linked(file.read_text(encoding="utf-8"), file.parent, repository), encoding="utf-8")
        elif file.suffix == ".html":  # on the site, a page of Markdown is a folder
            target.write_text(MARKDOWN.sub(r'\1/"', file.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copy(file, target)


def linked(text: str, folder: Path, repository: str) -> str:
    """A page's text; its links to what is not on the site lead to the repository. Raises SystemExit for one to nothing."""

    def whole(found: re.Match[str]) -> str:
        before, path, anchor, after = found.groups(default="")
        if ELSEWHERE.match(path):
            return found[0]
        target = Path(os.path.normpath(folder / path))
        if not target.exists() or not target.is_relative_to(DOCS.parent):
            sys.exit(f"error: {folder}: a page links to {path}, which is not there")
        on_site = target.is_relative_to(DOCS) and not target.is_relative_to(DOCS / "examples")
        if on_site and target.suffix in SHOWN:
            return found[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{before}{repository}/{kind}/main/{target.relative_to(DOCS.parent).as_posix()}{anchor}{after}"

    return LINK.sub(whole, text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
