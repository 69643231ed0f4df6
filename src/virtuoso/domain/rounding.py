"""Parts of a sum, rounded so that a reader who adds them finds the sum."""

from collections.abc import Sequence
from math import floor


def rounded_parts(parts: Sequence[float], shown_total: float) -> list[float]:
    """Round parts to 2 decimals so that they add up to `shown_total` (largest remainder).

    parts: their sum rounds to `shown_total`. The hundredths that are left go to the largest
    remainders, ties to the first.
    """
    hundredths = [floor(part * 100.0) for part in parts]
    left = round(shown_total * 100.0) - sum(hundredths)
    order = sorted(range(len(parts)), key=lambda i: hundredths[i] - parts[i] * 100.0)
    for i in order[: max(left, 0)]:
        hundredths[i] += 1
    return [each / 100.0 for each in hundredths]
