"""The lenses that a lane publishes are those that follow by hand from what it was given."""

import msgspec
import pytest

from support.markets import BTC, ETH, NOW, Seconds, drawn_seconds, history_of, pipeline_of, played
from virtuoso.domain.instruments import BYBIT
from virtuoso.domain.market_data import BookSnapshot, Disconnected
from virtuoso.domain.scores import (
    ComponentName,
    DimensionName,
    DimensionScore,
    Reason,
    Source,
    State,
)
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.detail_documents import detail_document, dimension_details
from virtuoso.engine.documents import Edition, full_record, row_of
from virtuoso.engine.pairing import Shown
from virtuoso.engine.view import CycleView, late
from virtuoso.indicators.normal import phi
from virtuoso.market.bitcoin_beta import Beta
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.messages import to_json

SECONDS = 340


@pytest.fixture(scope="module")
def market() -> tuple[Seconds, CycleView]:
    """Bitcoin's market after more seconds than a lens needs."""
    seconds = drawn_seconds(SECONDS)
    return seconds, played(seconds, BTC)[1]


def lens_of(cycle: CycleView, name: DimensionName, place: int = 0) -> DimensionScore:
    """One lens of one market."""
    return next(each for each in cycle.markets[place].dimensions if each.name is name)


def test_order_flow_is_what_the_published_members_say(
    market: tuple[Seconds, CycleView],
) -> None:
    """The lens of the last look, from the members of the component as they were then."""
    seconds, _ = market
    pipeline = pipeline_of(BTC)
    pipeline.handle(history_of(NOW))
    seen: list[tuple[float, float | None]] = []
    for number, events in enumerate(seconds):
        for each in events:
            pipeline.handle(each)
        pipeline.second(Millis(NOW + number * SECOND))
        cycle = pipeline.view()
        assert cycle is not None
        parts = cycle.markets[0].score.components
        flow = {m.name: m.z for m in parts[ComponentName.ORDERFLOW].members}
        volume = {m.name: m.z for m in parts[ComponentName.VOLUME].members}
        means = []
        for family in ("ofi", "taker_flow"):
            zs = [z for name, z in flow.items() if name.startswith(family) and z is not None]
            if zs:
                means.append(sum(zs) / len(zs))
        means += [z for n in ("signed_volume20@1m", "cmf20@1m") if (z := volume[n]) is not None]
        z = sum(means) / len(means) / (1 / len(means) + 0.3 * (1 - 1 / len(means))) ** 0.5
        expected = 100 * phi(max(-2.326347874, min(2.326347874, z)))
        seen.append((expected, lens_of(cycle, DimensionName.ORDER_FLOW).value))
    equal = [number for number, (by_hand, own) in enumerate(seen) if own == pytest.approx(by_hand)]
    looks = set(equal) & set(range(SECONDS - 4, SECONDS))
    assert looks, "none of the last four seconds is a look"
    assert seen[-1][1] == pytest.approx(seen[max(looks)][0], abs=1e-9)


def test_liquidity_is_the_mean_rank_of_spread_and_depth(
    market: tuple[Seconds, CycleView],
) -> None:
    """Each look's spread and depth against the looks before it, as a reader counts them."""
    seconds, cycle = market
    lens = lens_of(cycle, DimensionName.LIQUIDITY)
    assert lens.value is not None
    spreads, depths = [], []
    for events in seconds:
        book = events[0].data
        assert isinstance(book, BookSnapshot)
        bid, ask = book.bids[0][0], book.asks[0][0]
        mid = (bid + ask) / 2
        spreads.append((ask - bid) / mid * 1e4)
        reach = min(mid * 1e-3, mid - book.bids[-1][0], book.asks[-1][0] - mid) * (1 + 1e-9)
        inside = [q for p, q in (*book.bids, *book.asks) if abs(p - mid) <= reach]
        depths.append(sum(inside) * mid)
    parts = dict(lens.parts)
    [turn] = [
        each
        for each in range(4)
        if spreads[SECONDS - 4 + each] == pytest.approx(parts["spread_bp"], rel=1e-12)
    ]
    first = (turn + SECONDS - 4) % 4
    looks_spread, looks_depth = spreads[first::4], depths[first::4]
    assert looks_depth[-1] == pytest.approx(parts["depth"], rel=1e-12)

    def share(values: list[float]) -> float:
        *past, current = values
        return sum(each < current for each in past) / len(past)

    ranks = [100 * (1 - share(looks_spread)), 100 * share(looks_depth)]
    # the turnover of candles stands still here and is worth half; impact lacks its 75 looks
    assert lens.value == pytest.approx((sum(ranks) + 50.0) / 3, abs=1e-6)


