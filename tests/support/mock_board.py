"""A server of the built pages whose board does what a test tells it: many rows, fast, or silent."""

import asyncio
import json
import math
import mimetypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from virtuoso.web.pages import SHELLS, STATIC

LIMITS = {
    "heartbeat_ms": 3_000,
    "price_delayed_ms": 2_000,
    "price_stale_ms": 5_000,
    "coverage_floor": 0.5,
}
FRAMES = 16
NOW = "@now"
"""Where the present time goes in rows that were made before."""


def row_of(number: int, frame: int) -> list[Any]:
    """Make one row; no value stays the same from frame to frame, every seventh has no score."""
    wave = math.sin(number * 1.7)
    score = None if number % 7 == 3 else round(50 + 45 * wave + math.sin(number + frame) / 2, 2)
    parts = [round(50 + 40 * math.sin(number + frame + each), 2) for each in range(6)]
    direction = None if score is None else "Bullish" if wave > 0.3 else "Bearish"
    missing = number % 5 == 2
    return [
        number,
        score,
        "warming_up" if score is None else None,
        None if score is None else round(30 + 25 * wave, 1),
        direction if direction is None or abs(wave) > 0.3 else "Neutral",
        [None, *parts[1:]] if missing else parts,
        ["gap", None, None, None, None, None] if missing else None,
        round((number + 1) * (1 + 0.001 * frame), 6),
        round(5 * wave + frame / 100, 4),
        1e9 / (number + 1) + frame,
        0.0001 * wave,
        round(2 * wave + frame / 50, 4),
        None if number % 2 else round(3 * wave + frame / 20, 2),
        None,
        NOW,
        NOW,
        score,
        0.42 if score is None else 1.0,
        "absent" if score is None else "live",
        "live",
        None,
        "technical 4h",
    ]


@dataclass
class _Sent:
    """What one page was sent last."""

    seq: int = 1


@dataclass
class MockBoard:
    """What the server says; fields may be changed while it runs."""

    names: list[str]
    hz: float = 0.0
    """Updates a second, each of all rows; 0: the snapshot and heartbeats only."""
    silent: bool = False
    """Says nothing more, and keeps the sockets open."""
    frozen: bool = False
    """Prices stop while heartbeats go on."""
    port: int = 0
    updates: int = 0
    """Updates sent since the start."""
    static: Path = STATIC
    """Where the pages lie."""
    asked: list[str] = field(default_factory=list)
    """Paths that were asked for."""
    _frozen_at: int | None = None

    def __post_init__(self) -> None:
        frames = [[row_of(n, f) for n in range(len(self.names))] for f in range(FRAMES)]
        self._frames = [json.dumps(rows) for rows in frames]

    @property
    def url(self) -> str:
        """Address of the desktop page."""
        return f"http://127.0.0.1:{self.port}"

    def _head(self, kind: str, seq: int) -> str:
        now = time.time_ns() // 1_000_000
        return f'{{"type":"{kind}","epoch":"one","seq":{seq},"now":{now},"source":"simulator"'

    def _rows(self, frame: int) -> str:
        now = time.time_ns() // 1_000_000
        if self.frozen:
            self._frozen_at = self._frozen_at or now
            now = self._frozen_at
        return self._frames[frame % FRAMES].replace(f'"{NOW}"', str(now))

    def snapshot(self, seq: int) -> str:
        """Everything there is."""
        symbols = [
            {"row": n, "symbol": name, "venue": "bybit", "source": "simulator"}
            | {"definition": "", "coverage_floor": None}
            for n, name in enumerate(self.names)
        ]
        rest = f'"limits":{json.dumps(LIMITS)},"cells":[],"symbols":{json.dumps(symbols)}'
        end = '"notices":[],"replay":null,"unknown":[]'
        return f'{self._head("snapshot", seq)},{rest},"rows":{self._rows(seq)},{end}}}'

    async def talk(self, socket: ServerConnection) -> None:
        """Answer one page until it goes."""
        await socket.recv()
        sent = _Sent()
        await socket.send(self.snapshot(sent.seq))
        told = asyncio.create_task(self._listen(socket, sent))
        beat = 0.0
        try:
            while True:
                await asyncio.sleep(1 / self.hz if self.hz else 0.25)
                if self.silent:
                    continue
                if self.hz:
                    sent.seq += 1
                    self.updates += 1
                    rows = f'"previous":{sent.seq - 1},"rows":{self._rows(sent.seq)}'
                    await socket.send(f'{self._head("update", sent.seq)},{rows},"notices":null}}')
                if time.monotonic() - beat >= 1.0:
                    beat = time.monotonic()
                    await socket.send(f'{self._head("heartbeat", sent.seq)},"engine_ms":10}}')
        except ConnectionClosed:
            pass
        finally:
            told.cancel()

    async def _listen(self, socket: ServerConnection, sent: "_Sent") -> None:
        async for text in socket:
            said = json.loads(text)
            if said["type"] == "ping" and not self.silent:
                await socket.send(json.dumps({"type": "pong", "id": said["id"]}))
            if said["type"] == "resync" and not self.silent:
                await socket.send(self.snapshot(sent.seq))

    def answer(self, _socket: ServerConnection, request: Request) -> Response | None:
        """Answer what is no socket: files of the pages, and the few documents a board asks for."""
        parts = urlsplit(request.path)
        self.asked.append(request.path)
        if parts.path == "/ws":
            return None
        if parts.path == "/api/board":
            return _response("application/json", self.snapshot(1).encode())
        if parts.path.startswith("/api/"):
            return _response("application/json", json.dumps(self._document(parts)).encode())
        path = self.static / SHELLS.get(parts.path, parts.path.lstrip("/"))
        if not path.is_file():
            return _response("text/plain", b"", HTTPStatus.NOT_FOUND)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return _response(kind, path.read_bytes())

    def _document(self, parts: SplitResult) -> dict[str, Any]:
        if parts.path == "/api/sparklines":
            names = parse_qs(parts.query).get("symbols", [""])[0].split(",")
            line = [round(50 + 40 * math.sin(each)) for each in range(48)]
            return {"lines": [[name, 1.0, 2.0, line, line[:40], 0] for name in names]}
        if parts.path == "/api/market/overview":
            return {"market_overview": {"quality": {}}}
        return {"version": "0", "feast": None, "prayer": "", "dedication": "", "parts": []}


def _response(kind: str, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    headers = Headers([("Content-Type", kind), ("Content-Length", str(len(body)))])
    headers["Connection"] = "close"
    return Response(status, status.phrase, headers, body)


@contextmanager
def mock_board(names: list[str], hz: float = 0.0, static: Path = STATIC) -> Iterator[MockBoard]:
    """Serve in a thread of its own until the block is left."""
    mock = MockBoard(names, hz, static=static)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def open_server() -> Server:
        return await serve(mock.talk, "127.0.0.1", 0, process_request=mock.answer, compression=None)

    server = asyncio.run_coroutine_threadsafe(open_server(), loop).result(10)
    mock.port = server.sockets[0].getsockname()[1]
    try:
        yield mock
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _end(server: Server) -> None:
    server.close()
    await server.wait_closed()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    # a transport closes in one turn of the loop, and its socket in the next
    for _ in range(3):
        await asyncio.sleep(0)
