"""How many of what: one is no several."""

import pytest

from project.support.wording import counted


@pytest.mark.parametrize(
    ("count", "words", "expected"),
    [
        (0, ("class", "classes"), "0 classes"),
        (1, ("class", "classes"), "1 class"),
        (1, ("worker process", "worker processes"), "1 worker process"),
        (1, ("training",), "1 training"),
        (12_345, ("image",), "12,345 images"),
    ],
)
def test_one_is_singular(count, words, expected):
    assert counted(count, *words) == expected
