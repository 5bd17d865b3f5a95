"""The pages' texts in English and Korean: a text is looked up by what it is in English."""

import re
from pathlib import Path

import yaml

from grader.publish.pages.assets import STATIC
from grader.publish.pages.texts import DOCUMENT, NOTHING

LANGUAGES = ("en", "ko")
KOREAN: dict[str, str] = yaml.safe_load(Path(__file__).with_name("korean.yaml").read_text(encoding="utf-8"))
OBSTACLES = {  # what was measured, and what helps
    "gap": (
        "The gap: in the last epoch, accuracy is {train} in training and {validation} in validation.",
        "Regularize: unit 2, with augmentation.",
    ),
    "training": (
        "Training itself: it ends at an accuracy of {train} on its own images.",
        "Optimize: unit 1, the rate and its schedule before all; a larger network may help, too.",
    ),
    "start": (
        "The first epochs: the loss goes from {begun} to {soon} in {epochs} epochs, at an accuracy of {accuracy}.",
        "Initialize or normalize: units 3 and 4.",
    ),
    "diverged": (
        "The loss is no number any more from epoch {epoch} on.",
        "Lower the rate, clip the gradients, or normalize.",
    ),
}
BOARDS = {"epochs_to_target": "Epochs to {target}", "seconds": "Seconds", "parameters": "Parameters"}
ASKED = re.compile(r"""\b(?:_|filled)\("([^"]+)"[,)]""")


def translated(text: str, language: str) -> str:
    """The text in a language. Raises KeyError for one that nobody has translated."""
    return text if language == "en" else KOREAN[text]


def unbroken(text: str) -> str:
    """Korean text with no line's end between a percent sign and what is joined to it; browsers put one there."""
    return re.sub(r"%(?=[가-힣])", "%\u2060", text)


def translated_html(html: str, language: str) -> str:
    """What stands on a page in the place of a student's text, in a language; the text itself as it is."""
    if html not in (NOTHING, DOCUMENT, "<p>They cannot be shown.</p>"):
        return html
    return f"<p>{translated(html[3:-4], language)}</p>"


def of_scripts(language: str) -> dict[str, str]:
    """The texts that the pages' scripts ask for, in another language than English."""
    asked = {text for file in sorted(STATIC.glob("*.js")) for text in ASKED.findall(file.read_text(encoding="utf-8"))}
    asked |= {
        "passed",
        "below target",
        "rejected",
        "failed",
        "disqualified",
        "infrastructure",
        "pending",
        "missing",
        "withdrawn",
        "verified",
        "audited",
    }
    asked |= {"optimization", "regularization", "initialization", "normalization", "seconds", "parameters"}
    return {} if language == "en" else {text: KOREAN[text] for text in sorted(asked)}
