"""Set-up can compile every kernel before the first candle."""

import pytest

from support.candles import market_of
from virtuoso.components.base.candle_component import CandleComponent
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.time import Millis
from virtuoso.indicators.compile import compile_kernels


def test_the_kernels_compile_from_next_to_nothing() -> None:
    """Each takes its smallest input."""
    compile_kernels()


@pytest.mark.parametrize("kind", [Technical, Volume, PriceStructure])
def test_compiling_a_component_teaches_it_nothing(kind: type[CandleComponent]) -> None:
    """It knows no candle afterwards."""
    component, market = kind(), market_of({})
    before = component.score(Millis(0), market)
    component.compile_kernels()
    assert component.score(Millis(0), market) == before
