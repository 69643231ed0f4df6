"""P8, P9, P10: reads of the cache tiers, against a dictionary and against a raw socket."""

import asyncio
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from itertools import chain, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import uvloop

from benchmarks.report import Row
from support.servers import Server, memcached
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.shared import without_life
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.testing import wire_messages as make
from virtuoso.wire import keys
from virtuoso.wire.codec import OPENED_REMEMBERED, Codec, Secret
from virtuoso.wire.messages import Document

ROUNDS = 25
READS = 200
NEAR_READS = 20_000
SYMBOLS = 7
BATCH = 50
CLOCK = SystemClock()
SECRET = Secret("a secret of this benchmark")
SMALL = Document(1, "one", 1, 1, None, "tag", b"x" * 1_000)


def a_document() -> Document:
    """A symbols document of the six kilobytes that the owner measured."""
    rows = [
        make.a_row(number, score=50 + 7.3 * number, price=91_000.5 / (number + 1))
        for number in range(SYMBOLS)
    ]
    symbols = tuple(f"S{number}USDT" for number in range(SYMBOLS))
    board = make.a_board(symbols=symbols, rows=rows)
    return make.published(board, make.symbols_document(board))


class Least(asyncio.Protocol):
    """The least that a program on this loop can do: it looks for the end, and nothing else."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol; answers of this benchmark come in one piece, or end in one."""
        if self._waiter is not None and data.endswith(b"END\r\n"):
            waiter, self._waiter = self._waiter, None
            waiter.set_result(len(data))

    def get(self, key: str) -> asyncio.Future[int]:
        """Ask, and wait for the answer's end."""
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(b"get " + key.encode() + b"\r\n")
        return self._waiter

    def close(self) -> None:
        """End the connection."""
        assert self._transport is not None
        self._transport.close()


