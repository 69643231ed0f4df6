"""Laws of the lenses as they are published."""

from hypothesis import given, settings
from hypothesis import strategies as st

from support.markets import BTC, ETH, drawn_seconds, played
from virtuoso.domain.scores import DimensionName, Source
from virtuoso.engine.detail_documents import dimension_details
from virtuoso.engine.view import CycleView
from virtuoso.wire.details import DimensionDetail
from virtuoso.wire.messages import to_json

SECONDS = 310


def published(cycle: CycleView) -> list[DimensionDetail]:
    """Bitcoin's lenses but the beta, which is about the others."""
    details = dimension_details(cycle.markets[0], Source.REPLAY, cycle.now)
    return [each for each in details if each.name is not DimensionName.BITCOIN_BETA]


@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 10_000))
def test_a_replay_gives_the_same_bytes_whoever_is_watched_beside(seed: int) -> None:
    """Twice the same events, alone and beside another market: the same lenses, byte for byte."""
    seconds = drawn_seconds(SECONDS, seed=seed)
    once, twice, beside = (
        [to_json(each) for each in published(played(seconds, *markets)[1])]
        for markets in ((BTC,), (BTC,), (BTC, ETH))
    )
    assert once == twice == beside
    [liquidity] = [each for each in once if b'"name":"liquidity"' in each]
    assert b'"value":null,"state"' not in liquidity
