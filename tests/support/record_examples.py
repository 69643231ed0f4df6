"""Records what the OpenAPI documents show as examples, from a running Virtuoso.

Run: cd tests && python -m support.record_examples http://127.0.0.1:8003
Lists are cut to their first rows: an example shows a shape, and says SIMULATED by its source.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import httpx

FILE: Final = Path(__file__).parents[2] / "src" / "virtuoso" / "wire" / "examples.json"
ROWS: Final = 2
ADDRESSES: Final = {
    "SymbolsPage": "/api/symbols?per_page=1",
    "SymbolDetail": "/api/symbols/BTCUSDT",
    "CandlesDocument": "/api/symbols/BTCUSDT/candles?limit=2",
    "ScoreHistoryDocument": "/api/symbols/BTCUSDT/scores?limit=2",
    "OrderBookDocument": "/api/symbols/BTCUSDT/orderbook",
    "TradesDocument": "/api/symbols/BTCUSDT/trades?limit=2",
    "LiquidationsDocument": "/api/symbols/BTCUSDT/liquidations?limit=2",
    "DerivativesDocument": "/api/symbols/BTCUSDT/derivatives",
    "OverviewDocument": "/api/market/overview",
    "MoversAnswer": "/api/market/movers?limit=2",
    "BitcoinBetaDocument": "/api/bitcoin-beta",
    "HealthDocument": "/health",
    "StoredScoresDocument": "/api/symbols/BTCUSDT/scores/history?components=true",
    "DerivativesHistoryDocument": "/api/symbols/BTCUSDT/derivatives/history",
    "RecordedBoard": "/api/history/board?at=",
    "RecordedOverviewDocument": "/api/history/overview",
    "AlertList": "/api/alerts",
    "RulesDocument": "/api/alerts/rules",
    "ConfigDocument": "/api/config",
    "VersionsDocument": "/api/config/versions",
    "SignalsPage": "/api/signals?limit=1",
    "SignalStatistics": "/api/signals/statistics",
    "PatternsDocument": "/api/patterns",
}
FIXED: Final = {"components", "coverage_floor", "rho", "weights", "levels_known"}
"""Fields whose rows are a fixed set."""


def cut(value: Any, name: str = "") -> Any:  # noqa: ANN401 (JSON)
    """Leave of each list its first rows."""
    if isinstance(value, dict):
        return {key: cut(each, key) for key, each in value.items()}
    if isinstance(value, list):
        is_row = any(each is None or isinstance(each, int | float) for each in value)
        kept = value if is_row or name in FIXED else value[:ROWS]
        return [cut(each) for each in kept]
    return value


def main() -> None:
    """Ask for every document, and write the file."""
    with httpx.Client(base_url=sys.argv[1], trust_env=False, timeout=20) as client:
        now = client.get("/health").json()["timestamp"]
        paths = {name: path + now * path.endswith("=") for name, path in ADDRESSES.items()}
        found = {name: cut(client.get(path).json()) for name, path in paths.items()}
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
