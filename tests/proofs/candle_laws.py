"""The laws of the members on candles, of their components and of the score that they make."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from support.candles import mirrored
from virtuoso.components.base.candle_component import CandleComponent, CandleSettings
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.market.candles import Bars, Closing
from virtuoso.market.market import Market
from virtuoso.research.correlations import rank_correlations
from virtuoso.scoring.confluence import composite
from virtuoso.scoring.correlation import default_matrix
from virtuoso.scoring.definition import RHO0, Definition

VIEWS: Final[tuple[type[CandleComponent], ...]] = (Technical, Volume, PriceStructure)
MEMBERS: Final = tuple(line.name for view in VIEWS for line in view.table)
OWNERS: Final = tuple(view.name for view in VIEWS for _ in view.table)

SETTLED: Final = 1_000
"""From this candle of a series on every member must have a score."""
MIRROR_TOLERANCE: Final = 1e-9
SCALE_TOLERANCE: Final = 1e-6

_MARKET: Final = Instrument(BYBIT, Symbol("BTCUSDT"))
_RHO: Final = default_matrix(RHO0)
_OTHERS: Final = {
    name: Absent(name, Reason.NO_FEED, 0.0)
    for name in ComponentName
    if name not in {view.name for view in VIEWS}
}

Rows = Mapping[Timeframe, Bars]


def candle_definition() -> Definition:
    """The score of the three views on candles alone, each a third."""
    shares = {name: float(name not in _OTHERS) for name in ComponentName}
    return Definition.of_profile("custom", shares)


@dataclass
class Trace:
    """What came out, candle by candle."""

    places: dict[Timeframe, list[int]] = field(default_factory=dict)
    """The candles of each timeframe at which the members were noted."""
    x: dict[Timeframe, list[list[float]]] = field(default_factory=dict)
    scores: dict[Timeframe, list[list[float]]] = field(default_factory=dict)
    """Of every member, at these candles; NaN where there is none."""
    views: list[list[float]] = field(default_factory=list)
    """Score of every view at each instant."""
    zs: list[list[float]] = field(default_factory=list)
    composite: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """X and score of every member (rows) for every candle of a series, in one call a view."""

    x: Floats
    scores: Floats


def batch(bars: Bars) -> Batch:
    """Compute a whole series at once."""
    found = [view().history(bars) for view in VIEWS]
    return Batch(np.concatenate([x for x, _ in found]), np.concatenate([s for _, s in found]))


def candle_by_candle(
    rows: Rows, settings: CandleSettings, *, noted: int = 0, noted_every: int = 0
) -> Trace:
    """Feed the views one closed candle after the other, as the stream brings them.

    The members are noted at each of the first `noted` instants, then at every `noted_every`-th.
    """
    views = [view(settings) for view in VIEWS]
    places = {timeframe: place for place, timeframe in enumerate(settings.timeframes)}
    definition, market = candle_definition(), Market(_MARKET)
    trace = Trace()
    for kept in (trace.places, trace.x, trace.scores):
        kept.update({each: [] for each in rows})
    left = dict.fromkeys(rows, 0)
    for number, now in enumerate(next(iter(rows.values())).close_time.tolist()):
        closed = [each for each in rows if _closes_at(rows[each], left[each], now)]
        closing = Closing(
            tuple(closed),
            (Millis(now),) * len(closed),
            array("d", np.stack([rows[each].table[:, left[each]] for each in closed]).ravel()),
        )
        for each in closed:
            left[each] += 1
        parts: dict[ComponentName, ComponentScore | Absent] = dict(_OTHERS)
        for view in views:
            view.close_all(closing)
            parts[view.name] = view.score(Millis(now), market)
        if number < noted or (noted_every and number % noted_every == 0):
            for each in closed:
                trace.places[each].append(left[each] - 1)
                _note_members(trace, parts, each, places[each])
        found = composite(
            instrument=_MARKET, at=Millis(now), components=parts, rho=_RHO, definition=definition
        )
        scored = [parts[view.name] for view in VIEWS]
        trace.views.append(
            [each.score if isinstance(each, ComponentScore) else np.nan for each in scored]
        )
        trace.zs.append([each.z if isinstance(each, ComponentScore) else np.nan for each in scored])
        trace.composite.append(np.nan if found.score is None else found.score)
    return trace


def _closes_at(bars: Bars, place: int, now: int) -> bool:
    return place < len(bars) and int(bars.close_time[place]) == now


def _note_members(
    trace: Trace,
    parts: Mapping[ComponentName, ComponentScore | Absent],
    timeframe: Timeframe,
    place: int,
) -> None:
    x, scores = [], []
    for view in VIEWS:
        width = len(view.table)
        found = tuple(parts[view.name].members)[place * width : (place + 1) * width]
        x += [np.nan if each.x is None else each.x for each in found]
        scores += [np.nan if each.score is None else each.score for each in found]
    trace.x[timeframe].append(x)
    trace.scores[timeframe].append(scores)


@dataclass
class Finding:
    """What one law found on one series or market."""

    compared: int
    wrong: int
    worst: float = 0.0
    remark: str = ""


def looks_ahead(bars: Bars, cuts: Sequence[int]) -> Finding:
    """Truncation: the history to a cut gives at its last candle what the whole gives there."""
    whole = batch(bars)
    wrong = 0
    for cut in cuts:
        part = batch(bars.between(0, cut))
        wrong += _unequal(part.x[:, -1], whole.x[:, cut - 1])
        wrong += _unequal(part.scores[:, -1], whole.scores[:, cut - 1])
    return Finding(2 * len(MEMBERS) * len(cuts), wrong)


def differs_from_batch(wholes: Mapping[Timeframe, Batch], trace: Trace) -> Finding:
    """Incremental: x and score of every candle alone have the bits of all at once."""
    compared = wrong = 0
    for timeframe, whole in wholes.items():
        for own, other in ((trace.x, whole.x), (trace.scores, whole.scores)):
            expected = other[:, trace.places[timeframe]]
            compared += expected.size
            wrong += _unequal(np.array(own[timeframe]).T.reshape(expected.shape), expected)
    return Finding(compared, wrong)


def is_lopsided(bars: Bars, whole: Batch) -> Finding:
    """Mirror: negated logs turn every member's s into 100 - s."""
    down = batch(mirrored(bars))
    return _compare(whole.scores, 100.0 - down.scores, MIRROR_TOLERANCE)


