"""How many of what: one is no several."""

from datetime import timedelta

import pytest

from project.support.wording import counted, duration


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


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "1 second"),
        (30, "30 seconds"),
        (60, "1 minute"),
        (3605, "1 hour and 5 seconds"),
        (2 * 86400 + 3 * 3600 + 59, "2 days and 3 hours"),
    ],
)
def test_a_time_is_told_by_its_two_largest_units(seconds, expected):
    assert duration(timedelta(seconds=seconds)) == expected
