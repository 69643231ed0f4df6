"""Cache servers that die, hang, lie or refuse: a typed error or a miss, within the deadline."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.fault_proxy import Weather, fault_proxy
from support.servers import Server, babbling_peer, memcached, memcached_socket, redis
from support.slack import SLACK
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.shared import SharedCache
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.domain.errors import CacheError, CacheRefusedError, CacheUnavailableError

TIMEOUT_S = 0.1
CLOCK = SystemClock()

Address = tuple[str, int] | Path
MAKERS: dict[str, Callable[[Address], SharedCache]] = {
    "memcached": lambda address: MemcachedCache(CLOCK, address, timeout_s=TIMEOUT_S),
    "redis": lambda address: RedisCache(CLOCK, address, timeout_s=TIMEOUT_S),
}
BOTH = pytest.mark.parametrize("kind", sorted(MAKERS))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server of a kind, ended with the test."""
    with ExitStack() as stack:

        def begin(kind: str, *options: str) -> Server:
            made = memcached if kind == "memcached" else redis
            return stack.enter_context(made(tmp_path, *options))

        yield begin


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str, Address], SharedCache]]:
    """Make caches, closed with the test."""
    made: list[SharedCache] = []

    def one(kind: str, address: Address) -> SharedCache:
        made.append(MAKERS[kind](address))
        return made[-1]

    yield one
    for each in made:
        await each.close()


Start = Callable[..., Server]
Connect = Callable[[str, Address], SharedCache]


async def assert_unavailable(cache: SharedCache) -> None:
    """Every call ends within the deadline with the error that opens a circuit.

    A hung server may still do what it was told, after it was told something newer: what is written
    here is not what is read afterwards. Readers above see it by the sequence.
    """
    for call in (
        lambda: cache.get("key"),
        lambda: cache.multi_get(["key", "other"]),
        lambda: cache.set("late", b"value", 10_000),
        lambda: cache.multi_set({"late": b"value", "later": b"value"}, 10_000),
        cache.probe,
    ):
        started = time.monotonic()
        with pytest.raises(CacheUnavailableError, match="expected"):
            await call()
        assert time.monotonic() - started < (TIMEOUT_S + 0.125) * SLACK


async def eventually_stores(cache: SharedCache) -> None:
    """The very same object serves again as soon as the server does."""
    async with asyncio.timeout(40):
        while True:
            try:
                await cache.set("key", b"again", 10_000)
                break
            except CacheUnavailableError:
                await asyncio.sleep(0.01)
    assert await cache.get("key") == b"again"


@BOTH
async def test_f30_f31_a_killed_server_is_an_error_at_once_and_serves_again_when_it_is_back(
    kind: str, start: Start, connect: Connect
) -> None:
    """Dead: unavailable within the deadline. Started again: no restart of ours is needed."""
    server = start(kind)
    cache = connect(kind, server.address)
    await cache.set("key", b"value", 10_000)
    server.kill()
    await assert_unavailable(cache)
    server.start()
    await eventually_stores(cache)


@BOTH
async def test_f30_f31_a_hung_server_costs_one_deadline_a_call(
    kind: str, start: Start, connect: Connect
) -> None:
    """Frozen with open connections: every call ends; thawed: right answers to the right keys."""
    server = start(kind)
    cache = connect(kind, server.address)
    await cache.multi_set({f"key{number}": b"%d" % number for number in range(20)}, 60_000)
    server.freeze()
    try:
        await assert_unavailable(cache)
    finally:
        server.thaw()
    await eventually_stores(cache)
    for number in range(20):
        assert await cache.get(f"key{number}") == b"%d" % number


@BOTH
async def test_a_server_that_was_never_there_is_unavailable(
    kind: str, connect: Connect, tmp_path: Path
) -> None:
    """No port, no socket: the same error."""
    await assert_unavailable(connect(kind, ("127.0.0.1", 9)))
    await assert_unavailable(connect(kind, tmp_path / "nothing.sock"))


