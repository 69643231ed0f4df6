"""Cuts of the dashboard's one document: whatever view is asked for, the numbers are the same."""

from typing import Any, Final

import msgspec

MOBILE_SYMBOLS: Final = 20


class _Overview(msgspec.Struct):
    """The part of the dashboard's document that `/api/market/overview` answers."""

    status: str
    timestamp: str
    as_of: int | None
    source: str
    data_source: str
    market_overview: msgspec.Raw
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class _Dashboard(msgspec.Struct):
    status: str
    timestamp: str
    as_of: int | None
    source: str
    data_source: str
    market_overview: msgspec.Raw
    symbols: list[msgspec.Raw]
    top_signals: msgspec.Raw
    alerts: list[dict[str, Any]]
    bitcoin_beta: msgspec.Raw
    quality: msgspec.Raw
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class _Scored(msgspec.Struct):
    symbol: str
    confluence_score: float | None


_scored = msgspec.json.Decoder(_Scored)
_dashboard = msgspec.json.Decoder(_Dashboard)
_overview = msgspec.json.Decoder(_Overview)


def overview_of(body: bytes) -> bytes:
    """The market as a whole, out of the dashboard's document."""
    return msgspec.json.encode(_overview.decode(body))


def mobile_of(body: bytes) -> bytes:
    """The phone's cut of the dashboard's document: the strongest symbols, critical alerts."""
    whole = _dashboard.decode(body)
    ranked = sorted(((_scored.decode(each), each) for each in whole.symbols), key=_by_pressure)
    critical = [each for each in whole.alerts if each.get("level") == "critical"]
    return msgspec.json.encode(
        {
            "status": whole.status,
            "timestamp": whole.timestamp,
            "as_of": whole.as_of,
            "source": whole.source,
            "data_source": whole.data_source,
            "market_overview": whole.market_overview,
            "symbols": [each for _, each in ranked[:MOBILE_SYMBOLS]],
            "confluence": {"top_signals": whole.top_signals},
            "alerts": critical,
            "beta": whole.bitcoin_beta,
            "quality": whole.quality,
            "truncated": len(ranked) > MOBILE_SYMBOLS,
            "reasons": whole.reasons,
            "epoch": whole.epoch,
            "seq": whole.seq,
        }
    )


def _by_pressure(pair: tuple[_Scored, msgspec.Raw]) -> tuple[bool, float, str]:
    """The order of `mobile-data`: strongest pressure first, without a score last."""
    scored = pair[0]
    if scored.confluence_score is None:
        return True, 0.0, scored.symbol
    return False, -abs(scored.confluence_score - 50.0), scored.symbol
