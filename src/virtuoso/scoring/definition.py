"""How the score is defined: every setting that changes a digit, and the hash that names them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite, sqrt
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import ComponentName
from virtuoso.domain.time import Timeframe
from virtuoso.indicators.stream_window import StreamLimits

K = TypeVar("K", ComponentName, Timeframe)

SCORING_VERSION: Final = 2
"""Rises with every change of a formula; the settings do not show those."""

_ORDERBOOK, _ORDERFLOW = ComponentName.ORDERBOOK, ComponentName.ORDERFLOW
_TECHNICAL, _VOLUME = ComponentName.TECHNICAL, ComponentName.VOLUME
_SENTIMENT, _STRUCTURE = ComponentName.SENTIMENT, ComponentName.PRICE_STRUCTURE

EQUAL: Final[Mapping[ComponentName, float]] = MappingProxyType(dict.fromkeys(ComponentName, 1 / 6))

OWNER: Final[Mapping[ComponentName, float]] = MappingProxyType(
    {
        _ORDERBOOK: 0.20,
        _ORDERFLOW: 0.30,
        _TECHNICAL: 0.10,
        _VOLUME: 0.18,
        _SENTIMENT: 0.07,
        _STRUCTURE: 0.15,
    }
)

PROFILES: Final[Mapping[str, Mapping[ComponentName, float]]] = MappingProxyType(
    {"equal": EQUAL, "owner": OWNER}
)

COMPONENT_RHO: Final[Mapping[ComponentName, float]] = MappingProxyType(
    {
        _ORDERBOOK: 0.25,
        _ORDERFLOW: 0.20,
        _TECHNICAL: 0.28,
        _VOLUME: 0.13,
        _SENTIMENT: 0.10,
        _STRUCTURE: 0.23,
    }
)
"""Mean correlation of the members within each component: a constant of the pool."""

Pair: TypeAlias = tuple[ComponentName, ComponentName]

RHO0: Final[Mapping[Pair, float]] = MappingProxyType(
    {
        (_TECHNICAL, _STRUCTURE): 0.90,
        (_TECHNICAL, _VOLUME): 0.80,
        (_VOLUME, _STRUCTURE): 0.80,
        (_ORDERFLOW, _ORDERBOOK): 0.35,
        (_ORDERFLOW, _TECHNICAL): 0.15,
        (_ORDERFLOW, _VOLUME): 0.15,
        (_ORDERFLOW, _STRUCTURE): 0.15,
        (_ORDERBOOK, _TECHNICAL): 0.10,
        (_ORDERBOOK, _VOLUME): 0.10,
        (_ORDERBOOK, _STRUCTURE): 0.10,
    }
)
"""Correlation of two components before their own is known; a pair that is not named has 0."""

NO_SYMBOLS: Final[Mapping[str, "Definition"]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DirectionRule:
    """When the direction changes; `enter` and `leave` are distances from 50."""

    enter: float = 20.0
    leave: float = 10.0
    confirmations: int = 3
    """Evaluations in a row that must propose the same new direction."""
    minimum_seconds: int = 45
    """Scored seconds a minute needs, of 60."""

    def __post_init__(self) -> None:
        if not 0.0 < self.leave < self.enter < 50.0:
            msg = (
                "expected 0 < leave < enter < 50 for the direction, "
                f"found leave {self.leave} and enter {self.enter}"
            )
            raise SettingsError(msg)
        if self.confirmations < 1 or not 1 <= self.minimum_seconds <= 60:
            msg = (
                "expected at least 1 confirmation and 1 to 60 scored seconds, "
                f"found {self.confirmations} and {self.minimum_seconds}"
            )
            raise SettingsError(msg)


@dataclass(frozen=True)
class Definition:
    """The scoring configuration. Raises SettingsError when it is not one."""

    profile: str = "equal"
    weights: Mapping[ComponentName, float] = field(default_factory=lambda: EQUAL)
    """Of all six components; they sum to 1."""
    coverage_floor: float = 0.5
    """Under this coverage the score is null."""
    rho0: Mapping[Pair, float] = field(default_factory=lambda: RHO0)
    candles: CandleSettings = field(default_factory=CandleSettings)
    """Timeframe weights, window and minima of the components on candles."""
    stream_limits: StreamLimits = field(default_factory=StreamLimits)
    direction: DirectionRule = field(default_factory=DirectionRule)
    symbols: Mapping[str, "Definition"] = field(default_factory=lambda: NO_SYMBOLS)
    """Symbols that are scored by a definition of their own, instead of by this one."""

    def __post_init__(self) -> None:
        _check_shares("scoring.weights", tuple(ComponentName), self.weights)
        _check_shares("scoring.timeframes", tuple(Timeframe), self.candles.timeframes)
        if not 0.0 < self.coverage_floor <= 1.0:
            msg = (
                f"expected scoring.coverage_floor above 0 and up to 1, found {self.coverage_floor}"
            )
            raise SettingsError(msg)
        for (first, second), value in self.rho0.items():
            if first == second or not 0.0 <= value <= 0.95:
                msg = (
                    "expected a correlation of 0 to 0.95 between two different components, "
                    f"found {value} for {first} and {second}"
                )
                raise SettingsError(msg)
        for symbol, own in self.symbols.items():
            if own.symbols or not own.has_windows_of(self):
                msg = f"expected {symbol} to be scored in the same windows as all, found others"
                raise SettingsError(msg)

    def has_windows_of(self, other: "Definition") -> bool:
        """Whether values are ranked among as many as there, candles and streams."""
        return self.stream_limits == other.stream_limits and self.has_candles_of(other)

    def has_candles_of(self, other: "Definition") -> bool:
        """Whether values of candles are ranked as there; shares of timeframes may differ."""
        mine, theirs = self.candles, other.candles
        return (mine.window, mine.minimum, mine.minimum_sizes) == (
            theirs.window,
            theirs.minimum,
            theirs.minimum_sizes,
        )

    def of(self, symbol: str) -> "Definition":
        """Give the definition that one symbol is scored by; its hash stands in its scores."""
        return self.symbols.get(symbol, self._usual)

    @cached_property
    def _usual(self) -> "Definition":
        return replace(self, symbols=NO_SYMBOLS) if self.symbols else self

    @classmethod
    def of_profile(
        cls,
        profile: str,
        custom: Mapping[ComponentName, float] | None = None,
        *,
        coverage_floor: float = 0.5,
        timeframes: Mapping[Timeframe, float] | None = None,
        candles: CandleSettings | None = None,
        stream_limits: StreamLimits | None = None,
        direction: DirectionRule | None = None,
        symbols: Mapping[str, "Definition"] | None = None,
    ) -> "Definition":
        """Build the definition of a named profile; `custom` weights are scaled to sum to 1.

        `timeframes` replace the shares in `candles`.

        Raises SettingsError for an unknown profile or for weights that cannot be used.
        """
        if profile == "custom":
            weights = _normalised("scoring.weights", tuple(ComponentName), custom or {})
        elif profile in PROFILES:
            weights = PROFILES[profile]
        else:
            msg = f"expected scoring.profile equal, owner or custom, found {profile!r}"
            raise SettingsError(msg)
        candles = candles or CandleSettings()
        if timeframes is not None:
            shares = _normalised("scoring.timeframes", tuple(Timeframe), timeframes)
            candles = replace(candles, timeframes=shares)
        return cls(
            profile=profile,
            weights=weights,
            coverage_floor=coverage_floor,
            candles=candles,
            stream_limits=stream_limits or StreamLimits(),
            direction=direction or DirectionRule(),
            symbols=symbols or NO_SYMBOLS,
        )

    @cached_property
    def ordered_weights(self) -> tuple[float, ...]:
        """The weights in the order of ComponentName."""
        return tuple(self.weights[name] for name in ComponentName)

    @cached_property
    def hash(self) -> str:
        """First 12 hex digits of SHA-256 over the canonical JSON of everything here."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @cached_property
    def text(self) -> str:
        """Everything here as canonical JSON; `read_definition` makes the same of it again."""
        content = _content_of(self)
        if self.symbols:
            content["symbols"] = {
                symbol: _content_of(self.symbols[symbol]) for symbol in sorted(self.symbols)
            }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _content_of(definition: Definition) -> dict[str, object]:
    candles, stream, rule = definition.candles, definition.stream_limits, definition.direction
    return {
        "version": SCORING_VERSION,
        "profile": definition.profile,
        "weights": {str(name): definition.weights[name] for name in ComponentName},
        "coverage_floor": definition.coverage_floor,
        "rho0": {"-".join(sorted(pair)): value for pair, value in definition.rho0.items()},
        "component_rho": {str(name): COMPONENT_RHO[name] for name in ComponentName},
        "timeframes": {str(each): candles.timeframes[each] for each in Timeframe},
        "candles": [candles.window, candles.minimum, candles.minimum_sizes],
        "stream_limits": [stream.capacity, stream.minimum, stream.minimum_sizes],
        "direction": [rule.enter, rule.leave, rule.confirmations, rule.minimum_seconds],
    }