class Raw:
    """The least a program can do: a blocking socket, one request, one answer, nothing decoded."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(server.address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, key: str) -> bytes:
        """The answer."""
        self._socket.sendall(b"get " + key.encode() + b"\r\n")
        answer = self._socket.recv(1 << 18)
        while not answer.endswith(b"END\r\n"):
            answer += self._socket.recv(1 << 18)
        return answer

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def opened_by_hand(answer: bytes, codec: Codec) -> list[Document]:
    """Everything a value needs and nothing beside it: no tiers, no counts, nothing waited for."""
    documents: list[Document] = []
    now = CLOCK.now()
    start = 0
    while answer.startswith(b"VALUE ", start):
        end = answer.index(b"\r\n", start)
        _, key, _, size = answer[start:end].split(b" ")
        start = end + 2 + int(size)
        held = without_life(answer[end + 2 : start], now)
        assert held is not None
        documents.append(codec.decode(key.decode(), held.value, Document))
        start += 2
    return documents


async def seconds(call: Callable[[], Awaitable[object]], times: int = READS) -> float:
    """Wall time of one call: the median of many, which others on the machine disturb least."""
    took: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        await call()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def row(name: str, what: str, reference: str, ratios: list[float], target: str) -> Row:
    """A row with the middle half of its rounds."""
    low, _, high = statistics.quantiles(ratios, n=4)
    spread = f"{low:.2f}..{high:.2f} (middle half of {len(ratios)} rounds)"
    return Row(name, what, reference, statistics.median(ratios), target, spread)


def opened(server: Server, codec: Codec, near_ms: int) -> TieredCache:
    """The tiers as a web process has them, with one server."""
    plan = TierPlan(MemcachedCache(CLOCK, server.address, timeout_s=5), Life())
    keep = (lambda _key, _left: near_ms) if near_ms else (lambda _key, _left: 0)
    return TieredCache(Near(CLOCK), (plan,), CLOCK, codec, keep_near=keep)


async def measure_floor(server: Server) -> list[Row]:
    """What a loop costs against a blocking socket, and a batch against a get, without us."""
    raw = Raw(server)
    loop = asyncio.get_running_loop()
    _, least = await loop.create_connection(Least, *server.address)
    names = [f"virtuoso:symbol:S{number}USDT:v1" for number in range(BATCH)]
    small = " ".join(names)
    codec = Codec(None)
    tier = MemcachedCache(CLOCK, server.address, timeout_s=5)
    await tier.set(keys.SYMBOLS, codec.encode(keys.SYMBOLS, a_document()), 600_000)
    await tier.multi_set({name: codec.encode(name, SMALL) for name in names}, 600_000)
    await tier.close()

    async def by_loop() -> object:
        return await least.get(keys.SYMBOLS)

    async def by_hand() -> object:
        return raw.get(keys.SYMBOLS)

    async def one() -> object:
        return raw.get(small.partition(" ")[0])

    async def many() -> object:
        return raw.get(small)

    loops, batches = [], []
    for _ in range(ROUNDS):
        loops.append(await seconds(by_loop) / await seconds(by_hand))
        batches.append(await seconds(many) / await seconds(one))
    raw.close()
    least.close()
    return [
        row("P9", "a protocol of uvloop, nothing decoded", "a raw socket", loops, "the floor"),
        row("P10", f"{BATCH} on the raw socket", "one of them on it", batches, "the floor"),
    ]


async def measure_near(server: Server) -> Row:
    """P8: a hit in memory, against a dictionary whose entries carry a deadline."""
    codec = Codec(SECRET)
    cache = opened(server, codec, 60_000)
    names = [f"virtuoso:symbol:S{number}USDT:v1" for number in range(200)]
    document = a_document()
    for name in names:
        await cache.set(name, codec.encode(name, document), 600_000)
    end = CLOCK.monotonic_ms() + 600_000
    held = dict.fromkeys(names, (b"value", end))

    def plain(name: str) -> bytes | None:
        entry = held.get(name)
        return None if entry is None or entry[1] <= CLOCK.monotonic_ms() else entry[0]

    ratios, ours_us = [], []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(NEAR_READS // len(names)):
            for name in names:
                plain(name)
        dictionary = time.process_time() - started
        started = time.process_time()
        for _ in range(NEAR_READS // len(names)):
            for name in names:
                await cache.get(name)
        ours = time.process_time() - started
        ratios.append(ours / dictionary)
        ours_us.append(1e6 * ours / NEAR_READS)
    await cache.close()
    what = f"L1 get through the tiers, counted: {statistics.median(ours_us):.1f} us"
    return row("P8", what, "dict get with a deadline", ratios, "<= 10, under 10 us")


async def measure_shared(server: Server, *, signed: bool) -> list[Row]:
    """P9, P10: a read of memcached through everything, against the same on a raw socket."""
    codec = Codec(SECRET if signed else None)
    cache = opened(server, codec, 0)
    document = a_document()
    # more of each than a codec remembers, so that each read is verified
    batches_of_names = [
        [f"virtuoso:symbol:{batch}{number}USDT:v1" for number in range(BATCH)] for batch in "ABC"
    ]
    names = batches_of_names[0]
    large = [f"virtuoso:symbol:L{number}USDT:v1" for number in range(OPENED_REMEMBERED + 10)]
    for name in chain(*batches_of_names):
        await cache.set(name, codec.encode(name, SMALL), 600_000)
    for name in large:
        await cache.set(name, codec.encode(name, document), 600_000)
    cache.forget([*chain(*batches_of_names), *large])
    raw = Raw(server)
    turn = cycle(large)
    batch_turn = cycle(batches_of_names)
    tier = MemcachedCache(CLOCK, server.address, timeout_s=5)

    async def one() -> object:
        key = next(turn)
        return codec.decode(key, await cache.get(key) or b"", Document)

    async def many() -> object:
        found = await cache.multi_get(next(batch_turn))
        return [codec.decode(name, value or b"", Document) for name, value in found.items()]

    async def by_hand() -> object:
        return raw.get(next(turn))

    async def one_by_hand() -> object:
        return opened_by_hand(raw.get(next(turn)), codec)

    async def many_by_hand() -> object:
        return opened_by_hand(raw.get(" ".join(next(batch_turn))), codec)

    async def one_of_tier() -> object:
        return await tier.get(names[0])

    async def many_of_tier() -> object:
        return await tier.multi_get(names)

    singles, least, batches, least_batches, tier_batches = [], [], [], [], []
    for _ in range(ROUNDS):
        reference = await seconds(by_hand)
        ours, hand = await seconds(one), await seconds(one_by_hand)
        singles.append(ours / reference)
        least.append(hand / reference)
        batches.append(await seconds(many, READS // 10) / ours)
        least_batches.append(await seconds(many_by_hand, READS // 10) / hand)
        tier_batches.append(await seconds(many_of_tier, READS // 10) / await seconds(one_of_tier))
    raw.close()
    await tier.close()
    await cache.close()
    how = "signed" if signed else "unsigned"
    size = len(codec.encode(large[0], document))
    what = f"L2 get of the symbols document, {size} bytes, {how}: verified and decoded"
    batch_what = f"L2 get of {BATCH} documents of 1 KB, {how}"
    return [
        row("P9", what, "round trip on a raw socket", singles, "<= 2.0"),
        row("P9", f"{how}, by hand: read, verified, decoded", "the same", least, "the floor"),
        row("P10", batch_what, "a get of one of them, the tier alone", tier_batches, "<= 4"),
        row("P10", f"{batch_what}: verified, decoded", "the get of P9", batches, "<= 4"),
        row("P10", f"{how}, by hand", "a get of P9 by hand", least_batches, "the floor"),
    ]


async def measure() -> list[Row]:
    """All of it on one server of our own."""
    with TemporaryDirectory() as folder, memcached(Path(folder)) as server:
        return [
            await measure_near(server),
            *await measure_shared(server, signed=False),
            *await measure_shared(server, signed=True),
            *await measure_floor(server),
        ]


def rows() -> list[Row]:
    """Measure on the loop that production uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


if __name__ == "__main__":
    for each in rows():
        print(each)  # noqa: T201
