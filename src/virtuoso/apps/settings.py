"""The settings tree: defaults, a local file, the environment; read once, frozen, typos refused."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from virtuoso.apps.security_settings import SecuritySettings, read_secret, write_secret
from virtuoso.apps.settings_file import refuse_writable
from virtuoso.domain.errors import SettingsError
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


ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "APP_PORT": ("app", "port"),
    "MONITORING_PORT": ("app", "monitoring_port"),
    "DEBUG": ("app", "debug"),
    "CACHE_TYPE": ("cache", "type"),
    "MEMCACHED_HOST": ("cache", "memcached_host"),
    "MEMCACHED_PORT": ("cache", "memcached_port"),
    "REDIS_HOST": ("cache", "redis_host"),
    "REDIS_PORT": ("cache", "redis_port"),
    "VIRTUOSO_STATE_DIR": ("state", "dir"),
    "VIRTUOSO_STORE_URL": ("store", "url"),
    "VIRTUOSO_READ_TOKEN": ("security", "read_token"),
    "VIRTUOSO_WRITE_TOKEN": ("security", "write_token"),
    "VIRTUOSO_PASSWORD_HASH": ("security", "password_hash"),
    "VIRTUOSO_ALLOW_ROOT": ("security", "allow_root"),
}
"""Environment variables that set one key each."""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        msg = f"expected a settings file at {path}, found none that can be read: {error.strerror}"
        raise SettingsError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"expected TOML in {path}, found: {error}"
        raise SettingsError(msg) from error


def default_path() -> Path:
    """Where the defaults stand, with a line on each."""
    packaged = Path(str(resources.files("virtuoso.apps"))) / "default.toml"
    if packaged.is_file():
        return packaged
    return Path(__file__).parents[3] / "config" / "default.toml"


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            merged[key] = _merge(known, value)
        else:
            merged[key] = value
    return merged


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, (table, key) in ENVIRONMENT.items():
        text = environment.get(name, "").strip()
        if not text:
            continue
        value: Any = text
        if name.endswith("_PORT"):
            if not text.isdecimal():
                msg = f"expected a port number in {name}, found {text[:20]!r}"
                raise SettingsError(msg)
            value = int(text)
        elif name in {"DEBUG", "VIRTUOSO_ALLOW_ROOT"}:
            value = text not in {"0", "false", "no"}
        tree.setdefault(table, {})[key] = value
    return tree


def default_settings() -> Settings:
    """What is set without any file or variable of the user's."""
    return msgspec.convert(_read_toml(default_path()), Settings, dec_hook=read_secret)


def local_path(file: Path | None) -> Path:
    """Give the file of the user's settings: the one that was named, or config/local.toml."""
    return default_path().with_name("local.toml") if file is None else file


def load_settings(
    file: Path | None,
    environment: Mapping[str, str],
    saved: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the tree: defaults, `file` (or config/local.toml if there), `saved`, the environment.

    `saved` is the tree of the version that was saved over the API, if one was.

    Raises SettingsError, which names the key, what was expected and what was found.
    """
    return settings_of(joined(trees(file, environment, saved or {}).values()))


def trees(
    file: Path | None, environment: Mapping[str, str], saved: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """What each place says, by its name, the weakest first. Raises SettingsError."""
    local = local_path(file)
    user: Mapping[str, Any] = {}
    if file is not None or local.is_file():
        refuse_writable(local)
        user = _read_toml(local)
    if "symbols" in saved.get("scoring", {}) and isinstance(user.get("scoring"), dict):
        # exceptions are saved as a whole, so that one of the file can be taken away
        user = {**user, "scoring": {k: v for k, v in user["scoring"].items() if k != "symbols"}}
    return {
        "default": _read_toml(default_path()),
        "file": user,
        "version": saved,
        "environment": _from_environment(environment),
    }


def joined(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One tree of all: the later ones win."""
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = _merge(tree, layer)
    return tree


def settings_of(tree: Mapping[str, Any]) -> Settings:
    """Check a whole tree. Raises SettingsError, as above."""
    try:
        settings = msgspec.convert(tree, Settings, dec_hook=read_secret)
    except msgspec.ValidationError as error:
        msg = f"a setting is wrong: {error}{_found_at(str(error), tree)}"
        raise SettingsError(msg) from None
    settings.security.check()
    return settings


def with_port(settings: Settings, command: str, port: int | None) -> Settings:
    """The settings with another port for `web` or `monitor`; None changes nothing."""
    if port is None:
        return settings
    name = "port" if command == "web" else "monitoring_port"
    app = msgspec.structs.replace(settings.app, **{name: port})
    return msgspec.structs.replace(settings, app=app)


_PLACE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`")
_OF_A_SYMBOL = "scoring.symbols[...]"


def _found_at(error: str, tree: Mapping[str, Any]) -> str:
    """Say what stands at the place that an error of msgspec names."""
    match = _PLACE.search(error)
    if match is None:
        return ""
    place = match[1]
    if place.startswith("security"):
        # a secret may stand there, and is not repeated
        return ""
    found: Any = tree
    which = ""
    if place.startswith(_OF_A_SYMBOL):
        place = place.removeprefix(_OF_A_SYMBOL)
        which, found = _wrong_symbol(tree["scoring"]["symbols"])
    for key in filter(None, place.removesuffix("[...]").split(".")):
        if not isinstance(found, dict) or key not in found:
            return which
        found = found[key]
    if not isinstance(found, dict):
        return f"{which}, found {found!r:.80}"
    if "unknown field" in error:
        return f"{which}, found {', '.join(map(str, found)):.200}"
    few = [f"{key} = {value!r}" for key, value in found.items() if not isinstance(value, dict)]
    return f"{which}, found {', '.join(few):.200}"


def _wrong_symbol(symbols: Mapping[str, Any]) -> tuple[str, Any]:
    """Find the first symbol whose table is wrong: which, in words, and the table."""
    for symbol, table in symbols.items():
        try:
            msgspec.convert(table, SymbolScoringSettings)
        except msgspec.ValidationError:
            return f" of {symbol:.40}", table
    return "", {}


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
