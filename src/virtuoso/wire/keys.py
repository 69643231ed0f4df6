"""Every cache key and every channel. Writers and readers take them from here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import SECOND, Timeframe

SYMBOLS_PLAIN = "virtuoso:symbols"
"""The symbols document as plain JSON, for anyone who reads the cache by hand."""

SYMBOLS = "virtuoso:symbols:v1"
DASHBOARD = "virtuoso:dashboard:v1"
MOBILE = "virtuoso:mobile:v1"
BOARD = "virtuoso:board:v1"
ENGINE = "virtuoso:engine:v1"
BITCOIN_BETA_MATRIX = "virtuoso:bitcoin_beta_matrix:v1"
REFUSALS = "virtuoso:refusals:v1"
BITCOIN_BETA = "virtuoso:bitcoin_beta:v1"
CYCLES = "virtuoso:cycles:v1"
ALERTS = "virtuoso:alerts:v1"
SIGNALS = "virtuoso:signals:v1"
PATTERNS = "virtuoso:patterns:v1"
SPARKLINES = "virtuoso:sparklines:v1"
MOVERS = "virtuoso:movers:v1"
INPUTS = "virtuoso:inputs:v1"

PUSH = "virtuoso:push:v1"
"""Channel of `pushes.Push`: changed rows, and a heartbeat each second."""

CONFIG_ASK: Final = "virtuoso:config_ask:v1"
"""Channel of `config.ConfigRequest`, from who serves to the engine."""

CONFIG_ANSWER: Final = "virtuoso:config_answer:v1"
"""Channel of `asking.Answered`, back."""

ALERT_ASK: Final = "virtuoso:alert_ask:v1"
"""Channel of `alerts.AlertRequest`, from who serves to the engine."""

ALERT_ANSWER: Final = "virtuoso:alert_answer:v1"
"""Channel of `asking.Answered`, back."""

MONITOR_ASK: Final = "virtuoso:monitor_ask:v1"
"""Channel of `monitoring.HistoryRequest`, from who serves pages to the monitor."""

MONITOR_ANSWER: Final = "virtuoso:monitor_answer:v1"
"""Channel of `asking.Answered`, back."""

LOOKED: Final = "virtuoso:looked:v1"
"""Channel of `market.Looked`: which symbols somebody looks at."""

LEASE: Final = "virtuoso:lease:v1"
"""Names the one writer, `processes.Writer`, for as long as it renews it."""

MARK: Final = "virtuoso:mark:v1"
"""Lies on each server that nobody emptied since the engine looked: any value."""

LAST_GOOD: Final = "virtuoso:last:v1"
"""The last snapshot that was good, `processes.LastGood`; it outlives everything."""

LAST_GOOD_LIFE_MS: Final = 7 * 24 * 3_600 * SECOND

PROCESS: Final = "virtuoso:process:"
"""How the keys begin under which processes say that they live."""

PROCESS_SLOTS: Final = 16
"""How many web processes and monitors can say that they live."""

PLAIN: Final = frozenset({SYMBOLS_PLAIN})
"""Keys of bare JSON for people and foreign programs; ours never read them."""

BASE_LIFE_MS: Final = 30 * SECOND


KINDS_REMEMBERED: Final = 10_000
"""Keys of which it is known what they are."""


@dataclass(frozen=True, slots=True)
class KeyKind:
    """What lies under one key, or under one of each symbol."""

    thing: str
    """The word that counters and tables use."""
    pattern: str
    """The key, with {symbol}, {timeframe} or {slot} where it has them."""
    message: str
    """Class of `wire.messages` that is inside; a document's is in the body of a `Document`."""
    life_ms: int
    """Life in the first shared tier."""
    near_ms: int
    """Longest life in a reader's own memory; 0: always read where it is shared."""


