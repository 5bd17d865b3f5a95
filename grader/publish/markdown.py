"""A student's Markdown as HTML that cannot do anything: formulas become MathML, pictures and raw HTML become text."""

import html
from collections.abc import Sequence
from typing import Any

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

from grader.intake.notebooks import Cell

MOST_CHARACTERS = 50_000  # of a text; what is longer is cut
MOST_OF_NOTEBOOK, COST_OF_CELL = 200_000, 100  # characters
MOST_FORMULA = 2_000  # characters; what is longer stays as it was written
LOWEST_HEADING = 6
TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup"),
    *("munder", "mover", "munderover", "mmultiscripts", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom"),
}
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes={"a": {"href"}, "math": {"display"}, "mi": {"mathvariant"}, "mo": {"stretchy", "fence", "separator"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)


def rendered(text: str) -> str:
    """HTML of a student's Markdown: no script, style, picture or frame, links to the web alone, headings from h3 on."""
    left_out = len(text) - MOST_CHARACTERS
    if left_out > 0:
        text = text[:MOST_CHARACTERS] + f"\n\n({left_out:,} more characters are left out.)"
    return CLEANER.clean(PARSER.render(text.replace("\0", "\ufffd")))


def rendered_notebook(cells: Sequence[Cell]) -> str:
    """HTML of a notebook: Markdown as `rendered` shows it, code and what it printed as text, and nothing else of it."""
    shown, left = [], MOST_OF_NOTEBOOK
    for number, cell in enumerate(cells):
        if left <= 0:
            shown.append(f"<p>({len(cells) - number:,} more cells are left out.)</p>")
            break
        source = cell.source[:left]
        left -= len(source) + len(cell.output) + COST_OF_CELL
        if cell.kind == "markdown":
            shown.append(rendered(source))
        else:
            shown.append(f"<pre><code>{html.escape(source.rstrip())}</code></pre>")
            if cell.output:
                shown.append(f"<pre><samp>{html.escape(cell.output)}</samp></pre>")
    return "\n".join(shown)


def formula(latex: str, settings: dict[str, Any]) -> str:
    """MathML of a formula; the formula as it was written where it cannot be read."""
    if len(latex) <= MOST_FORMULA:
        try:
            return convert(latex, display="block" if settings["display_mode"] else "inline")
        except Exception:  # the converter raises what its parts happen to raise
            pass
    return f"<code>{html.escape(latex)}</code>"


class Renderer(RendererHTML):
    """Headings below those of the page around them, and for a picture what it is said to show."""

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        tokens[idx].tag = f"h{min(LOWEST_HEADING, int(tokens[idx].tag[1]) + 2)}"
        return self.renderToken(tokens, idx, options, env)

    heading_close = heading_open

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<em>[{html.escape(tokens[idx].content or 'a picture')}]</em>"


PARSER = MarkdownIt("commonmark", {"html": False, "maxNesting": 30}, renderer_cls=Renderer)
PARSER.enable(["table", "strikethrough"]).use(dollarmath_plugin, renderer=formula, double_inline=True)
