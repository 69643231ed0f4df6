"""Every cache key and every channel. Writers and readers take them from here and nowhere else."""

from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe

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

PUSH = "virtuoso:push:v1"
"""Channel of `messages.Push`: changed rows, and a heartbeat each second."""


def symbol_detail(symbol: Symbol) -> str:
    """Key of one symbol's score taken apart."""
    return f"virtuoso:symbol:{symbol}:v1"


def candles(symbol: Symbol, timeframe: Timeframe) -> str:
    """Key of one symbol's candles."""
    return f"virtuoso:candles:{symbol}:{timeframe}:v1"


def score_history(symbol: Symbol) -> str:
    """Key of one symbol's recent scores."""
    return f"virtuoso:scores:{symbol}:v1"