KINDS: Final = (
    KeyKind("symbols_plain", SYMBOLS_PLAIN, "SymbolsDocument", 30 * SECOND, 0),
    KeyKind("symbols", SYMBOLS, "SymbolsDocument", 30 * SECOND, SECOND),
    KeyKind("dashboard", DASHBOARD, "DashboardDocument", 30 * SECOND, SECOND),
    KeyKind("mobile", MOBILE, "MobileDocument", 30 * SECOND, SECOND),
    KeyKind("board", BOARD, "BoardState", 30 * SECOND, 0),
    KeyKind("engine", ENGINE, "EngineStatus", 30 * SECOND, 0),
    KeyKind("refusals", REFUSALS, "RefusalsDocument", 30 * SECOND, 15 * SECOND),
    KeyKind("process", "virtuoso:process:{slot}:v1", "ProcessReport", 30 * SECOND, 0),
    KeyKind("bitcoin_beta", BITCOIN_BETA, "BitcoinBetaDocument", 60 * SECOND, 15 * SECOND),
    KeyKind(
        "bitcoin_beta_matrix",
        BITCOIN_BETA_MATRIX,
        "BetaMatrixDocument",
        60 * SECOND,
        15 * SECOND,
    ),
    KeyKind("cycles", CYCLES, "CyclesDocument", 30 * SECOND, SECOND),
    KeyKind("alerts", ALERTS, "AlertsDocument", 60 * SECOND, SECOND),
    KeyKind("signals", SIGNALS, "SignalsDocument", 60 * SECOND, SECOND),
    KeyKind("patterns", PATTERNS, "PatternsDocument", 60 * SECOND, 15 * SECOND),
    KeyKind("movers", MOVERS, "MoversDocument", 60 * SECOND, 15 * SECOND),
    KeyKind("inputs", INPUTS, "InputsDocument", 30 * SECOND, SECOND),
    KeyKind("symbol", "virtuoso:symbol:{symbol}:v1", "SymbolDetail", 30 * SECOND, 15 * SECOND),
    KeyKind(
        "candles",
        "virtuoso:candles:{symbol}:{timeframe}:v1",
        "CandlesDocument",
        60 * SECOND,
        15 * SECOND,
    ),
    KeyKind(
        "scores", "virtuoso:scores:{symbol}:v1", "ScoreHistoryDocument", 60 * SECOND, 15 * SECOND
    ),
    KeyKind("sparklines", SPARKLINES, "SparklinesDocument", 60 * SECOND, 15 * SECOND),
    KeyKind("tracks", "virtuoso:tracks:{symbol}:v1", "TracksDocument", 60 * SECOND, 15 * SECOND),
    KeyKind("orderbook", "virtuoso:orderbook:{symbol}:v1", "OrderBookDocument", 30 * SECOND, 0),
    KeyKind("trades", "virtuoso:trades:{symbol}:v1", "TradesDocument", 30 * SECOND, 0),
    KeyKind(
        "liquidations",
        "virtuoso:liquidations:{symbol}:v1",
        "LiquidationsDocument",
        30 * SECOND,
        0,
    ),
    KeyKind(
        "derivatives", "virtuoso:derivatives:{symbol}:v1", "DerivativesDocument", 30 * SECOND, 0
    ),
)

OTHER: Final = KeyKind("other", "", "", BASE_LIFE_MS, 15 * SECOND)
"""What a key of nobody's is taken for."""

_WHOLE: Final[Mapping[str, KeyKind]] = {
    kind.pattern: kind for kind in KINDS if "{" not in kind.pattern
}
_BY_START: Final[Mapping[str, KeyKind]] = {
    kind.pattern.split(":")[1]: kind for kind in KINDS if "{" in kind.pattern
}


@lru_cache(maxsize=KINDS_REMEMBERED)
def kind_of(key: str) -> KeyKind:
    """What lies under this key; OTHER when the key is none of ours."""
    if (kind := _WHOLE.get(key)) is not None:
        return kind
    words = key.split(":", 2)
    return _BY_START.get(words[1], OTHER) if len(words) == 3 else OTHER


def life_ms(key: str, base_ms: int = BASE_LIFE_MS) -> int:
    """Life in the first shared tier; with another base all lives change in proportion."""
    return kind_of(key).life_ms * base_ms // BASE_LIFE_MS


def symbol_detail(symbol: Symbol) -> str:
    """Key of one symbol's score taken apart."""
    return f"virtuoso:symbol:{symbol}:v1"


def candles(symbol: Symbol, timeframe: Timeframe) -> str:
    """Key of one symbol's candles."""
    return f"virtuoso:candles:{symbol}:{timeframe}:v1"


def score_history(symbol: Symbol) -> str:
    """Key of one symbol's recent scores."""
    return f"virtuoso:scores:{symbol}:v1"


def tracks(symbol: Symbol) -> str:
    """Key of what runs beside one symbol's candles."""
    return f"virtuoso:tracks:{symbol}:v1"


def order_book(symbol: Symbol) -> str:
    """Key of one symbol's order book."""
    return f"virtuoso:orderbook:{symbol}:v1"


def trades(symbol: Symbol) -> str:
    """Key of one symbol's last trades."""
    return f"virtuoso:trades:{symbol}:v1"


def liquidations(symbol: Symbol) -> str:
    """Key of one symbol's last liquidations."""
    return f"virtuoso:liquidations:{symbol}:v1"


def derivatives(symbol: Symbol) -> str:
    """Key of what one symbol's perpetual has beside its trades."""
    return f"virtuoso:derivatives:{symbol}:v1"


def process(slot: int) -> str:
    """Key of one process's word about itself, 0 to PROCESS_SLOTS - 1."""
    return f"{PROCESS}{slot}:v1"