def test_the_beta_of_the_universe_reaches_every_lens() -> None:
    """100 R2 with its standard error and n; Bitcoin against itself does not apply."""
    pipeline = pipeline_of(BTC, ETH)
    for instrument in (BTC, ETH):
        pipeline.handle(history_of(NOW, instrument=instrument))
    for second in range(2):
        pipeline.second(Millis(NOW + second * SECOND))
    found = pipeline.across.view.betas[ETH]
    assert isinstance(found, Beta)
    cycle = pipeline.view()
    assert cycle is not None
    lens = lens_of(cycle, DimensionName.BITCOIN_BETA, place=1)
    assert lens.value == 100.0 * found.r_squared
    assert lens.as_of == pipeline.across.view.betas_as_of
    parts = dict(lens.parts)
    assert parts["beta"] == found.beta
    assert parts["standard_error"] == found.standard_error
    assert parts["samples"] == found.samples
    assert lens_of(cycle, DimensionName.BITCOIN_BETA).reason is Reason.NOT_APPLICABLE


def test_a_market_that_was_never_heard_of_has_six_reasons() -> None:
    """Nothing is 50 before there is something to measure."""
    pipeline = pipeline_of(BTC)
    pipeline.second(Millis(NOW))
    cycle = pipeline.view()
    assert cycle is not None
    assert all(
        each.value is None and each.reason is not None for each in cycle.markets[0].dimensions
    )
    record = full_record(row_of(0, cycle.markets[0]), a_row_symbol(), cycle.markets[0], cycle.now)
    assert record.quality["dimensions"].state is State.ABSENT
    assert record.quality["dimensions"].reason is Reason.NO_FEED
    assert record.quality["dimensions.machine_learning"].reason is Reason.UNPROVEN


def a_row_symbol() -> RowSymbol:
    """The name of Bitcoin's row."""
    return RowSymbol(0, "BTCUSDT", "bybit", Source.BYBIT)


def detail_of(cycle: CycleView) -> bytes:
    """The bytes of Bitcoin's detail document."""
    view, edition = cycle.markets[0], Edition("e", Source.BYBIT, "d", cycle, ())
    record = full_record(row_of(0, view), a_row_symbol(), view, cycle.now)
    return to_json(detail_document(edition, Shown("BTCUSDT", view), record))


def test_the_detail_document_says_all_of_every_lens(
    market: tuple[Seconds, CycleView],
) -> None:
    """Value or reason, state, age, source, label and parts with their units; record beside it."""
    _, cycle = market
    detail = msgspec.json.decode(detail_of(cycle), type=SymbolDetail)
    assert [each.name for each in detail.dimensions] == list(DimensionName)
    assert detail.record.dimensions is not None
    for each in detail.dimensions:
        short = getattr(detail.record.dimensions, each.name)
        assert each.source is Source.BYBIT
        assert each.label
        if each.value is None:
            assert each.reason is not None
            assert each.state is State.ABSENT
            assert short is None
            assert detail.record.quality[f"dimensions.{each.name}"].reason is each.reason
        else:
            assert each.as_of is not None
            assert each.state is not State.ABSENT
            assert short == pytest.approx(each.value, abs=0.051)
    by_name = {each.name: each for each in detail.dimensions}
    assert by_name[DimensionName.MACHINE_LEARNING].reason is Reason.UNPROVEN
    assert by_name[DimensionName.SMART_MONEY].label.startswith("large-trade flow")
    units = {part.name: part.unit for part in by_name[DimensionName.LIQUIDITY].parts}
    assert units["spread_bp"] == "bp"
    assert by_name[DimensionName.ORDER_FLOW].parts[0].unit == "z"


def test_the_same_events_give_the_same_bytes(
    market: tuple[Seconds, CycleView],
) -> None:
    """Nothing in a lens depends on when or where it is computed."""
    seconds, cycle = market
    assert detail_of(played(seconds, BTC)[1]) == detail_of(cycle)


def test_a_lens_is_never_fresher_than_what_it_is_made_of(
    market: tuple[Seconds, CycleView],
) -> None:
    """A connection that broke, and an engine that fell behind, take the lenses along."""
    seconds, cycle = market
    view = cycle.markets[0]
    states = {each.name: each.state for each in dimension_details(view, Source.BYBIT, cycle.now)}
    assert states[DimensionName.LIQUIDITY] is State.DELAYED  # its 5m candle is 40 s late
    assert states[DimensionName.BITCOIN_BETA] is State.ABSENT
    behind = dimension_details(late(view, 20_000), Source.BYBIT, cycle.now)
    assert not {State.LIVE, State.DELAYED} & {each.state for each in behind}
    pipeline, _ = played(seconds, BTC)
    at = NOW + SECONDS * SECOND
    pipeline.handle(Disconnected(BYBIT, frozenset({BTC}), "gone", Millis(at)))
    pipeline.second(Millis(at))
    after = pipeline.view()
    assert after is not None
    liquidity = lens_of(after, DimensionName.LIQUIDITY)
    assert liquidity.value is None
    assert liquidity.reason is Reason.GAP
