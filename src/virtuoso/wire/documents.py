"""Published documents as a reader may still show them: as they are, marked as old, or not."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from virtuoso.domain.scores import State
from virtuoso.wire import keys
from virtuoso.wire.dashboards import MobileDocument
from virtuoso.wire.overview import MarketOverview

_FRESH_STATES: Final = frozenset({State.LIVE.value, State.DELAYED.value})
_LISTS_OF_MOBILE: Final = frozenset(
    {
        "alerts",
        "confluence_scores",
        "gainers",
        "top_gainers",
        "losers",
        "symbols",
        "top_symbols",
        "reasons",
    }
)


@dataclass(frozen=True, slots=True)
class Served:
    """Bytes for a client, and whether they can be relied on."""

    status: int
    """200, or 503 when there is nothing true to say."""
    body: bytes
    etag: str
    """Quoted, as HTTP writes it; empty for a 503."""
    reason: str | None
    """Why the document is degraded; None while it is as the engine published it."""


def etag_of(body: bytes) -> str:
    """A strong validator for these bytes, quoted."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def quoted(etag: str) -> str:
    """The engine's validator as HTTP writes it."""
    return etag if etag.startswith('"') else f'"{etag}"'


def degraded(body: bytes, reason: str) -> bytes:
    """Mark a document as old: status `degraded`, nothing in it live any more, and the reason why.

    The same document and reason give the same bytes. Raises msgspec.DecodeError for bytes that
    are no JSON object.
    """
    document = _aged_object(msgspec.json.decode(body, type=dict[str, Any]))
    document["status"] = "degraded"
    document["reasons"] = [*(document.get("reasons") or []), reason]
    return msgspec.json.encode(document)


def judged(body: bytes, now: int, reason: str) -> bytes:
    """Judge a document anew by the age of what is in it, `now` on the engine's clock.

    For documents whose parts say from which ages they are late. Raises msgspec.DecodeError.
    """
    document = msgspec.json.decode(body, type=dict[str, Any])
    document = {name: _judged(value, now) for name, value in document.items()}
    document = _rejudged(document, now, document.get("alive_at", document.get("as_of")))
    document["status"] = "degraded"
    if reason not in (reasons := document.get("reasons") or []):
        document["reasons"] = [*reasons, reason]
    return msgspec.json.encode(document)


def _judged(value: object, now: int) -> object:
    if not isinstance(value, dict):
        return value
    return _rejudged(value, now, value.get("as_of"))


def _rejudged(part: dict[str, Any], now: int, as_of: object) -> dict[str, Any]:
    """Worsen the state of one part to what its age says; it never gets better."""
    order = (State.LIVE.value, State.DELAYED.value, State.STALE.value)
    state, delayed, stale = part.get("state"), part.get("delayed_ms"), part.get("stale_ms")
    if state not in order or not isinstance(as_of, int):
        return part
    if not isinstance(delayed, int) or not isinstance(stale, int):
        return part
    age = now - as_of
    found = 0 if age <= delayed else 1 if age <= stale else 2
    return {**part, "state": order[max(found, order.index(state))]}


def _aged(value: object) -> object:
    if isinstance(value, list):
        return [_aged(item) for item in value]
    return _aged_object(value) if isinstance(value, dict) else value


def _aged_object(value: dict[str, Any]) -> dict[str, Any]:
    aged: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, str) and (name == "state" or name.endswith("_state")):
            aged[name] = _aged_state(item)
        elif isinstance(item, list) and name == "states":
            aged[name] = [_aged_state(each) for each in item]
        else:
            aged[name] = _aged(item)
    return aged


def _aged_state(value: object) -> object:
    """Say of what was fresh that it is stale."""
    if isinstance(value, str) and value in _FRESH_STATES:
        return State.STALE.value
    return value


def nothing(key: str, timestamp: str, reasons: tuple[str, ...]) -> bytes:
    """The body of a 503: an error and its reasons; the phone's keeps its keys, with nulls."""
    document: dict[str, Any] = {}
    if key == keys.MOBILE:
        document = {
            field: [] if field in _LISTS_OF_MOBILE else None
            for field in MobileDocument.__struct_fields__
        }
        overview: dict[str, Any] = dict.fromkeys(MarketOverview.__struct_fields__)
        document["market_overview"] = {**overview, "quality": {}}
        document["top_movers"] = {"gainers": [], "losers": []}
        document["quality"] = {}
        document["truncated"] = False
    document |= {
        "status": "error",
        "error": "; ".join(reasons),
        "timestamp": timestamp,
        "reasons": list(reasons),
    }
    return msgspec.json.encode(document)