def read_definition(text: str) -> Definition:
    """Read what `Definition.text` gave. Raises SettingsError when it is anything else.

    The version in it is not compared: formulas are those of this program, whose hash says so.
    """
    try:
        exceptions = json.loads(text).get("symbols", {})
        texts = {symbol: json.dumps(own) for symbol, own in exceptions.items()}
        # symbols with the same exception share it, and there may be hundreds of them
        known = {own: _read(own, {}) for own in set(texts.values())}
        return _read(text, {symbol: known[own] for symbol, own in texts.items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        msg = f"expected a definition as canonical JSON, found {text[:80]!r}: {error!r}"
        raise SettingsError(msg) from error


def _read(text: str, symbols: Mapping[str, Definition]) -> Definition:
    """Raises ValueError, TypeError, KeyError or SettingsError where something is no such thing."""
    content = json.loads(text)
    pairs = {tuple(sorted(pair)): pair for pair in RHO0}
    rho0 = {}
    for names, value in content["rho0"].items():
        first, second = (ComponentName(each) for each in names.split("-"))
        rho0[pairs.get((first, second), (first, second))] = float(value)
    timeframes = {each: float(content["timeframes"][str(each)]) for each in Timeframe}
    enter, leave, confirmations, minimum_seconds = content["direction"]
    return Definition(
        profile=str(content["profile"]),
        weights=MappingProxyType({each: float(content["weights"][each]) for each in ComponentName}),
        coverage_floor=float(content["coverage_floor"]),
        rho0=MappingProxyType(rho0),
        candles=CandleSettings(MappingProxyType(timeframes), *map(int, content["candles"])),
        stream_limits=StreamLimits(*map(int, content["stream_limits"])),
        direction=DirectionRule(
            float(enter), float(leave), int(confirmations), int(minimum_seconds)
        ),
        symbols=MappingProxyType(dict(symbols)),
    )


def _normalised(what: str, names: tuple[K, ...], given: Mapping[K, float]) -> Mapping[K, float]:
    """Scale weights to sum to 1. Raises SettingsError when they name anything else, or nothing."""
    _check_names(what, names, given)
    total = sum(given[name] for name in names)
    if not isfinite(total) or total <= 0.0 or min(given.values()) < 0.0:
        msg = f"expected {what} of 0 or more and not all 0, found {_listed(given)}"
        raise SettingsError(msg)
    return MappingProxyType({name: given[name] / total for name in names})


def _check_shares(what: str, names: tuple[K, ...], given: Mapping[K, float]) -> None:
    _check_names(what, names, given)
    total = sum(given.values())
    if not isfinite(total) or abs(total - 1.0) > 1e-9 or min(given.values()) < 0.0:
        msg = f"expected {what} of 0 or more that sum to 1, found {_listed(given)}"
        raise SettingsError(msg)


def _check_names(what: str, names: tuple[K, ...], given: Mapping[K, float]) -> None:
    if set(given) != set(names):
        wanted = ", ".join(str(name) for name in names)
        found = ", ".join(str(name) for name in given) or "none"
        msg = f"expected {what} for exactly {wanted}; found {found}"
        raise SettingsError(msg)


def _listed(given: Mapping[K, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in given.items())


def reliability_weights(bounds: Mapping[ComponentName, float]) -> Mapping[ComponentName, float]:
    """Weigh each component by the root of its proven skill, 0 where nothing is proven.

    bounds: lower bound of the Brier skill at the chosen horizon. Raises SettingsError when
    nothing is proven at all.
    """
    roots = {name: sqrt(max(0.0, bounds.get(name, 0.0))) for name in ComponentName}
    total = sum(roots.values())
    if total <= 0.0:
        msg = "expected at least one component with proven skill, found none: nothing to weigh by"
        raise SettingsError(msg)
    return MappingProxyType({name: root / total for name, root in roots.items()})