def score_is_lopsided(rows: Rows, settings: CandleSettings) -> Finding:
    """Mirror of the views and of the score that they make."""
    up = candle_by_candle(rows, settings)
    turned = {timeframe: mirrored(bars) for timeframe, bars in rows.items()}
    down = candle_by_candle(turned, settings)
    one = np.column_stack([np.array(up.views), up.composite])
    other = np.column_stack([np.array(down.views), down.composite])
    return _compare(one, 100.0 - other, MIRROR_TOLERANCE)


def has_units(bars: Bars, whole: Batch) -> Finding:
    """Scale: price x 1000 and quantity x 7 change no score."""
    table = bars.table.copy()
    table[:4] += np.log(1_000.0)
    table[4] *= 7.0
    other = batch(Bars(table, bars.close_time))
    return _compare(whole.scores, other.scores, SCALE_TOLERANCE)


def is_missing_or_constant(whole: Batch) -> Finding:
    """Every member has a finite score from candle SETTLED on, and takes many values."""
    found = whole.scores[:, SETTLED:]
    absent = np.isnan(found).sum(axis=1)
    values = np.array([len(np.unique(row[np.isfinite(row)])) for row in found])
    few = np.flatnonzero(values < min(20, found.shape[1] // 10))
    holes = np.flatnonzero(absent)
    named = [f"{MEMBERS[i]} constant" for i in few]
    named += [f"{MEMBERS[i]} absent {absent[i]} times" for i in holes]
    outside = int((found[np.isfinite(found)] < 0.0).sum() + (found[np.isfinite(found)] > 100).sum())
    return Finding(found.size, int(absent.sum()) + len(few) + outside, remark=", ".join(named))


def repeats_itself(whole: Batch) -> Finding:
    """Rank correlation across components; `worst` is the largest, `remark` the pair.

    Says nothing of fewer than SETTLED candles at which all have a score.
    """
    known = np.isfinite(whole.scores).all(axis=0)
    if known.sum() < SETTLED:
        return Finding(0, 0)
    matrix = np.abs(rank_correlations(whole.x[:, known]))
    owners = np.array(OWNERS)
    matrix[owners[:, np.newaxis] == owners] = 0.0
    i, j = divmod(int(np.argmax(matrix)), len(MEMBERS))
    pairs = int((owners[:, np.newaxis] != owners).sum()) // 2
    return Finding(pairs, 0, float(matrix[i, j]), f"{MEMBERS[i]} and {MEMBERS[j]}")


@dataclass(frozen=True)
class Spread:
    """How the scores of one market lie."""

    above_80: float
    below_20: float
    deviation: float
    """Of z."""
    count: int


def spreads(trace: Trace) -> dict[str, Spread]:
    """Shares of the views' and of the composite's scores, over the instants that have one."""
    views, zs = np.array(trace.views), np.array(trace.zs)
    found = {str(view.name): _spread(views[:, i], zs[:, i]) for i, view in enumerate(VIEWS)}
    scores = np.array(trace.composite)
    found["composite"] = _spread(scores, np.full(1, np.nan))
    return found


def member_spreads(whole: Batch) -> dict[str, Spread]:
    """The same of every member of a series."""
    return {
        name: _spread(row, np.full(1, np.nan))
        for name, row in zip(MEMBERS, whole.scores, strict=True)
    }


def _spread(scores: Floats, zs: Floats) -> Spread:
    known = scores[np.isfinite(scores)]
    z = zs[np.isfinite(zs)]
    return Spread(
        float((known > 80.0).mean()) if len(known) else np.nan,
        float((known < 20.0).mean()) if len(known) else np.nan,
        float(z.std()) if len(z) else np.nan,
        len(known),
    )


def _unequal(one: Floats, other: Floats) -> int:
    """How many numbers differ in a bit; NaN equals NaN."""
    return int((~((one == other) | (np.isnan(one) & np.isnan(other)))).sum())


def _compare(one: Floats, other: Floats, tolerance: float) -> Finding:
    known = np.isfinite(one) & np.isfinite(other)
    one_sided = int((np.isnan(one) != np.isnan(other)).sum())
    away = np.abs(one[known] - other[known])
    return Finding(
        int(known.sum()),
        int((away > tolerance).sum()) + one_sided,
        float(away.max()) if len(away) else 0.0,
    )
