"""What a page says stood in a training's way: made-up curves with one obstacle each."""

import pytest

from project.training.obstacles import foremost, obstacles


def curve(train, validation, losses):
    return [
        {"train/accuracy": t, "val/accuracy": v, "train/loss": loss, "val/loss": loss}
        for t, v, loss in zip(train, validation, losses, strict=True)
    ]


GOOD = [0.5, 0.7, 0.8, 0.9, 0.95]
FALLING = [2.0, 1.2, 0.8, 0.5, 0.3]


@pytest.mark.parametrize(
    ("rows", "in_the_way"),
    [
        (curve(GOOD, GOOD, FALLING), set()),
        (curve(GOOD, [0.5, 0.6, 0.6, 0.6, 0.6], FALLING), {"gap"}),
        (curve([0.5, 0.5, 0.5, 0.5, 0.6], [0.5] * 4 + [0.6], FALLING), {"training"}),
        (curve([0.1, 0.1, 0.3, 0.7, 0.9], [0.1, 0.1, 0.3, 0.7, 0.9], [2.3, 2.3, 2.0, 1.0, 0.5]), {"start"}),
        (curve(GOOD, GOOD, [2.0, None, None, None, None]), {"diverged"}),
        (curve([0.95] * 5, [0.93] * 5, [0.2] * 5), set()),  # fast from the beginning
        (curve([0.9], [0.9], [0.3]), set()),
        ([], set()),
    ],
)
def test_each_obstacle_is_found_where_it_is(rows, in_the_way):
    assert {each.kind for each in obstacles(rows, 0.8) if each.in_the_way} == in_the_way


def test_a_validation_that_was_not_made_is_no_gap():
    rows = curve(GOOD, [None] * 5, FALLING)
    assert {each.kind for each in obstacles(rows, 0.8)} == {"training", "start"}


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (curve(GOOD, GOOD, FALLING), None),
        (curve(GOOD, [0.5, 0.6, 0.6, 0.6, 0.6], FALLING), "gap"),
        (curve([0.1] * 5, [0.1] * 5, [2.3] * 5), "start"),
        (curve([0.1, 0.1, 0.3, 0.7, 0.99], [0.1, 0.1, 0.3, 0.7, 0.7], [2.3, 2.3, 2.0, 1.0, 0.1]), "gap"),  # made up for
        (curve([0.4, 0.6, 0.7, 0.8, 0.81], [0.4, 0.6, 0.7, 0.74, 0.74], FALLING), "training"),  # as base.yaml
        (curve([0.4, 0.5, 0.6, 0.7, 0.7], [0.5, 0.6, 0.7, 0.8, 0.85], FALLING), None),  # trained on harder images
    ],
)
def test_one_obstacle_comes_first(rows, kind):
    first = foremost(obstacles(rows, 0.8))
    assert (first and first.kind) == kind
