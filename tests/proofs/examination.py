"""One recorded market before all the laws on candles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from proofs.candle_laws import (
    Finding,
    Spread,
    batch,
    candle_by_candle,
    differs_from_batch,
    has_units,
    is_lopsided,
    is_missing_or_constant,
    looks_ahead,
    member_spreads,
    repeats_itself,
    score_is_lopsided,
    spreads,
)
from proofs.candle_sets import SETS, RecordedMarket
from virtuoso.research.correlations import LIMIT

TRUNCATION, INCREMENTAL = "truncation", "incremental = batch"
MIRROR, MIRROR_SCORE, SCALE = "mirror of members", "mirror of views and score", "scale"
PRESENT, ALIKE = "none missing, none constant", "no two components alike"
LAWS: Final = (TRUNCATION, INCREMENTAL, MIRROR, MIRROR_SCORE, SCALE, PRESENT, ALIKE)


@dataclass(frozen=True, slots=True)
class Band:
    """Where the shares above 80 and below 20 of one market may lie; uniform scores have .20."""

    low: float
    high: float

    def misses(self, spread: Spread) -> bool:
        """Whether a share lies outside, or is not known."""
        shares = spread.above_80, spread.below_20
        return not all(self.low <= share <= self.high for share in shares)


BANDS: Final = dict.fromkeys(
    ("technical", "volume", "price_structure", "composite"), Band(0.10, 0.35)
)


@dataclass(frozen=True, slots=True)
class Depth:
    """How far an examination goes."""

    cuts: int
    """Of each series, where it is truncated."""
    truncated: int
    """Candles of each series, from its first, among which the cuts lie."""
    candles: int | None
    """Recorded candles read of each market; None: all."""
    noted: int
    """Instants from the start at which every member is compared with the batch."""
    noted_every: int
    """After these, every how many-th; prime to the number of candles in a longer one."""
    turned: int
    """Candles of each market that are scored upside down as well."""


FULL: Final = Depth(
    cuts=20, truncated=5_000, candles=None, noted=2_000, noted_every=7, turned=4_000
)


@dataclass
class Examination:
    """What was found on one market."""

    name: str
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    """By law, one for each series."""
    spreads: Mapping[str, Spread] = field(default_factory=dict)
    """Of the views and of the score they make."""
    member_spreads: Mapping[str, Spread] = field(default_factory=dict)
    """Of the members of its shortest timeframe."""


def markets(recordings: Path) -> Iterator[RecordedMarket]:
    """Every recorded market."""
    for each in SETS:
        yield from each.markets(recordings)


def examine(market: RecordedMarket, depth: Depth = FULL) -> Examination:
    """Put one market before every law; the same market gives the same answer."""
    found = Examination(market.name)
    rows, settings = market.first(depth.candles), market.candle_set.settings
    wholes = {timeframe: batch(bars) for timeframe, bars in rows.items()}
    trace = candle_by_candle(rows, settings, noted=depth.noted, noted_every=depth.noted_every)
    found.spreads = spreads(trace)
    found.member_spreads = member_spreads(next(iter(wholes.values())))
    found.findings = {
        INCREMENTAL: [differs_from_batch(wholes, trace)],
        MIRROR_SCORE: [score_is_lopsided(market.first(depth.turned), settings)],
    }
    for number, (timeframe, bars) in enumerate(rows.items()):
        whole = wholes[timeframe]
        draw = np.random.default_rng(number)
        begin = bars.between(0, min(len(bars), depth.truncated))
        cuts = draw.integers(1, len(begin), depth.cuts, endpoint=True).tolist()
        for law, finding in (
            (TRUNCATION, looks_ahead(begin, cuts)),
            (MIRROR, is_lopsided(bars, whole)),
            (SCALE, has_units(bars, whole)),
            (PRESENT, is_missing_or_constant(whole)),
            (ALIKE, repeats_itself(whole)),
        ):
            found.findings.setdefault(law, []).append(finding)
    for finding in found.findings[ALIKE]:
        finding.wrong = int(finding.worst > LIMIT)
    return found
