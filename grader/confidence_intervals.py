"""How sure an accuracy is."""

import math


def wilson_interval(share: float, samples: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % confidence interval of a share of `samples` (Wilson 1927, J. Amer. Statist. Assoc. 22)."""
    centre = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z / (1 + z**2 / samples) * math.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    return max(0.0, centre - half), min(1.0, centre + half)
