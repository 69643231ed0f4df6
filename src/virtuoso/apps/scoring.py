"""From settings to the definition of the score, and from there to the components of one market."""

from collections.abc import Callable

from virtuoso.adapters.feed.capabilities import capabilities_known_of
from virtuoso.apps.settings import ScoringSettings
from virtuoso.components.base import Component
from virtuoso.components.orderbook import Orderbook
from virtuoso.components.orderflow import LIQUIDATIONS, Orderflow
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.sentiment import Sentiment
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.instruments import Instrument, Listing, Venue
from virtuoso.domain.market_data import Liquidation
from virtuoso.domain.scores import ComponentName
from virtuoso.engine.lane import Lane
from virtuoso.scoring.definition import Definition


def definition_of(settings: ScoringSettings) -> Definition:
    """Build the definition. Raises SettingsError when the settings are no definition."""
    return Definition.of_profile(
        settings.profile,
        settings.weights,
        coverage_floor=settings.coverage_floor,
        timeframes=settings.timeframes,
    )


def components_of(definition: Definition, venue: Venue) -> dict[ComponentName, Component]:
    """Build the six components of one market, in the order they are always shown."""
    candles = definition.candles
    limits = definition.stream_limits
    streamed = capabilities_known_of(venue).streamed
    not_offered = frozenset() if Liquidation in streamed else frozenset({LIQUIDATIONS})
    return {
        ComponentName.ORDERBOOK: Orderbook(limits),
        ComponentName.ORDERFLOW: Orderflow(not_offered, limits),
        ComponentName.TECHNICAL: Technical(candles),
        ComponentName.VOLUME: Volume(candles),
        ComponentName.SENTIMENT: Sentiment(),
        ComponentName.PRICE_STRUCTURE: PriceStructure(candles),
    }


def lane_maker(
    definition: Definition, venue: Venue
) -> Callable[[Instrument, Listing | None], Lane]:
    """Give what builds one market's lane."""

    def make(instrument: Instrument, listing: Listing | None) -> Lane:
        return Lane(
            instrument,
            listing,
            components_of(definition, venue),
            definition,
            book_sequenced=capabilities_known_of(venue).book_sequenced,
        )

    return make
