"""How alike the sub-scores are: rank correlations over the candles of one market."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.scores import ComponentName
from virtuoso.market.candles import Bars

LIMIT: Final = 0.93
"""No two members of different components may be more alike than this."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correlations:
    """Rank correlations of the members' x, over the candles at which all have a score."""

    members: tuple[str, ...]
    components: tuple[ComponentName, ...]
    """Of each member."""
    matrix: Matrix
    """Shape (members, members)."""
    candles: int

    def strangest(self, count: int) -> list[tuple[str, str, float]]:
        """The pairs of different components that are most alike, strongest first."""
        pairs = [
            (self.members[i], self.members[j], float(self.matrix[i, j]))
            for i in range(len(self.members))
            for j in range(i)
            if self.components[i] is not self.components[j]
        ]
        return sorted(pairs, key=lambda pair: -abs(pair[2]))[:count]


def correlations(bars: Bars) -> Correlations:
    """Compute every candle member over the candles, and how their values rank together."""
    members: list[str] = []
    components: list[ComponentName] = []
    rows: list[Matrix] = []
    scored: list[Matrix] = []
    each: CandleComponent
    for each in (Technical(), Volume(), PriceStructure()):
        x, scores = each.history(bars)
        members += [line.name for line in each.table]
        components += [each.name] * len(each.table)
        rows.append(x)
        scored.append(scores)
    values = np.concatenate(rows)
    whole = np.isfinite(np.concatenate(scored)).all(axis=0)
    kept = values[:, whole]
    return Correlations(
        tuple(members), tuple(components), rank_correlations(kept), int(whole.sum())
    )


def rank_correlations(rows: Matrix) -> Matrix:
    """Spearman's, ties at their mean rank; rows of shape (k, n) give (k, k)."""
    if rows.shape[1] < 2:
        return np.full((len(rows), len(rows)), np.nan)
    found: Matrix = np.corrcoef(np.array([mean_ranks(row) for row in rows]))
    return found


def mean_ranks(values: Matrix) -> Matrix:
    """Rank of each value, equal ones sharing the mean of their places."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Matrix = ((ends - counts + 1 + ends) / 2.0)[place]
    return ranks


def as_markdown(found: Correlations, columns: Sequence[str] | None = None) -> str:
    """A lower triangle as a table, two digits, members numbered in its head."""
    names = columns or found.members
    head = "| | " + " | ".join(str(i + 1) for i in range(len(names) - 1)) + " |"
    lines = [head, "|---" * len(names) + "|"]
    for i, name in enumerate(names):
        cells = [f"{found.matrix[i, j]:+.2f}" for j in range(i)]
        cells += [""] * (len(names) - 1 - len(cells))
        lines.append(f"| {i + 1} `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)
