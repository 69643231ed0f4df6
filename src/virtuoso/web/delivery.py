"""What a phone and what a desk gets of the same document: how large, compressed or not, how long.

The device is told by `Sec-CH-UA-Mobile`, and where a browser does not say that, by `User-Agent`.
Every answer that depends on them names them in `Vary`. A document that is too large is cut, the
least needed first, and then says `truncated`; what is left of it is unchanged. A life is how long a
copy may be kept for when this server cannot be reached: numbers are asked for anew each time, which
costs a 304 where nothing changed, and no copy passes for the present (docs/adr/0038).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from virtuoso.web.answers import Answer
from virtuoso.wire import keys
from virtuoso.wire.documents import etag_of

JSON: Final = "application/json"
LEAST_RECORDS: Final = 10
"""Symbols that every view keeps, with all that their scores are made of."""
_MOVERS: Final = ("gainers", "top_gainers", "losers")
_RECORDS: Final = {
    keys.SYMBOLS: ("symbols",),
    keys.DASHBOARD: ("symbols",),
    keys.MOBILE: ("confluence_scores", "symbols", "top_symbols"),
}
"""Lists of all symbols, by document; those of one document are the same list."""


LENSES_ELSEWHERE: Final[Mapping[str, object]] = {
    "state": "absent",
    "as_of": None,
    "reason": "not_applicable",
    "basis": "see /api/symbols/{symbol}",
}
"""Quality of what was left out to make a record small."""


@dataclass(frozen=True, slots=True)
class Device:
    """How documents go to one kind of device."""

    name: str
    life_s: int
    most_bytes: int
    """Of a body before it is compressed: that is what a device must hold and read."""
    compressed: bool
    """Whether a client that does not say what it takes gets gzip, as RFC 9110 allows."""

    @property
    def cache_control(self) -> str:
        """Kept by the asker alone, asked for each time, shown without us for its life at most."""
        return f"private, max-age=0, stale-if-error={self.life_s}"


MOBILE: Final = Device("mobile", 60, 50_000, compressed=True)
DESKTOP: Final = Device("desktop", 30, 500_000, compressed=False)
VARY: Final = (b"vary", b"sec-ch-ua-mobile, user-agent")
"""Beside the encoding, which every answer names that has several."""
_WORDS: Final = (b"mobi", b"android", b"iphone", b"ipad", b"ipod")


@lru_cache(maxsize=256)
def device_of(agent: bytes, hint: bytes) -> Device:
    """The device of these values of User-Agent and Sec-CH-UA-Mobile; unknown ones are desks."""
    if hint in {b"?1", b"?0"}:
        return MOBILE if hint == b"?1" else DESKTOP
    lowered = agent.lower()
    return MOBILE if any(word in lowered for word in _WORDS) else DESKTOP


class Delivery:
    """Fits documents to devices. One cut of each is kept, until the document changes."""

    def __init__(self) -> None:
        self._fitted: dict[tuple[str, str], tuple[Answer, Answer]] = {}
        self.cut = 0
        """Documents that were too large for a device, so far."""

    def fit(self, key: str, whole: Answer, device: Device) -> Answer:
        """Give this document as this device gets it; an error is the same for all."""
        if whole.status != 200:
            return whole
        known = self._fitted.get((key, device.name))
        if known is not None and known[0] is whole:
            return known[1]
        body, etag = whole.body, whole.etag.decode("ascii")
        if len(body) > device.most_bytes:
            body = fitted(key, body, device.most_bytes)
            etag = etag_of(body)
            self.cut += 1
        answer = Answer(
            body,
            JSON,
            cache_control=device.cache_control,
            etag=etag,
            gzip_on_demand=True,
            extra=(VARY,),
        )
        self._fitted[key, device.name] = (whole, answer)
        return answer


def asked_encoding(accepted: bytes | None, device: Device) -> bytes:
    """What to compress for: what the client said, else what the device's policy is."""
    if accepted is not None:
        return accepted
    return b"gzip" if device.compressed else b""


def fitted(key: str, body: bytes, most_bytes: int) -> bytes:
    """Cut a document to a size, the least needed first, and say so in it.

    First goes what a record's `quality` says of fields that are as good as the record itself, then
    the records at the end of the lists, down to ten; then the lenses, which each symbol's own
    document has; and only where that is not enough, further symbols. What is null has its reason.
    """
    document = msgspec.json.decode(body, type=dict[str, Any])
    document["truncated"] = True
    records = _records_of(key, document)
    for record in records:
        record["quality"] = {
            field: said for field, said in record["quality"].items() if _says_more(said, record)
        }
    count, best = _most_records(key, document, most_bytes)
    if count < min(LEAST_RECORDS, len(document[_RECORDS[key][0]])):
        for record in records:
            _leave_lenses_out(record)
        _, best = _most_records(key, document, most_bytes)
    return best


def _most_records(key: str, document: dict[str, Any], most_bytes: int) -> tuple[int, bytes]:
    """As many symbols as fit, and the document with them."""
    lists = _RECORDS[key]
    every = document[lists[0]]
    low, high = 0, len(every)
    best = _with(document, lists, every, 0)
    while low < high:
        middle = (low + high + 1) // 2
        tried = _with(document, lists, every, middle)
        if len(tried) <= most_bytes:
            low, best = middle, tried
        else:
            high = middle - 1
    return low, best


def _with(document: dict[str, Any], lists: Iterable[str], every: list[Any], count: int) -> bytes:
    return msgspec.json.encode(document | dict.fromkeys(lists, every[:count]))


def _records_of(key: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every record of a document, wherever it stands."""
    lists = [document[name] for name in _RECORDS[key]]
    lists += [document[name] for name in _MOVERS if name in document]
    lists += (document.get("top_movers") or {}).values()
    return [record for each in lists for record in each]


def _says_more(said: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether a field's quality is another than its record's, which stands there anyway."""
    other_state = said.get("state") != record.get("state")
    return bool(said.get("reason") or said.get("basis") or other_state)


def _leave_lenses_out(record: dict[str, Any]) -> None:
    """Say of the lenses where they are."""
    if record.get("dimensions") is None:
        return
    record["dimensions"] = None
    kept = {
        field: said
        for field, said in record["quality"].items()
        if not field.startswith("dimensions.")
    }
    record["quality"] = kept | {"dimensions": LENSES_ELSEWHERE}
