"""Rows as InfluxDB line protocol, sent to any server that takes it (`/api/v2/write`).

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

import aiohttp
import structlog

from virtuoso.domain.history import (
    Gap,
    HistoryRow,
    KeptCandle,
    KeptDerivatives,
    KeptOverview,
    KeptScore,
)

log = structlog.get_logger()

ROOM: Final = 50_000
"""Lines that may wait; of more the oldest are dropped and counted."""
BATCH: Final = 5_000
DEADLINE_S: Final = 5.0
PAUSE_S: Final = (1.0, 30.0)

_ESCAPES: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": " "})


class InfluxSink:
    """Sends lines in batches, in order, and tries again while the server is away."""

    def __init__(self, url: str, token: str = "", bucket: str = "virtuoso") -> None:
        """`url` of the server, such as http://localhost:8086; `token` as it gave it."""
        self._url = f"{url.rstrip('/')}/api/v2/write"
        self._query = {"org": "virtuoso", "bucket": bucket, "precision": "ms"}
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._lines: deque[str] = deque(maxlen=ROOM)
        self._wake = asyncio.Event()
        self.dropped = 0
        self.sent = 0
        self.error: str | None = None

    def put(self, rows: Sequence[HistoryRow]) -> None:
        """Take rows; returns at once."""
        for row in rows:
            line = line_of(row)
            if line is not None:
                self.dropped += len(self._lines) == ROOM
                self._lines.append(line)
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        pause = PAUSE_S[0]
        timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._lines:
                    batch = [self._lines[n] for n in range(min(BATCH, len(self._lines)))]
                    before = self.dropped
                    trouble = await self._send(session, batch)
                    if trouble is None:
                        # what was dropped meanwhile was of this batch
                        for _ in range(len(batch) - (self.dropped - before)):
                            self._lines.popleft()
                        self.sent += len(batch)
                        pause = PAUSE_S[0]
                        self.error = None
                        continue
                    if self.error is None:
                        log.warning("series_not_sent", error=trouble)
                    self.error = trouble
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PAUSE_S[1])

    async def _send(self, session: aiohttp.ClientSession, lines: Sequence[str]) -> str | None:
        """Send some lines; gives what went wrong."""
        body = "\n".join(lines).encode()
        try:
            async with session.post(self._url, params=self._query, data=body) as answer:
                if answer.status < 300:
                    return None
                said = (await answer.content.read(200)).decode(errors="replace")
                return f"the server answered {answer.status}: {said}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"the server cannot be reached: {str(error) or type(error).__name__}"[:200]


def line_of(row: HistoryRow) -> str | None:
    """Write a row as one line; None where it has no number. What is absent is left out."""
    match row:
        case KeptScore(series=series, at=at):
            numbers = {
                "score": row.score,
                "z": row.z,
                "coverage": row.coverage,
                "confidence": row.confidence,
                "mid": row.mid,
                "price": row.price,
                "funding_8h": row.funding_8h,
            }
            for name, part in (row.components or {}).items():
                numbers[name.value] = part.score
            tags = {**series._asdict(), "definition": row.definition}
            return _line("virtuoso_score", tags, numbers, at)
        case KeptDerivatives(series=series, at=at):
            fields = {n: v for n, v in row._asdict().items() if n not in {"series", "at"}}
            return _line("virtuoso_derivatives", series._asdict(), fields, at)
        case KeptOverview(source=source, at=at):
            fields = {
                name: value
                for name, value in row._asdict().items()
                if name not in {"source", "at", "regime", "definition"}
            }
            return _line("virtuoso_market", {"source": source}, fields, at)
        case KeptCandle(series=series, candle=candle):
            numbers = {
                "open": candle.open,
                "high": candle.high,
                "low": candle.low,
                "close": candle.close,
                "volume": candle.volume,
            }
            tags = {**series._asdict(), "timeframe": candle.timeframe.value}
            return _line("virtuoso_candle", tags, numbers, candle.open_time)
        case Gap():
            return None


def _line(
    name: str, tags: Mapping[str, str], numbers: Mapping[str, float | None], at: int
) -> str | None:
    fields = ",".join(_fields(numbers))
    if not fields:
        return None
    marks = ",".join(f"{key}={str(value).translate(_ESCAPES)}" for key, value in tags.items())
    return f"{name},{marks} {fields} {at}"


def _fields(numbers: Mapping[str, float | None]) -> Iterator[str]:
    for name, value in numbers.items():
        if value is not None and isfinite(value):
            yield f"{name}={float(value)!r}"
