"""Words that name nobody, though a file may be called so: those of the pages, of the handout, and of many files' names."""

import functools
import re
from collections import Counter
from collections.abc import Iterable

from grader.intake.veil import SHORTEST_NUMBER, WIDE, letters
from grader.rerun.mounted_code import REPOSITORY
from grader.safe_text import normal

HANDOUT = "docs/assignment*.md"
SAID = "grader/publish/**/*.yaml"  # what pages and feedback say, in both languages
MANY = 5  # files of one name, numbers apart: so many namesakes no class has
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)  # in which the handout's examples name somebody
OF_FILES = (  # what hand-ins are called
    "archive assignment attempt code copy deep dl exercise file files final first folder home homework hw lab last learning mine my "
    "new ok old part project real result results second solution student submit submission submissions task test upload v version "
    "week work works zip 과제 과제물 숙제 제출 제출용 제출물 제출본 최종 최종본 최종제출 완성 완성본 실습 딥러닝 파일 압축 폴더 복사본 "
    "리포트 레포트 주차 학생"
)


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
        return "" if words <= course_words() or without_numbers(text) in self.shared else text


def without_numbers(name: str) -> str:
    return re.sub(r"\d", "", letters(name))


@functools.cache
def course_words() -> set[str]:
    """What the pages, the feedback and the handout say, in one case."""
    texts = [OF_FILES, *(path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob(SAID)))]
    texts += [CODE.sub(" ", path.read_text(encoding="utf-8")) for path in sorted(REPOSITORY.glob(HANDOUT))]
    words = {word for text in texts for word in re.findall(r"[^\W\d_]+", normal(text).lower())}
    return {word for word in words if len(word) > 1 or not WIDE.match(word)}  # such as a family name alone
