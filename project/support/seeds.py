"""Seeds for what a run draws: the same where it resumes, and shared with no other run's seed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Streams of an epoch: the network's draws (dropout), and the order of the images. Those of its batches follow, from 1.
NETWORK, ORDER = -1, 0
IMAGE_BY_IMAGE = 1  # of a batch's seed: what is drawn image by image, apart from what is drawn for the whole batch


def spread(seed: int, epoch: int, stream: int) -> int:
    """A seed in [0, 2^63) for a stream of random numbers, spread over all bits.

    seed + epoch would not do: the seeds 0 and 1 would share all streams but one.
    """
    mixed = (seed * 1_000_003 + epoch) * 1_000_033 + stream
    return (mixed * 0x9E3779B97F4A7C15) % 2**63


@contextmanager
def seed_kept() -> Iterator[None]:
    """Run a person's own code, and then go on with this run's seed, though that code may have set another one.

    With a seed of theirs all runs of a study would be the same one.
    """
    seed = torch.initial_seed()
    try:
        yield
    finally:
        if torch.initial_seed() != seed:
            torch.manual_seed(seed)
