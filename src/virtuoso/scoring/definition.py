"""How the score is defined: every setting that changes a digit, and the hash that names them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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

SCORING_VERSION: Final = 1
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

OWNER_TIMEFRAMES: Final[Mapping[Timeframe, float]] = MappingProxyType(
    {Timeframe.M1: 0.4, Timeframe.M5: 0.3, Timeframe.M30: 0.2, Timeframe.H4: 0.1}
)


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

    @classmethod
    def of_profile(
        cls,
        profile: str,
        custom: Mapping[ComponentName, float] | None = None,
        *,
        coverage_floor: float = 0.5,
        timeframes: Mapping[Timeframe, float] | None = None,
    ) -> "Definition":
        """Build the definition of a named profile; `custom` weights are scaled to sum to 1.

        Raises SettingsError for an unknown profile or for weights that cannot be used.
        """
        if profile == "custom":
            weights = _normalised("scoring.weights", tuple(ComponentName), custom or {})
        elif profile in PROFILES:
            weights = PROFILES[profile]
        else:
            msg = f"expected scoring.profile equal, owner or custom, found {profile!r}"
            raise SettingsError(msg)
        candles = CandleSettings()
        if timeframes is not None:
            shares = _normalised("scoring.timeframes", tuple(Timeframe), timeframes)
            candles = CandleSettings(timeframes=shares)
        return cls(profile=profile, weights=weights, coverage_floor=coverage_floor, candles=candles)

    @cached_property
    def ordered_weights(self) -> tuple[float, ...]:
        """The weights in the order of ComponentName."""
        return tuple(self.weights[name] for name in ComponentName)

    @cached_property
    def hash(self) -> str:
        """First 12 hex digits of SHA-256 over the canonical JSON of everything here."""
        content = {
            "version": SCORING_VERSION,
            "profile": self.profile,
            "weights": {str(name): self.weights[name] for name in ComponentName},
            "coverage_floor": self.coverage_floor,
            "rho0": {"-".join(sorted(pair)): value for pair, value in self.rho0.items()},
            "component_rho": {str(name): COMPONENT_RHO[name] for name in ComponentName},
            "timeframes": {str(each): self.candles.timeframes[each] for each in Timeframe},
            "candles": [
                self.candles.window,
                self.candles.minimum,
                self.candles.minimum_sizes,
            ],
            "stream_limits": [
                self.stream_limits.capacity,
                self.stream_limits.minimum,
                self.stream_limits.minimum_sizes,
            ],
            "direction": [
                self.direction.enter,
                self.direction.leave,
                self.direction.confirmations,
                self.direction.minimum_seconds,
            ],
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


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
