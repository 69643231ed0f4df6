"""The settings tree: read once, frozen, typos refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from virtuoso.apps.security_settings import SecuritySettings, write_secret
from virtuoso.domain.scores import ComponentName
from virtuoso.domain.time import Timeframe

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=500)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Deadline = Annotated[int, msgspec.Meta(ge=10, le=10_000)]
Life = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Weight = Annotated[float, msgspec.Meta(ge=0, le=1_000)]


class AppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the two servers listen."""

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    port: Port
    monitoring_port: Port
    debug: bool

    @property
    def address(self) -> str:
        """The host as an address: `localhost` may resolve to IPv6, ours is the IPv4 loopback."""
        return "127.0.0.1" if self.host == "localhost" else self.host


class UniverseSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which symbols are watched."""

    size: Count
    pinned: tuple[str, ...]
    refresh_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)]


class FeedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the venues are reached."""

    secondary: Literal["", "binance", "bybit"]
    book_depth: Literal[50, 200]
    bybit_rest: str
    bybit_stream: str
    binance_rest: str
    binance_stream: str
    ccxt_url: str


Profile: TypeAlias = Literal["equal", "owner", "custom"]
Points = Annotated[float, msgspec.Meta(gt=0, lt=50)]
Confirmations = Annotated[int, msgspec.Meta(ge=1, le=60)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=60)]
Values = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
StreamValues = Annotated[int, msgspec.Meta(ge=1, le=7_200)]


class DirectionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the direction changes."""

    enter: Points
    leave: Points
    confirmations: Confirmations
    minimum_seconds: Seconds


class WindowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many values a value is ranked among, and how many it takes before it is ranked."""

    candles: Values
    candles_minimum: Values
    candles_minimum_sizes: Values
    stream: StreamValues
    stream_minimum: StreamValues
    stream_minimum_sizes: StreamValues


class SymbolDirectionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When one symbol's direction changes; what is not named is as for all."""

    enter: Points | None = None
    leave: Points | None = None
    confirmations: Confirmations | None = None
    minimum_seconds: Seconds | None = None


class SymbolScoringSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one symbol is scored; what is not named is as for all."""

    profile: Profile | None = None
    coverage_floor: Share | None = None
    weights: dict[ComponentName, Weight] = {}
    timeframes: dict[Timeframe, Weight] = {}
    direction: SymbolDirectionSettings = SymbolDirectionSettings()


class ScoringSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the six components are weighed, and when what is believed."""

    profile: Profile
    coverage_floor: Share
    weights: dict[ComponentName, Weight]
    timeframes: dict[Timeframe, Weight]
    direction: DirectionSettings
    windows: WindowSettings
    symbols: Annotated[dict[str, SymbolScoringSettings], msgspec.Meta(max_length=500)] = {}


class CacheSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is published, where, and for how long."""

    type: Literal["auto", "memory", "memcached", "redis"]
    items: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)]
    ttl_seconds: Annotated[int, msgspec.Meta(ge=5, le=600)]
    order: tuple[Literal["memcached", "redis"], ...]
    near_seconds: Annotated[int, msgspec.Meta(ge=0, le=45)]
    compress_above_bytes: Annotated[int, msgspec.Meta(ge=0, le=16_777_216)]
    waiting: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)]
    patience_ms: Annotated[int, msgspec.Meta(ge=0, le=1_000)]
    memcached_host: str
    memcached_port: Port
    memcached_socket: str
    memcached_pool: Annotated[int, msgspec.Meta(ge=2, le=20)]
    memcached_timeout_ms: Deadline
    memcached_seconds: tuple[Life, Life]
    redis_host: str
    redis_port: Port
    redis_socket: str
    redis_pool: Annotated[int, msgspec.Meta(ge=2, le=20)]
    redis_timeout_ms: Deadline
    redis_seconds: tuple[Life, Life]
    redis_factor: Annotated[float, msgspec.Meta(ge=1, le=20)]


class BrokerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one process tells another that something changed."""

    type: Literal["redis", "none"]


class WriterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one engine that writes."""

    lease_seconds: Annotated[int, msgspec.Meta(ge=3, le=60)]


class WebSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of the websocket."""

    max_clients: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    max_clients_per_ip: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class SimulatorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The simulated venue."""

    port: Port
    seed: Annotated[int, msgspec.Meta(ge=0)]
    symbols: Count


class StateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What outlives the process."""

    dir: str

    def folder(self, environment: Mapping[str, str]) -> Path:
        """Give the folder: as set, or the one for the state of programs under XDG's rules."""
        if self.dir:
            return Path(self.dir).expanduser()
        base = environment.get("XDG_STATE_HOME", "")
        # a relative path there is to be ignored, says the rule
        home = Path(base) if Path(base).is_absolute() else Path("~/.local/state").expanduser()
        return home / "virtuoso"


Days = Annotated[float, msgspec.Meta(ge=0.1, le=36_500)]


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """History, signals and alerts on disk."""

    enabled: bool
    url: str
    score_seconds: Annotated[int, msgspec.Meta(ge=10, le=300)]
    derivatives_seconds: Annotated[int, msgspec.Meta(ge=60, le=3_600)]
    fine_days: Days
    middle_days: Days
    coarse_days: Annotated[float, msgspec.Meta(ge=0, le=36_500)]
    minute_candle_days: Days
    five_minute_candle_days: Days
    delivery_days: Days
    backup_hours: Annotated[float, msgspec.Meta(ge=0, le=8_760)]
    backups: Annotated[int, msgspec.Meta(ge=1, le=100)]


class AlertSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is told, and from which sizes on; where to is told by secrets of the environment."""

    enabled: bool
    send_simulated: bool
    report_hours: Literal[0, 1, 2, 3, 4, 6, 8, 12, 24]
    large_trade_usdt: Annotated[float, msgspec.Meta(ge=0, le=1e12)]
    large_liquidation_usdt: Annotated[float, msgspec.Meta(ge=0, le=1e12)]


Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Megabytes = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


FeePercent = Annotated[float, msgspec.Meta(ge=0, le=5)] | Literal["unknown"]


class SignalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What results of signals are reckoned after, percent of the turnover each way."""

    bybit_taker_fee_percent: FeePercent
    binance_taker_fee_percent: FeePercent
    other_taker_fee_percent: FeePercent


class MonitoringSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on the monitor warns of a figure, and from where on it fails."""

    cpu_warn: Annotated[float, msgspec.Meta(ge=0, le=64)]
    memory_warn_mb: Megabytes
    memory_left_warn: Part
    memory_left_fail: Part
    disk_left_warn_mb: Megabytes
    disk_left_fail_mb: Megabytes
    loop_lag_warn_ms: Annotated[float, msgspec.Meta(ge=1, le=60_000)]
    loop_lag_fail_ms: Annotated[float, msgspec.Meta(ge=1, le=60_000)]
    tasks_warn: Annotated[float, msgspec.Meta(ge=1, le=1_000_000)]
    queue_warn: Part
    queue_fail: Part
    sockets_warn: Part
    alert_wait_warn_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)]
    alert_wait_fail_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)]
    budget_left_warn: Part


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole tree."""

    app: AppSettings
    universe: UniverseSettings
    feed: FeedSettings
    scoring: ScoringSettings
    cache: CacheSettings
    broker: BrokerSettings
    engine: WriterSettings
    web: WebSettings
    simulator: SimulatorSettings
    state: StateSettings
    store: StoreSettings
    alerts: AlertSettings
    signals: SignalSettings
    monitoring: MonitoringSettings
    security: SecuritySettings = SecuritySettings()


def with_port(settings: Settings, command: str, port: int | None) -> Settings:
    """The settings with another port for `web` or `monitor`; None changes nothing."""
    if port is None:
        return settings
    name = "port" if command == "web" else "monitoring_port"
    app = msgspec.structs.replace(settings.app, **{name: port})
    return msgspec.structs.replace(settings, app=app)


def builtins_of(settings: Settings) -> dict[str, Any]:
    """The tree in plain values; secrets are masked."""
    tree: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=write_secret)
    return tree


def differing_keys(before: Settings, after: Settings) -> tuple[str, ...]:
    """Name the keys whose values differ, such as `app.port`; a table counts as one where it is new.

    Tables within tables are looked into.
    """
    one, other = builtins_of(before), builtins_of(after)
    return tuple(sorted(_differing(one, other, "")))


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> Iterator[str]:
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differing(old, new, f"{path}{key}.")
        elif old != new:
            yield f"{path}{key}"
