"""Whether a network knew something before its training: its fresh weights compared with redraws of the same weights.

A fresh network is right more or less often than chance, by luck: what its few features and the images have in common
decides. So chance alone says little, and other draws of the same network say what luck can do.
"""

import statistics

REDRAWS, IMAGES = 16, 1000
MARGIN = 0.05  # above the best redraw
BEYOND_LUCK = 2.5  # times chance
BEYOND_MEAN = 2.0  # times chance, for the mean of the redraws


def prior_knowledge(fresh: float, redraws: list[float], classes: int) -> str | None:
    """What a person should look at; None where the network may be honest.

    Args:
        fresh: Accuracy of the network before any training, in [0, 1].
        redraws: The same with its weights shuffled, each time anew: what it still knows then is not in its weights.
        classes: Number of classes.
    """
    best, mean = max(redraws), statistics.fmean(redraws)
    if mean > times_chance(BEYOND_MEAN, classes):
        return f"reaches {mean:.0%} before any training, whatever its weights are"
    if fresh > best + MARGIN and fresh > times_chance(BEYOND_LUCK, classes):
        return f"reaches {fresh:.0%} before any training, and {best:.0%} at most with its weights shuffled"
    return None


def times_chance(times: float, classes: int) -> float:
    """So many times the accuracy of chance; of few classes, not more than halfway from there to being always right."""
    return min(times / classes, (1 + 1 / classes) / 2)
