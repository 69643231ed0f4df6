"""P2: messages a second through a socket on one core, against CCXT as shipped.

A server in a process of its own sends the same frames as fast as they are taken; each client
connects, subscribes and follows book, trades and ticker of one market. Counted is the CPU time of
the client alone. Run: python tests/benchmarks/bench_socket.py
"""

import asyncio
import gc
import multiprocessing
import os
import random
import time
from collections.abc import Sequence
from contextlib import aclosing
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import uvloop
from aiohttp import web
from ccxt.pro.bybit import bybit

from benchmarks.bench_frames import BTC, DEFAULT_RECORDINGS, DEPTH, RECORDING, market, transcoded
from benchmarks.report import Row
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.bybit.settings import BybitSettings, Patience
from virtuoso.adapters.feed.bybit.stream import BybitFeed
from virtuoso.domain.market_data import MarketEvent
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action

ROUNDS = 3
TARGET = ">= 8"
DEADLINE_SECONDS = 120.0
LAST = "the last trade"
PACED = "/paced"
PAUSE_SECONDS = 0.0005
"""Between two frames, where they come one by one as they do in life; otherwise in floods, in which
a client that takes the newest state only is spared most of its work."""
TOPICS = (f"orderbook.{DEPTH}.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT")
REPEATS = 5
"""The frames begin with snapshots, so that they can follow themselves."""

Json = dict[str, Any]


class Cost(NamedTuple):
    """What a client needed for all frames, in seconds."""

    cpu: float
    wall: float


def mixture(kinds: dict[str, list[bytes]]) -> list[bytes]:
    """Books, trades and tickers in turn, as many of each."""
    in_turn = zip(kinds["book"], kinds["trades"], kinds["tickers"], strict=False)
    return [frame for each in in_turn for frame in each]


def retimed(frames: list[bytes], now: int) -> list[str]:
    """The frames as if pushed now, several times over; a last trade that is known by its id."""
    told = []
    for number, frame in enumerate([*frames * REPEATS, frames[1]]):
        content = msgspec.json.decode(frame)
        content["ts"] = now
        if "cts" in content:
            content["cts"] = now
        if isinstance(content["data"], list):
            is_last = number == len(frames) * REPEATS
            content["data"] = [
                row | {"T": now, "i": LAST if is_last else f"{row['i']}-{number // len(frames)}"}
                for row in content["data"][: 1 if is_last else None]
            ]
        told.append(msgspec.json.encode(content).decode())
    return told


