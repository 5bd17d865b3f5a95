"""The picture of the house is what the imports give; how many lines a room has may lag a little."""

import re

import pytest

from tests.house import PAGE, PICTURE, ROOMS_OF_THE_PAGE, draw, list_rooms, read_house

LINES = re.compile(r"([\d,]+) lines")


@pytest.fixture
def houses():
    return read_house("grader"), read_house("project")


def test_the_picture_is_what_the_imports_give(houses):
    committed, drawn = PICTURE.read_text(encoding="utf-8"), draw(*houses)
    said = [int(lines.replace(",", "")) for lines in LINES.findall(committed)]
    counted = [int(lines.replace(",", "")) for lines in LINES.findall(drawn)]
    same = LINES.sub("", committed) == LINES.sub("", drawn)
    assert same and said == pytest.approx(counted, rel=0.25, abs=110), "draw it anew: python -m tests.house"


def test_the_page_lists_the_rooms_in_their_own_words(houses):
    listed = ROOMS_OF_THE_PAGE.search(PAGE.read_text(encoding="utf-8"))[0]
    assert listed == list_rooms(*houses), "write them anew: python -m tests.house"


def test_an_import_more_is_an_arrow_more(houses):
    grader, project = houses
    before = draw(grader, project).count('class="arrow"')
    assert "project.normalization" not in project.rooms["batches"].imports
    project.rooms["batches"].imports.add("project.normalization")
    assert draw(grader, project).count('class="arrow"') == before + 1


def test_what_other_arrows_imply_is_left_out(houses):
    _, project = houses
    assert "project.support" in project.rooms["training"].imports and ("training", "support") not in project.arrows
    assert ("strategies", "classifier") in project.arrows
