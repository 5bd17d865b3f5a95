"""Words that name nobody, though somebody may be called so: those of the pages, of the handout, of the lecture, and of many
files' names."""

import functools
import re
from collections import Counter
from collections.abc import Iterable

from grader.intake.names import WIDE
from grader.intake.system_names import OF_FILES
from grader.intake.veil import SHORTEST_NUMBER, letters
from grader.rerun.mounted_code import REPOSITORY
from grader.safe_text import normal

HANDOUT = "docs/assignment*.md"
# Only what stands there in lower case, for the authors of papers are named, too.
LECTURE = ("project/**/*.py", "configs/**/*.yaml", "docs/*.md", "docs/examples/*.md", "README*.md")
SAID = "grader/publish/**/*.yaml"  # what pages and feedback say, in both languages
MANY = 5  # files of one name, numbers apart: so many namesakes no class has
SHORTEST_PART, SHORTEST_WIDE_PART = 4, 2  # characters of a course word in a longer one, in Latin and in Korean
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)  # in which the handout's examples name somebody
OF_REPORTS = "baseline ensemble overfitting underfitting transformer 그래프 과적합 모델 변수 성능 실험 하이퍼파라미터"


class CommonWords:
    """Common words, given the names of all that was handed in, without the kinds of the files."""

    def __init__(self, names: Iterable[str]):
        called = Counter(without_numbers(name) for name in {*names})
        self.shared = {name for name, count in called.items() if count >= MANY}

    def unless_common(self, text: str) -> str:
        """The text; nothing where it is made of common words, or where many files are called so."""
        found = re.findall(r"[^\W\d_]+|\d+", normal(text).lower())
        if any(word.isdecimal() and len(word) >= SHORTEST_NUMBER for word in found):
            return text
        words = {word for word in found if WIDE.match(word) or not (word.isdecimal() or len(word) == 1)}
        return "" if all(map(is_common, words)) or without_numbers(text) in self.shared else text


def without_numbers(name: str) -> str:
    return re.sub(r"\d", "", letters(name))


@functools.cache
def is_common(word: str) -> bool:
    """Whether it is a course word, or put together from some: `learningrate`."""
    shortest, words = SHORTEST_WIDE_PART if WIDE.match(word) else SHORTEST_PART, course_words()
    return word in words or any(
        word[:at] in words and is_common(word[at:]) for at in range(shortest, len(word) - shortest + 1)
    )


@functools.cache
def course_words() -> set[str]:
    """What the pages, the feedback, the handout and the lecture say, in one case."""
    texts = [OF_FILES, OF_REPORTS, *(path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob(SAID)))]
    texts += [CODE.sub(" ", path.read_text(encoding="utf-8")) for path in sorted(REPOSITORY.glob(HANDOUT))]
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", normal(text).lower())}
    lecture = (path for pattern in LECTURE for path in sorted(REPOSITORY.glob(pattern)))
    texts = [CODE.sub(" ", path.read_text(encoding="utf-8")) for path in lecture]
    words |= {word for text in texts for word in re.findall(r"[^\W\d_]+", normal(text)) if word == word.lower()}
    return {word for word in words if len(word) > 1 or not WIDE.match(word)}  # such as a family name alone
