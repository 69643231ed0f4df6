"""From settings to the definition of the score, and from there to the components of one market."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import msgspec

from virtuoso.adapters.feed.capabilities import capabilities_known_of, liquidations_told
from virtuoso.apps.settings import ScoringSettings, SymbolScoringSettings
from virtuoso.components.base import Component
from virtuoso.components.base.candle_component import CandleSettings, place_of
from virtuoso.components.base.candle_sheet import CandleSheets
from virtuoso.components.orderbook import Orderbook
from virtuoso.components.orderflow import LIQUIDATIONS, Orderflow
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.sentiment import Sentiment
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.errors import SettingsError, UnknownSymbolError
from virtuoso.domain.instruments import Instrument, Listing, Venue, parse_symbol
from virtuoso.domain.market_data import Liquidation
from virtuoso.domain.scores import ComponentName, Source
from virtuoso.engine.lane import Lane
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.scoring.definition import PROFILES, Definition, DirectionRule


def definition_of(settings: ScoringSettings) -> Definition:
    """Build the definition. Raises SettingsError when the settings are no definition."""
    if settings.profile != "custom" and any(each != 1.0 for each in settings.weights.values()):
        msg = (
            "expected scoring.profile custom where scoring.weights are set, "
            f"found {settings.profile}: the weights would not count"
        )
        raise SettingsError(msg)
    windows = settings.windows
    with _naming("scoring.windows"):
        candles = CandleSettings(
            window=windows.candles,
            minimum=windows.candles_minimum,
            minimum_sizes=windows.candles_minimum_sizes,
        )
        stream = StreamLimits(windows.stream, windows.stream_minimum, windows.stream_minimum_sizes)
    if not candles.minimum_sizes <= candles.minimum <= candles.window:
        msg = (
            "expected scoring.windows.candles_minimum_sizes <= candles_minimum <= candles, found "
            f"{candles.minimum_sizes}, {candles.minimum} and {candles.window}"
        )
        raise SettingsError(msg)
    with _naming("scoring.direction"):
        direction = DirectionRule(**msgspec.structs.asdict(settings.direction))
    usual = Definition.of_profile(
        settings.profile,
        settings.weights,
        coverage_floor=settings.coverage_floor,
        timeframes=settings.timeframes,
        candles=candles,
        stream_limits=stream,
        direction=direction,
    )
    if not settings.symbols:
        return usual
    symbols = {}
    for symbol, own in settings.symbols.items():
        with _naming(f"scoring.symbols.{symbol:.40}"):
            symbols[str(parse_symbol(symbol))] = _definition_of_symbol(settings, own, usual)
    return replace(usual, symbols=MappingProxyType(symbols))


def _definition_of_symbol(
    settings: ScoringSettings, own: SymbolScoringSettings, usual: Definition
) -> Definition:
    """Join one symbol's exceptions with what holds for all."""
    profile = own.profile or settings.profile
    weights: Mapping[ComponentName, float] = settings.weights
    if profile == "owner":
        weights = PROFILES[profile]
    elif profile == "equal":
        weights = dict.fromkeys(ComponentName, 1.0)
    rule = {key: each for key, each in msgspec.structs.asdict(own.direction).items() if each}
    floor = own.coverage_floor
    return Definition.of_profile(
        "custom" if own.weights else profile,
        {**weights, **own.weights},
        coverage_floor=usual.coverage_floor if floor is None else floor,
        timeframes={**settings.timeframes, **own.timeframes},
        candles=usual.candles,
        stream_limits=usual.stream_limits,
        direction=replace(usual.direction, **rule),
    )


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Say which table of the settings an error is about."""
    try:
        yield
    except (SettingsError, UnknownSymbolError) as error:
        msg = f"{key}: {error}"
        raise SettingsError(msg) from error


def components_of(
    definition: Definition, venue: Venue, sheets: CandleSheets | None = None
) -> dict[ComponentName, Component]:
    """Build the six components of one market, in the order they are always shown.

    `sheets`: of the markets that it is scored beside.
    """
    candles = definition.candles
    place = place_of(sheets or CandleSheets(places=1), candles)
    limits = definition.stream_limits
    streamed = capabilities_known_of(venue).streamed
    not_offered = frozenset() if Liquidation in streamed else frozenset({LIQUIDATIONS})
    return {
        ComponentName.ORDERBOOK: Orderbook(limits),
        ComponentName.ORDERFLOW: Orderflow(not_offered, limits),
        ComponentName.TECHNICAL: Technical(candles, place),
        ComponentName.VOLUME: Volume(candles, place),
        ComponentName.SENTIMENT: Sentiment(),
        ComponentName.PRICE_STRUCTURE: PriceStructure(candles, place),
    }


def lane_maker(
    definition: Definition, venue: Venue, source: Source
) -> Callable[[Instrument, Listing | None], Lane]:
    """Give what builds one market's lane; the candles of all of them are computed together."""
    sheets = CandleSheets()
    told = liquidations_told(venue, source)

    def make(instrument: Instrument, listing: Listing | None) -> Lane:
        own = definition.of(instrument.symbol)
        offered = capabilities_known_of(venue)
        return Lane(
            instrument,
            listing,
            components_of(own, venue, sheets),
            own,
            book_sequenced=offered.book_sequenced,
            liquidations=told,
            open_interest_sides=offered.open_interest,
            make_components=partial(components_of, venue=venue, sheets=sheets),
        )

    return make
