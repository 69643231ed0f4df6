"""What one edition publishes of the market as a whole."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from support.editions import content_of, running_pipeline
from support.markets import BTC, ETH, NOW
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Reason, Source, State
from virtuoso.domain.time import HOUR, SECOND, Millis, Timeframe
from virtuoso.engine import edition as edition_module
from virtuoso.engine.beta_documents import correlations
from virtuoso.engine.edition import Editor
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.score_past import SCORE_STEP_MS
from virtuoso.market.bitcoin_beta import CorrelationMatrix
from virtuoso.wire import keys
from virtuoso.wire.beta import BetaMatrixDocument
from virtuoso.wire.board import ReplayInfo
from virtuoso.wire.codec import Codec
from virtuoso.wire.dashboards import AlertsDocument, DashboardDocument, MobileDocument
from virtuoso.wire.lists import MoversDocument
from virtuoso.wire.messages import Document


def published(editor: Editor, pipeline: Pipeline) -> Mapping[str, bytes]:
    """Every document of one edition."""
    printed = [each for each in editor.edit(content_of(pipeline)) if each is not None]
    return printed[-1].documents


def dashboard(documents: Mapping[str, bytes]) -> DashboardDocument:
    """The document that `/api/market/overview` is a part of."""
    body = Codec().decode(keys.DASHBOARD, documents[keys.DASHBOARD], Document).body
    return msgspec.json.decode(body, type=DashboardDocument)


def keep(pipeline: Pipeline, scores: Mapping[str, tuple[float, float]]) -> None:
    """Let each market have had a score an hour ago, and have one now."""
    for each in (BTC, ETH):
        lane = pipeline.lane(each)
        assert lane is not None
        before, now = scores[str(each.symbol)]
        lane.past.samples.clear()
        for back in range(HOUR // SCORE_STEP_MS, 0, -1):
            lane.past.samples.append((Millis(NOW - back * SCORE_STEP_MS), before))
        lane.past.samples.append((Millis(NOW), now))


def test_where_nothing_is_watched_the_alerts_say_so() -> None:
    """No list that looks as if nothing had fired."""
    documents = published(Editor("e", Source.BYBIT, "1"), running_pipeline())
    body = Codec().decode(keys.ALERTS, documents[keys.ALERTS], Document).body
    found = msgspec.json.decode(body, type=AlertsDocument)
    assert (found.status, found.alerts) == ("degraded", ())
    assert found.reasons == ("alerts are off: nothing is watched",)


def test_score_movers_are_null_until_their_window_was_observed() -> None:
    """Every window says `warming_up` or `no_feed` at first; nothing moved that was not seen."""
    pipeline = running_pipeline()
    market = dashboard(published(Editor("e", Source.BYBIT, "1"), pipeline)).market_overview
    assert market.score_movers_1h is None
    assert market.quality["score_movers_1h"].state is State.ABSENT
    assert market.quality["score_movers_1h"].reason is Reason.NO_FEED
    for lane in (pipeline.lane(BTC), pipeline.lane(ETH)):
        assert lane is not None
        lane.past.samples.append((Millis(NOW), 55.0))
    market = dashboard(published(Editor("e", Source.BYBIT, "1"), pipeline)).market_overview
    for window in ("score_movers_1h", "score_movers_4h", "score_movers_observed"):
        assert market.quality[window].reason is Reason.WARMING_UP


def test_score_movers_of_an_hour_are_published_with_their_ends() -> None:
    """Risers and fallers in points, with the state of the score they belong to."""
    pipeline, editor = running_pipeline(), Editor("e", Source.BYBIT, "1")
    keep(pipeline, {"BTCUSDT": (40.0, 70.0), "ETHUSDT": (66.0, 61.5)})
    documents = published(editor, pipeline)
    market = dashboard(documents).market_overview
    moved = market.score_movers_1h
    assert moved is not None
    [up], [down] = moved.risers, moved.fallers
    assert (up.symbol, up.before, up.score, up.change) == ("BTCUSDT", 40.0, 70.0, 30.0)
    assert (down.symbol, down.change, down.since) == ("ETHUSDT", -4.5, NOW - HOUR)
    assert (moved.window_ms, moved.compared, moved.as_of) == (HOUR, 2, NOW)
    assert market.score_movers_4h is None
    assert market.quality["score_movers_4h"].reason is Reason.WARMING_UP
    assert market.quality["score_movers_1h"].state is State.LIVE
    cycle = pipeline.view()
    assert cycle is not None
    assert up.state is cycle.markets[0].state
    mobile = Codec().decode(keys.MOBILE, documents[keys.MOBILE], Document).body
    assert msgspec.json.decode(mobile, type=MobileDocument).market_overview == market
    keep(pipeline, {"BTCUSDT": (40.0, 45.0), "ETHUSDT": (66.0, 99.0)})
    again = dashboard(published(editor, pipeline)).market_overview.score_movers_1h
    assert again == moved, "compared anew only when scores were kept"


def test_movers_do_not_call_a_price_live_after_its_limit() -> None:
    """They are compared each ten seconds; a price that grew late meanwhile is told before."""
    pipeline, editor = running_pipeline(), Editor("e", Source.BYBIT, "1")
    told: dict[int, State] = {}
    for second in range(1, 9):
        pipeline.second(Millis(NOW + second * SECOND))
        documents = published(editor, pipeline)
        if keys.MOVERS in documents:
            body = Codec().decode(keys.MOVERS, documents[keys.MOVERS], Document).body
            movers = msgspec.json.decode(body, type=MoversDocument)
            told[second] = movers.symbols[0].price_state
    assert told[1] is State.LIVE
    assert list(told.values()) == [State.LIVE, State.DELAYED, State.STALE]
    assert max(told) <= 7


def test_the_matrix_of_correlations_is_a_document_of_its_own() -> None:
    """Numbers or reasons, n beside each, most traded first; published when it is new."""
    pipeline, editor = running_pipeline(), Editor("e", Source.BYBIT, "1")
    body = (
        Codec()
        .decode(
            keys.BITCOIN_BETA_MATRIX,
            published(editor, pipeline)[keys.BITCOIN_BETA_MATRIX],
            Document,
        )
        .body
    )
    nothing = msgspec.json.decode(body, type=BetaMatrixDocument)
    assert (nothing.status, nothing.symbols, nothing.correlations) == ("degraded", (), ())
    assert nothing.state is State.ABSENT
    for second in range(2, 12):
        pipeline.second(Millis(NOW + second * SECOND))
    documents = published(editor, pipeline)
    body = (
        Codec().decode(keys.BITCOIN_BETA_MATRIX, documents[keys.BITCOIN_BETA_MATRIX], Document).body
    )
    matrix = msgspec.json.decode(body, type=BetaMatrixDocument)
    assert matrix.symbols == ("BTCUSDT", "ETHUSDT")
    assert matrix.correlations == ((1.0, 1.0), (1.0, 1.0)), "both have the same candles"
    assert matrix.samples == ((999, 999), (999, 999))
    assert (matrix.window, matrix.half_life, matrix.minimum_pairs) == (1_000, 288.0, 250)
    assert (matrix.as_of, matrix.monitored, matrix.state) == (NOW, 2, State.LIVE)
    assert keys.BITCOIN_BETA_MATRIX not in published(editor, pipeline)


def test_a_pair_without_a_correlation_says_why() -> None:
    """The reason stands where the number would."""
    cells = CorrelationMatrix(
        np.array([[1.0, np.nan], [np.nan, np.nan]]), np.array([[999.0, 249.0], [249.0, 999.0]])
    )
    rows = tuple(correlations(cells))
    assert rows == ((1.0, Reason.WARMING_UP), (Reason.WARMING_UP, Reason.TOO_FEW))


@pytest.mark.parametrize(("seconds", "made"), [(0.0, 2), (10.0, 1)])
def test_details_that_take_too_long_are_made_in_turn(
    monkeypatch: pytest.MonkeyPatch, seconds: float, made: int
) -> None:
    """So many as there is time for, at least the least; none is left out twice."""
    monkeypatch.setattr(edition_module, "LEAST_DETAILS", 1)
    clock = 0.0

    def spent() -> float:
        nonlocal clock
        clock += seconds
        return clock

    pipeline, editor = running_pipeline(), Editor("e", Source.BYBIT, "1", spent=spent)
    of = {keys.symbol_detail(each.symbol) for each in (BTC, ETH)}
    editions = [of & published(editor, pipeline).keys() for _ in range(2)]
    assert [len(each) for each in editions] == [made, made]
    assert set().union(*editions) == of


def test_an_engine_that_is_behind_lets_no_document_run_out() -> None:
    """Without time for details, what is there is written again, long before its life is over."""
    pipeline, editor = running_pipeline(), Editor("one", Source.BYBIT, "1")
    whole = published(editor, pipeline)
    content = content_of(pipeline)

    def light(later_ms: int, replay: ReplayInfo | None = None) -> Mapping[str, bytes]:
        cycle = replace(content.cycle, now=Millis(content.cycle.now + later_ms))
        hurried = replace(content, cycle=cycle, details=False, replay=replay)
        return [each for each in editor.edit(hurried) if each is not None][-1].documents

    assert light(5 * SECOND) == {}
    assert light(16 * SECOND, ReplayInfo(NOW, "max", ended=False)) == {}
    again = light(16 * SECOND)
    name = Symbol("BTCUSDT")
    assert {
        keys.candles(name, Timeframe.H4),
        keys.score_history(name),
        keys.symbol_detail(name),
        keys.MOVERS,
    } <= set(again)
    assert all(whole[key] == value for key, value in again.items())
    assert light(20 * SECOND) == {}
    assert set(light(32 * SECOND)) == set(again)
