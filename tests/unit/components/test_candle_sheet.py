"""Many markets on one sheet: what each is told is what it would be told alone."""

import gc
from collections.abc import Sequence

import pytest

from support.candles import MIDNIGHT, market_of, random_candles
from virtuoso.components.base.candle_component import CandleComponent, CandleSettings, place_of
from virtuoso.components.base.candle_sheet import CandleSheet, CandleSheets
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Absent
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.candles import bars_of, closing_of

KINDS = (Technical, Volume, PriceStructure)
KNOWN = 300
END = Millis(MIDNIGHT)
MINUTES = CandleSettings(timeframes={Timeframe.M1: 0.5, Timeframe.M5: 0.5})


def history(seed: int, timeframe: Timeframe, count: int = KNOWN + 5) -> Sequence[Candle]:
    """Candles of which the first KNOWN end at midnight."""
    return random_candles(seed, count, timeframe, MIDNIGHT - KNOWN * timeframe.ms)


def is_full(sheet: CandleSheet) -> bool:
    """Whether it has no place left."""
    return sheet.full


def views(
    sheets: CandleSheets | None, seed: int, settings: CandleSettings | None = None
) -> list[CandleComponent]:
    """The three components of a market that knows its history."""
    settings = settings or CandleSettings()
    place = None if sheets is None else place_of(sheets, settings)
    found: list[CandleComponent] = [kind(settings, place) for kind in KINDS]
    for each in found:
        for timeframe in Timeframe:
            each.close(timeframe, bars_of(history(seed, timeframe)[:KNOWN]))
    return found


@pytest.mark.parametrize("settings", [None, MINUTES])
def test_markets_that_share_a_sheet_are_told_what_each_is_told_alone(
    settings: CandleSettings | None,
) -> None:
    """Whoever reads first, and whichever timeframes closed: the same bits."""
    sheets, market = CandleSheets(places=2), market_of({})
    together = [views(sheets, seed, settings) for seed in range(5)]
    alone = [views(None, seed, settings) for seed in range(5)]
    for n in range(5):
        closed = [Timeframe.M1, Timeframe.M30] if n % 2 else list(Timeframe)
        for seed in range(5):
            candles = [history(seed, timeframe)[KNOWN + n] for timeframe in closed]
            for group in (together, alone):
                closing = closing_of(candles)
                for each in group[seed]:
                    each.close_all(closing)
        for seed in range(n, n + 5):  # another one is the first to be read
            for one, other in zip(together[seed % 5], alone[seed % 5], strict=True):
                assert one.score(END, market) == other.score(END, market)


def test_closes_that_nobody_read_in_between_are_all_taken() -> None:
    """Each in its turn: a place waits with one close at most."""
    unread, read = views(CandleSheets(), 1), views(None, 1)
    market = market_of({})
    for candle in history(1, Timeframe.M1)[KNOWN:]:
        for group in (unread, read):
            closing = closing_of([candle])
            for each in group:
                each.close_all(closing)
        for each in read:
            each.score(END, market)
    for one, other in zip(unread, read, strict=True):
        assert one.score(END, market) == other.score(END, market)


def test_a_score_that_was_read_stays_as_it_was() -> None:
    """Its members are made when they are looked at, of the numbers of then."""
    shared, market = views(CandleSheets(), 1), market_of({})
    before = [each.score(END, market) for each in shared]
    closing = closing_of([history(1, Timeframe.M1)[KNOWN]])
    for each in shared:
        each.close_all(closing)
        each.score(END, market)
    assert before == [each.score(END, market) for each in views(None, 1)]


def test_a_place_is_given_back_with_the_last_of_its_components_and_is_clean() -> None:
    """Who comes after knows nothing of who was there."""
    sheets, market = CandleSheets(places=1), market_of({})
    first = views(sheets, 1)
    sheet = first[0]._sheet
    for each in first:
        each.close_all(closing_of([history(1, Timeframe.M1)[KNOWN]]))
    del each, first[1:]
    gc.collect()
    assert is_full(sheet)
    first.clear()
    gc.collect()
    assert not is_full(sheet)
    place = place_of(sheets, CandleSettings())
    assert place.sheet is sheet
    for kind in KINDS:
        later = kind(None, place)
        assert isinstance(later.score(Millis(0), market), Absent)
        for timeframe in Timeframe:
            later.close(timeframe, bars_of(history(2, timeframe)[:KNOWN]))
        [other] = [each for each in views(None, 2) if each.name is kind.name]
        assert later.score(END, market) == other.score(END, market)