GARBAGE = (
    b"garbage\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\xff" * 1_000,
    b"\r\n",
    b"ERROR\r\n",
    b"END\r\n\r\nEND\r\n",
    b"VALUE other 0 5\r\nhello\r\nEND\r\n",
    b"VALUE key 0 99999\r\nshort\r\nEND\r\n",
    b"VALUE key 0 -5\r\nhello\r\nEND\r\n",
    b"VALUE key\r\nEND\r\n",
    b"VALUE key zero five\r\nhello\r\nEND\r\n",
    b"VALUE key 0 5\r\nhello wide\r\nEND\r\n",
    b"STORED\r\n",
    b"$5\r\nhello\r\n",
    b"+OK\r\n",
    b":12\r\n",
    b"*1\r\n:5\r\n",
    b"*-1\r\n",
    b"*100000\r\n",
    b"$99999999999999\r\n",
    b"*2\r\n*2\r\n*2\r\n*2\r\n",
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"-WRONGTYPE Operation against a key\r\n",
)


@BOTH
@pytest.mark.parametrize("words", GARBAGE, ids=lambda words: repr(words[:24]))
async def test_f30_f31_garbage_is_an_error_or_a_miss_and_never_a_hang(
    kind: str, words: bytes, connect: Connect
) -> None:
    """A peer in another protocol: nothing but our own errors comes out, in time."""
    with babbling_peer(words) as address:
        cache = connect(kind, address)
        for _ in range(2):
            started = time.monotonic()
            found = await ours_only(cache.get("key"))
            assert found in (None, b"hello")
            found = await ours_only(cache.multi_get(["key", "second"]))
            assert found is None or found["second"] is None
            await ours_only(cache.multi_set({"key": b"value", "second": b"value"}, 1_000))
            assert time.monotonic() - started < 4 * (TIMEOUT_S + 0.125) * SLACK


async def ours_only(call: Awaitable[Any]) -> Any:  # noqa: ANN401
    """What a call gives, or None where it failed with an error of ours."""
    try:
        return await call
    except CacheError:
        return None


async def test_f31_a_redis_that_loads_is_unavailable(connect: Connect) -> None:
    """It says so in words; to us it is away."""
    with babbling_peer(b"-LOADING Redis is loading the dataset in memory\r\n") as address:
        await assert_unavailable(connect("redis", address))


@BOTH
async def test_f30_f31_a_slow_way_is_cut_off_at_the_deadline(
    kind: str, start: Start, connect: Connect
) -> None:
    """Answers after the deadline count as none, and are not taken for those of later calls."""
    server = start(kind)
    await connect(kind, server.address).multi_set({"key": b"value", "other": b"2"}, 60_000)
    with fault_proxy(server.port) as proxy:
        cache = connect(kind, ("127.0.0.1", proxy.port))
        assert await cache.get("key") == b"value"
        proxy.begin(Weather(delay=0.3))
        with pytest.raises(CacheUnavailableError):
            await cache.get("other")
        with pytest.raises(CacheUnavailableError):
            await cache.multi_get(["other", "key"])
        proxy.begin(Weather())
        async with asyncio.timeout(40):
            while True:
                try:
                    assert await cache.get("key") == b"value"
                    break
                except CacheUnavailableError:
                    await asyncio.sleep(0.01)


@BOTH
async def test_f30_f31_an_answer_that_stops_half_way_ends_at_the_deadline(
    kind: str, start: Start, connect: Connect
) -> None:
    """Half a value is no value."""
    server = start(kind)
    await connect(kind, server.address).set("key", b"x" * 50_000, 60_000)
    with fault_proxy(server.port) as proxy:
        proxy.begin(Weather("stall_after", limit=20_000))
        with pytest.raises(CacheUnavailableError):
            await connect(kind, ("127.0.0.1", proxy.port)).get("key")


@BOTH
async def test_cancelled_reads_never_bring_the_answer_of_another_key(
    kind: str, start: Start, connect: Connect
) -> None:
    """A browser that goes away in the middle of a read leaves no answer behind on the wire."""
    server = start(kind)
    names = [f"key{number}" for number in range(50)]
    await connect(kind, server.address).multi_set({name: name.encode() for name in names}, 60_000)
    with fault_proxy(server.port) as proxy:
        proxy.begin(Weather(delay=0.002, jitter=0.004))
        cache = connect(kind, ("127.0.0.1", proxy.port))
        wrong: list[tuple[str, bytes | None]] = []
        for turn in range(10):
            reads = [asyncio.create_task(cache.get(name)) for name in names[:15]]
            await asyncio.sleep(0.001 * turn)
            for each in reads[turn % 3 :: 3]:
                each.cancel()
            answers = await asyncio.gather(*reads, return_exceptions=True)
            wrong += [
                (name, answer)
                for name, answer in zip(names, answers, strict=False)
                if isinstance(answer, bytes) and answer != name.encode()
            ]
        assert wrong == []


