"""`virtuoso validate`: proves on the configured servers what the cache promises.

Everything happens under keys of its own; what the engine published is left alone.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Final, Literal

import msgspec

from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.shared import SharedCache
from virtuoso.adapters.cache.tiered import Note, TieredCache, TierPlan
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.settings import Settings
from virtuoso.apps.sharing import backend_of, cache_of, password_of, places_of
from virtuoso.apps.tiers import SECRET_VARIABLE, address_of, open_codec, open_plans
from virtuoso.domain.errors import CacheError, ValueRefusedError, VirtuosoError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock
from virtuoso.wire.codec import Codec
from virtuoso.wire.messages import SCHEMA, Document

PATIENT_MS: Final = 1_000
DEADLINE_S: Final = 5.0
LIFE_MS: Final = 20 * SECOND
NOWHERE: Final = ("127.0.0.1", 1)
"""A port that nothing listens on: a server that has died."""

Proof = Callable[[], Awaitable[str]]


class Finding(msgspec.Struct, frozen=True):
    """One promise, and whether it holds here and now."""

    item: str
    verdict: Literal["pass", "fail"]
    text: str


class BrokenPromiseError(VirtuosoError):
    """A promise does not hold; the sentence says what was found."""


async def validate(settings: Settings, *, as_json: bool) -> int:
    """Prove one promise after the other and print a verdict for each: 0 when all hold, else 1."""
    checks = _Checks(settings)
    found: list[Finding] = []
    try:
        for item, proof in checks.all():
            found.append(await _judge(item, proof))
    finally:
        await checks.close()
    failed = sum(each.verdict == "fail" for each in found)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        for each in found:
            sys.stdout.write(f"{each.verdict}  {each.item:<24} {each.text}\n")
        sys.stdout.write(f"{len(found) - failed} of {len(found)} promises hold\n")
    return 1 if failed else 0


async def _judge(item: str, proof: Proof) -> Finding:
    try:
        async with asyncio.timeout(DEADLINE_S):
            return Finding(item, "pass", await proof())
    except VirtuosoError as error:
        return Finding(item, "fail", str(error)[:300])
    except TimeoutError:
        return Finding(item, "fail", f"expected an answer within {DEADLINE_S:g} s, found none")


def _expect(holds: bool, sentence: str) -> None:  # noqa: FBT001 (reads as the sentence it is)
    if not holds:
        raise BrokenPromiseError(sentence)


class _Checks:
    """The proofs, over fresh clients of the configured servers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock: Clock = SystemClock()
        usual = cache_of(settings, backend_of(settings, alone=False))
        # promises are judged here and not speed: on a busy machine an answer may take longer
        self._cache_settings = msgspec.structs.replace(
            usual,
            memcached_timeout_ms=max(usual.memcached_timeout_ms, PATIENT_MS),
            redis_timeout_ms=max(usual.redis_timeout_ms, PATIENT_MS),
        )
        self._codec = open_codec(self._cache_settings, os.environ)
        self._plans = tuple(open_plans(self._cache_settings, self._clock, os.environ))
        self._servers = tuple(each.tier for each in self._plans)
        self._mark = f"{os.getpid():x}{self._clock.now():x}"
        self._seq = 0
        self._opened: list[TieredCache] = []

    def all(self) -> list[tuple[str, Proof]]:
        """Every promise by name."""
        items: list[tuple[str, Proof]] = []
        for each in self._servers:
            items.append((f"{each.name} answers", partial(self._answers, each)))
            items.append((f"{each.name} keeps lives", partial(self._lives, each)))
        items += [
            ("write and read", self._write_and_read),
            ("batch of fifty", self._batch),
            ("never back", self._never_back),
            ("refuses the poisoned", self._poisoned),
            ("invalidate", self._invalidate),
            ("fail over", self._fail_over),
            ("one writer", self._one_writer),
        ]
        if len(self._servers) > 1:
            items.append(("promote", self._promote))
        if self._settings.broker.type == "redis":
            items.append(("push", self._push))
        return items

    async def close(self) -> None:
        """Release everything."""
        for cache in self._opened:
            await cache.close()
        for server in self._servers:
            await server.close()

    def _key(self, name: str) -> str:
        return f"virtuoso:validate:{name}:{self._mark}"

    def _value(self, key: str, codec: Codec | None = None) -> bytes:
        self._seq += 1
        now = self._clock.now()
        body = b'{"seq":%d}' % self._seq
        document = Document(SCHEMA, self._mark, self._seq, now, now, "", body)
        return (codec or self._codec).encode(key, document)

    def _cache(self, *plans: TierPlan) -> TieredCache:
        """A process of its own, as it were: empty memory before these tiers."""
        near: Near[Note] = Near(self._clock)
        cache = TieredCache(near, plans or self._plans, self._clock, self._codec)
        self._opened.append(cache)
        return cache

    async def _answers(self, server: SharedCache) -> str:
        await server.probe()
        started = perf_counter()
        await server.probe()
        return f"in {1e3 * (perf_counter() - started):.2f} ms"

    async def _lives(self, server: SharedCache) -> str:
        key = self._key(f"life-{server.name}")
        value = self._value(key)
        await server.set(key, value, SECOND)
        _expect(await server.get(key) == value, "expected the value that was written")
        deadline = self._clock.monotonic_ms() + 3 * SECOND
        while await server.get(key) is not None:
            _expect(
                self._clock.monotonic_ms() < deadline,
                "expected a value of one second to be gone after three, found it",
            )
            await asyncio.sleep(0.1)
        return "a value of one second is gone after it"

    async def _written(self, name: str) -> tuple[str, bytes]:
        """A value on every server, written as the engine writes."""
        key = self._key(name)
        value = self._value(key)
        writer = self._cache()
        await writer.set(key, value, LIFE_MS)
        for server in self._servers:
            _expect(
                await self._arrives(server, key, value),
                f"expected the value on {server.name} within a second, found none",
            )
        return key, value

    async def _arrives(self, server: SharedCache, key: str, value: bytes) -> bool:
        for _ in range(100):
            with suppress(CacheError):
                if await server.get(key) == value:
                    return True
            await asyncio.sleep(0.01)
        return False

    async def _write_and_read(self) -> str:
        key, value = await self._written("read")
        reader = self._cache()
        _expect(await reader.get(key) == value, "expected what was written, found something else")
        document = self._codec.decode(key, value, Document)
        signed = "signed" if os.environ.get(SECRET_VARIABLE) else "unsigned (no secret is set)"
        return f"the same bytes from another process; {signed}; schema {document.schema}"

    async def _batch(self) -> str:
        values = {key: self._value(key) for key in (self._key(f"b{n}") for n in range(50))}
        await self._cache().multi_set(values, LIFE_MS)
        last = next(reversed(values))
        for server in self._servers:
            await self._arrives(server, last, values[last])
        reader = self._cache()
        started = perf_counter()
        found = await reader.multi_get(tuple(values))
        took = 1e3 * (perf_counter() - started)
        _expect(found == values, "expected all fifty values, found others")
        return f"in {took:.2f} ms"

    async def _never_back(self) -> str:
        key = self._key("back")
        older, newer = self._value(key), self._value(key)
        near = self._servers[0]
        await near.set(key, newer, LIFE_MS)
        reader = self._cache(TierPlan(near, self._plans[0].life))
        _expect(await reader.get(key) == newer, "expected the newer value")
        await near.set(key, older, LIFE_MS)
        reader.forget((key,))
        _expect(await reader.get(key) is None, "expected the older value refused, found it read")
        return "an older value is a miss for whoever saw the newer one"

    async def _poisoned(self) -> str:
        key = self._key("poison")
        bad = (b"\x80\x04K\x01.", b"{}", self._value(self._key("other"))[:-3])
        for value in bad:
            await self._servers[0].set(key, value, LIFE_MS)
            reader = self._cache(TierPlan(self._servers[0], self._plans[0].life))
            _expect(await reader.get(key) is None, f"expected a miss, found {value[:20]!r} read")
        try:
            self._codec.decode(key, self._value(key, Codec(schema=SCHEMA + 1)), Document)
        except ValueRefusedError:
            pass
        else:
            _expect(holds=False, sentence="expected another schema to be refused, found it read")
        return "foreign, cut and other schemas are misses"

    async def _invalidate(self) -> str:
        key, _ = await self._written("invalid")
        reader = self._cache()
        await reader.get(key)
        await self._cache().multi_set({key: b""}, 0)
        for server in self._servers:
            for _ in range(100):
                if await server.get(key) is None:
                    break
                await asyncio.sleep(0.01)
            _expect(await server.get(key) is None, f"expected it gone from {server.name}")
        reader.forget((key,))
        _expect(await reader.get(key) is None, "expected it gone from memory")
        return "gone from memory and from every server"

    async def _promote(self) -> str:
        key, value = await self._written("promote")
        near, far = self._servers[0], self._servers[1]
        await near.multi_set({key: b""}, 0)
        _expect(await near.get(key) is None, f"expected it gone from {near.name}")
        reader = self._cache()
        _expect(await reader.get(key) == value, f"expected it from {far.name}")
        _expect(
            await self._arrives(near, key, value), f"expected it back on {near.name}, found none"
        )
        left = (await near.fetch((key,)))[key].left_ms
        _expect(left <= LIFE_MS * 20, f"expected what is left of its life, found {left} ms")
        return f"{near.name} has it back from {far.name}, for {left / SECOND:.0f} s more"

    async def _fail_over(self) -> str:
        key, value = await self._written("over")
        first = self._plans[0]
        if len(self._servers) == 1:
            dead: SharedCache = RedisCache(self._clock, NOWHERE)
            plans: tuple[TierPlan, ...] = (TierPlan(dead, first.life), first)
        else:
            dead = MemcachedCache(self._clock, NOWHERE)
            plans = (TierPlan(dead, first.life), *self._plans[1:])
        reader = self._cache(*plans)
        started = perf_counter()
        _expect(await reader.get(key) == value, "expected the value from the tier that lives")
        took = 1e3 * (perf_counter() - started)
        await dead.close()
        return f"with a dead first tier the value came in {took:.1f} ms"

    async def _one_writer(self) -> str:
        said = []
        for place in places_of(self._cache_settings):
            held = await place.holder()
            who = "nobody" if held is None else held.decode("utf-8", "replace")[:80]
            said.append(f"{place.name}: {who}")
            await place.close()
        return f"named by {'; '.join(said)}"

    async def _push(self) -> str:
        address = address_of(self._cache_settings, "redis")
        timeout_s = self._cache_settings.redis_timeout_ms / SECOND
        password = password_of()
        sender = RedisBroker(address, timeout_s, password=password)
        hearer = RedisBroker(address, timeout_s, password=password)
        channel = self._key("push")
        try:
            messages = hearer.subscribe(channel)
            for _ in range(100):
                if hearer.listens(channel):
                    break
                await asyncio.sleep(0.01)
            why = hearer.error or "no answer"
            _expect(hearer.listens(channel), f"expected Redis to take a subscription, found {why}")
            started = perf_counter()
            await sender.publish(channel, b"hear")
            async for message in messages:
                _expect(message == b"hear", "expected what was said")
                break
            return f"heard by another process after {1e3 * (perf_counter() - started):.1f} ms"
        finally:
            await sender.close()
            await hearer.close()