async def _serve(frames: Sequence[bytes], pipe: Connection) -> None:
    """Acknowledge everything, and send all frames once all three topics are asked for."""

    async def handle(request: web.Request) -> web.WebSocketResponse:
        pause = PAUSE_SECONDS if PACED in request.path else 0.0
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        asked: set[str] = set()
        begun: asyncio.Task[None] | None = None
        async for message in socket:
            content = msgspec.json.decode(message.data)
            answer = {"success": True, "ret_msg": "", "op": content["op"]}
            if content["op"] == "ping":
                answer["ret_msg"] = "pong"
            await socket.send_json(answer | {"req_id": content.get("req_id", "")})
            asked.update(content.get("args", []))
            if begun is None and asked.issuperset(TOPICS):
                begun = asyncio.create_task(send(socket, pause))
        return socket

    async def send(socket: web.WebSocketResponse, pause: float) -> None:
        due = time.perf_counter()
        for text in retimed(list(frames), time.time_ns() // 1_000_000):
            await socket.send_str(text)
            due += pause
            while pause and time.perf_counter() < due:  # noqa: ASYNC110 - a pace, not a wait
                await asyncio.sleep(0)

    app = web.Application()
    app.router.add_get("/v5/public/linear", handle)
    app.router.add_get(f"{PACED}/v5/public/linear", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send(runner.addresses[0][1])
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await runner.cleanup()


def serve(frames: Sequence[bytes], pipe: Connection) -> None:
    """Run the server until it is told to end."""
    asyncio.run(_serve(frames, pipe))


async def ours(url: str) -> Cost:
    """Our feed, door and book."""
    patience = Patience(silence=60, silence_without_canary=60, snapshot=60, quote=60)
    settings = BybitSettings(url=url, book_depth=DEPTH, patience=patience)
    rng = random.Random(7)  # noqa: S311 - not for secrets
    feed = BybitFeed(settings, SystemClock(), rng)
    door, book, accept = Door([BTC]), OrderBook(), Action.ACCEPT
    refused = 0
    begin: tuple[float, float] | None = None
    async with asyncio.timeout(DEADLINE_SECONDS), aclosing(feed.events([BTC])) as events:  # type: ignore[type-var]
        async for batch in events:
            for event in batch:
                if not isinstance(event, MarketEvent):
                    continue
                if begin is None:
                    begin = time.process_time(), time.perf_counter()
                if door.judge(event, book).action is not accept:
                    refused += 1
                if getattr(event.data, "id", None) == LAST:
                    assert refused == 0, door.counters
                    return Cost(time.process_time() - begin[0], time.perf_counter() - begin[1])
    message = "expected the last trade, found the end"
    raise AssertionError(message)


async def theirs(url: str) -> Cost:
    """CCXT's three loops, as its manual writes them."""
    library: Any = bybit({"options": {"tradesLimit": 1_000}})
    library.set_markets([market()])
    library.urls["api"]["ws"] = {"public": {"linear": url, "spot": url}}
    symbol = "BTC/USDT:USDT"
    begin: tuple[float, float] | None = None

    async def follow_book() -> None:
        while True:
            await library.watch_order_book(symbol, DEPTH)

    async def follow_ticker() -> None:
        while True:
            await library.watch_ticker(symbol)

    async def follow_trades() -> None:
        nonlocal begin
        while True:
            trades = await library.watch_trades(symbol)
            if begin is None:
                begin = time.process_time(), time.perf_counter()
            if trades[-1]["id"] == LAST:
                return

    others = [asyncio.create_task(follow_book()), asyncio.create_task(follow_ticker())]
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await follow_trades()
        assert begin is not None
        return Cost(time.process_time() - begin[0], time.perf_counter() - begin[1])
    finally:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await library.close()


def measured(client: Any, url: str) -> Cost:  # noqa: ANN401 - one of the two above
    """Run a client in a loop of its own: ours as our program runs, CCXT as shipped."""
    gc.collect()
    factory = uvloop.new_event_loop if client is ours else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        cost: Cost = runner.run(client(url))
        return cost


def rows(count: int = ROUNDS) -> list[Row]:
    """How many times as many messages a second of one core."""
    recordings = Path(os.environ.get("VIRTUOSO_RECORDINGS") or DEFAULT_RECORDINGS)
    frames = mixture(transcoded(recordings / RECORDING))
    ours_end, server_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(frames, server_end))
    server.start()
    try:
        base = f"ws://127.0.0.1:{ours_end.recv()}"
        return [
            _compare("P2 one by one", f"{base}{PACED}/v5/public/linear", len(frames), count),
            _compare("P2 in floods", f"{base}/v5/public/linear", len(frames), count),
        ]
    finally:
        ours_end.send(None)
        server.join(10)


def _compare(name: str, url: str, frames: int, count: int) -> Row:
    ratios, rates = [], []
    for number in range(count):
        order = (ours, theirs) if number % 2 else (theirs, ours)
        costs = {client: measured(client, url) for client in order}
        ratios.append(costs[theirs].cpu / costs[ours].cpu)
        rates.append(frames * REPEATS / costs[ours].cpu)
    return Row(
        name=name,
        what=f"{frames * REPEATS} frames through a socket, {median(rates):,.0f} a second of CPU",
        reference="CCXT's watch loops on the same frames",
        ratio=median(ratios),
        target=TARGET,
        spread=f"{min(ratios):.1f} to {max(ratios):.1f}",
    )


if __name__ == "__main__":
    for row in rows():
        print(  # noqa: T201 - a report
            f"{row.name:12} {row.ratio:6.2f} {row.target:8} ({row.spread}) {row.what}"
        )