async def test_f31_a_read_only_redis_refuses_writes_and_serves_reads(
    start: Start, connect: Connect
) -> None:
    """A replica that was promoted by nobody: the tier lives, the write is refused."""
    server = start("redis")
    cache = connect("redis", server.address)
    await cache.set("key", b"value", 60_000)
    server.say(b"replicaof 127.0.0.1 9\r\n")
    with pytest.raises(CacheRefusedError, match=r"READONLY|read only"):
        await cache.set("key", b"new", 60_000)
    assert await cache.get("key") == b"value"
    server.say(b"replicaof no one\r\n")
    await cache.set("key", b"new", 60_000)
    assert await cache.get("key") == b"new"


async def write_until_refused(cache: SharedCache, value: bytes) -> None:
    """Fill the server, forty values at most."""
    for number in range(40):
        await cache.set(f"big{number}", value, 60_000)


async def test_f31_a_full_redis_refuses_writes_and_serves_reads(
    start: Start, connect: Connect
) -> None:
    """`maxmemory` with `noeviction`: out of memory is an answer, not a loss."""
    server = start("redis", "--maxmemory", "2mb", "--maxmemory-policy", "noeviction")
    cache = connect("redis", server.address)
    await cache.set("key", b"value", 60_000)
    with pytest.raises(CacheRefusedError, match="maxmemory"):
        await write_until_refused(cache, b"x" * 100_000)
    assert await cache.get("key") == b"value"


async def test_f30_a_full_memcached_refuses_writes_and_serves_reads(
    start: Start, connect: Connect
) -> None:
    """A value over the server's largest item, and a server that may not evict."""
    server = start("memcached", "-M", "-m", "2")
    cache = connect("memcached", server.address)
    await cache.set("key", b"value", 60_000)
    with pytest.raises(CacheRefusedError, match="too large"):
        await cache.set("big", b"x" * 2_000_000, 60_000)
    with pytest.raises(CacheRefusedError, match="out of memory"):
        await write_until_refused(cache, b"x" * 200_000)
    assert await cache.get("key") == b"value"


async def test_f33_a_value_of_another_type_is_missing(start: Start, connect: Connect) -> None:
    """Somebody's list under our key: a miss beside the others, and overwritten at once."""
    server = start("redis")
    cache = connect("redis", server.address)
    await cache.set("fine", b"value", 60_000)
    server.say(b"lpush key one two\r\n")
    assert await cache.multi_get(["key", "fine"]) == {"key": None, "fine": b"value"}
    await cache.set("key", b"ours", 60_000)
    assert await cache.get("key") == b"ours"


@BOTH
async def test_a_key_no_server_could_take_is_missing_and_refused(
    kind: str, start: Start, connect: Connect
) -> None:
    """Blanks and line ends would be commands."""
    cache = connect(kind, start(kind).address)
    for key in ("two words", "line\r\nflush_all", "", "x" * 201, "cl\u00e9"):
        assert await cache.get(key) is None
        with pytest.raises(CacheRefusedError, match="expected a key"):
            await cache.set(key, b"value", 1_000)


@BOTH
async def test_a_unix_socket_serves_as_well(kind: str, connect: Connect, tmp_path: Path) -> None:
    """The way that no other user of the machine can listen to."""
    with ExitStack() as stack:
        if kind == "redis":
            path = stack.enter_context(redis(tmp_path)).socket_path
        else:
            path = stack.enter_context(memcached_socket(tmp_path))
        cache = connect(kind, path)
        await cache.set("key", b"value", 60_000)
        assert await cache.get("key") == b"value"


@BOTH
async def test_connections_stay_few_under_load(kind: str, start: Start) -> None:
    """Five hundred calls at once go over one pool of twenty."""
    server = start(kind)
    cache = (
        MemcachedCache(CLOCK, server.address, timeout_s=5)
        if kind == "memcached"
        else RedisCache(CLOCK, server.address, timeout_s=5)
    )
    await cache.set("key", b"value", 60_000)
    answers = await asyncio.gather(*(cache.get("key") for _ in range(500)))
    assert set(answers) == {b"value"}
    words, name = (
        (b"stats\r\n", b"curr_connections ")
        if kind == "memcached"
        else (b"info clients\r\n", b"connected_clients:")
    )
    open_now = int(server.say(words).split(name)[1].split(b"\r\n")[0])
    assert open_now <= 20 + 5
    await cache.close()
