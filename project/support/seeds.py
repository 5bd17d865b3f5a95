"""Seeds for what a run draws: the same again where it resumes, and never those of another seed."""

# Streams of an epoch: what a network draws (dropout), and the images' order. Its batches follow, from 1.
NETWORK, ORDER = -1, 0


def spread(seed: int, epoch: int, stream: int) -> int:
    """A seed in [0, 2^63) for a stream of random numbers, spread over all bits.

    seed + epoch would not do: the seeds 0 and 1 would share all streams but one.
    """
    mixed = (seed * 1_000_003 + epoch) * 1_000_033 + stream
    return (mixed * 0x9E3779B97F4A7C15) % 2**63
