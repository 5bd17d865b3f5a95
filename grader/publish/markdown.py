"""A student's Markdown as HTML that cannot do anything: formulas become MathML, pictures and raw HTML become text."""

import html
import re

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

MOST_CHARACTERS = 50_000  # rendered; what is longer is cut
MOST_FORMULA = 2_000
LOWEST_HEADING = 6
TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup"),
    *("munder", "mover", "munderover", "mmultiscripts", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom"),
}
ATTRIBUTES = {"a": {"href"}, "math": {"display"}, "mi": {"mathvariant"}, "mo": {"stretchy", "fence", "separator"}}
CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
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


def formula(latex: str, settings: dict) -> str:
    """MathML of a formula; as it was written where it cannot be read."""
    if len(latex) <= MOST_FORMULA:
        try:
            return convert(latex, display="block" if settings["display_mode"] else "inline")
        except Exception:  # the converter raises what its parts happen to raise
            pass
    return f"<code>{html.escape(latex)}</code>"


def lowered(self, tokens, index, options, env) -> str:
    """A heading below those of the page around it."""
    token = tokens[index]
    token.tag = re.sub(r"\d", lambda level: str(min(LOWEST_HEADING, int(level[0]) + 2)), token.tag)
    return self.renderToken(tokens, index, options, env)


def described(self, tokens, index, options, env) -> str:
    """Instead of a picture, what it is said to show."""
    return f"<em>[{html.escape(tokens[index].content or 'a picture')}]</em>"


PARSER = MarkdownIt("commonmark", {"html": False, "maxNesting": 30}).enable(["table", "strikethrough"])
PARSER.use(dollarmath_plugin, renderer=formula, double_inline=True)
PARSER.add_render_rule("heading_open", lowered)
PARSER.add_render_rule("heading_close", lowered)
PARSER.add_render_rule("image", described)
