"""Whether an epoch took longer than what its network computes lets expect: then it may have done more than train.

What is expected comes from verified submissions on the same images, on which only code of ours spent time.
"""

import statistics
from typing import NamedTuple

SLOW = 10  # times as long as expected: a person should look
FEWEST = 3  # verified submissions, below which nothing is expected


class Epoch(NamedTuple):
    """What an epoch of a verified submission took.

    Attributes:
        images: Key of the images that it was trained on.
        operations: Floating-point operations of one image's way through the network.
        seconds: Of its training, divided by the epochs.
    """

    images: str
    operations: float
    seconds: float


def expected_seconds(operations: float, epochs: list[Epoch]) -> float | None:
    """The median of what these epochs would have taken with as many operations; None of too few.

    A larger network takes longer in proportion to its operations, at most: what an epoch costs besides does not grow. A
    smaller one may take as long, for the same reason. So each epoch is scaled up, never down. Operations of an audited
    submission are a claim; those that are too high hide slowness, and no more.
    """
    if len(epochs) < FEWEST:
        return None
    return statistics.median(epoch.seconds * max(1.0, operations / max(1.0, epoch.operations)) for epoch in epochs)


def slowness(seconds: float, operations: float | None, epochs: list[Epoch]) -> str | None:
    """What a person should look at of an epoch that took so long; None where that is usual, or nothing is expected.

    A network whose operations could not be counted is expected to be no slower than the others.
    """
    expected = expected_seconds(operations or 0.0, epochs)
    if not expected or seconds <= SLOW * expected:
        return None
    return f"an epoch took {seconds / expected:.0f} times as long as verified submissions let expect of such a network"
