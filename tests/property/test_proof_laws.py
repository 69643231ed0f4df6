"""A law that cannot be broken proves nothing: each finds the fault that it is there for."""

import numpy as np
import pytest

from proofs import candle_laws
from proofs.candle_laws import (
    MEMBERS,
    SETTLED,
    Batch,
    Finding,
    Spread,
    batch,
    candle_by_candle,
    differs_from_batch,
    has_units,
    is_lopsided,
    is_missing_or_constant,
    looks_ahead,
    repeats_itself,
    score_is_lopsided,
)
from proofs.examination import BANDS
from proofs.replay_laws import Play
from proofs.replay_laws import is_lopsided as stream_is_lopsided
from proofs.replay_laws import is_missing_or_constant as stream_is_missing_or_constant
from support.candles import random_candles
from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.components.technical import Technical
from virtuoso.domain.scores import Absent, ComponentScore, Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.market.candles import Bars, bars_of
from virtuoso.market.market import Market

FIRST = MEMBERS.index("tsmom48")
KEY = ("BTCUSDT", "queue@now")


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Drawn candles, enough that every member has a score."""
    return bars_of(random_candles(11, 1_400))


@pytest.fixture(scope="module")
def whole(bars: Bars) -> Batch:
    """What the members make of them."""
    return batch(bars)


def spoiled(whole: Batch, member: int, score: float, place: int | slice) -> Batch:
    """The same with some scores of one member replaced."""
    scores = whole.scores.copy()
    scores[member, place] = score
    return Batch(whole.x.copy(), scores)


def test_truncation_finds_a_member_that_knows_the_next_candle(
    bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing wrong as it is; a member moved one candle back is found at every cut."""
    assert looks_ahead(bars, [1, 260, 900, 1_400]).wrong == 0

    def early(some: Bars) -> Batch:
        found = batch(some)
        found.x[FIRST, :-1] = found.x[FIRST, 1:].copy()
        return found

    monkeypatch.setattr(candle_laws, "batch", early)
    assert looks_ahead(bars, [300, 900]).wrong == 2


def test_incremental_finds_one_bit(bars: Bars, whole: Batch) -> None:
    """The smallest change of one number of one candle."""
    settings = CandleSettings(timeframes={Timeframe.H4: 1.0})
    begin = bars.between(0, 400)
    trace = candle_by_candle({Timeframe.H4: begin}, settings, noted=400)
    first = Batch(whole.x[:, :400], whole.scores[:, :400])
    assert differs_from_batch({Timeframe.H4: first}, trace) == Finding(2 * 17 * 400, 0)
    other = Batch(first.x.copy(), first.scores)
    other.x[3, 333] = np.nextafter(other.x[3, 333], 1.0)
    assert differs_from_batch({Timeframe.H4: other}, trace).wrong == 1


def test_the_mirror_finds_a_lean(bars: Bars, whole: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """One member a billionth too high; one view that leans."""
    assert is_lopsided(bars, whole).wrong == 0
    leaning = Batch(whole.x, whole.scores + 2e-9)
    assert is_lopsided(bars, leaning).wrong > 10_000
    settings = CandleSettings(timeframes={Timeframe.H4: 1.0})
    begin = {Timeframe.H4: bars.between(0, 400)}
    assert score_is_lopsided(begin, settings).wrong == 0
    plain = Technical.score

    def lean(self: Technical, at: Millis, market: Market) -> ComponentScore | Absent:
        found = plain(self, at, market)
        return found._replace(z=found.z + 1e-6) if isinstance(found, ComponentScore) else found

    monkeypatch.setattr(Technical, "score", lean)
    assert score_is_lopsided(begin, settings).wrong > 100


def test_the_scale_finds_a_unit(bars: Bars, whole: Batch) -> None:
    """Scores of other candles are not those of the same candles in other units."""
    assert has_units(bars, whole).wrong == 0
    assert has_units(bars, spoiled(whole, 4, 51.0, slice(300, 302))).wrong == 2


@pytest.mark.parametrize(
    ("score", "place", "wrong"),
    [(np.nan, SETTLED + 7, 1), (50.0, slice(None), 1), (101.0, SETTLED, 1)],
    ids=["missing", "constant", "out of bounds"],
)
def test_a_missing_a_constant_and_a_wild_score_are_found(
    whole: Batch, score: float, place: int | slice, wrong: int
) -> None:
    """Each named with its member."""
    assert is_missing_or_constant(whole).wrong == 0
    assert is_missing_or_constant(spoiled(whole, 5, score, place)).wrong == wrong


def test_a_member_that_says_the_same_as_another_view_is_found(whole: Batch) -> None:
    """A copy under another name has a rank correlation of 1."""
    copy = Batch(whole.x.copy(), whole.scores)
    copy.x[MEMBERS.index("cmf20")] = whole.x[FIRST]
    found = repeats_itself(copy)
    assert found.worst == pytest.approx(1.0)
    assert {"cmf20", "tsmom48"} == set(found.remark.split(" and "))


def test_a_score_that_hardly_moves_is_outside_its_band() -> None:
    """The plain mean of members has no tenth above 80; unknown shares are no shares."""
    for band in BANDS.values():
        assert not band.misses(Spread(0.2, 0.2, 1.0, 5_000))
        assert band.misses(Spread(0.03, 0.2, 0.4, 5_000))
        assert band.misses(Spread(0.2, 0.5, 1.0, 5_000))
        assert band.misses(Spread(np.nan, 0.2, 1.0, 0))


def played(scores: Floats, reasons: list[Reason | None] | None = None) -> Play:
    """One member's seconds."""
    given: list[Reason | None] = reasons or [None] * len(scores)
    return Play(x={KEY: scores.tolist()}, scores={KEY: scores.tolist()}, reasons={KEY: given})


def test_streams_that_lean_stand_still_or_hide_are_found() -> None:
    """The same laws for what streams."""
    scores = np.linspace(10.0, 90.0, 50)
    assert stream_is_missing_or_constant(played(scores)).wrong == 0
    assert stream_is_missing_or_constant(played(np.full(50, 50.0))).wrong == 1
    assert stream_is_missing_or_constant(played(np.full(50, np.nan))).wrong == 1
    assert stream_is_missing_or_constant(played(scores + 20.0)).wrong == 1
    assert stream_is_lopsided(played(scores), played(100.0 - scores)).wrong == 0
    assert stream_is_lopsided(played(scores), played(100.0 - scores + 1e-8)).wrong == 50
