"""What a place of the lease promises, whatever it is made of; on real servers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.servers import Server, babbling_peer
from virtuoso.adapters.keepsake.file import FileKeepsake
from virtuoso.adapters.keepsake.redis import RedisKeepsake
from virtuoso.adapters.lease.memcached import MemcachedLease
from virtuoso.adapters.lease.redis import RedisLease
from virtuoso.domain.errors import CacheError, CacheUnavailableError
from virtuoso.ports import Keepsake, Lease

FIRST, SECOND = b'{"pid":1}', b'{"pid":2}'
LIFE_MS = 60_000


@pytest.fixture(params=["memcached", "redis", "redis socket"])
async def lease(
    request: pytest.FixtureRequest, memcached_server: Server, redis_server: Server
) -> AsyncIterator[Lease]:
    """Each place, with nobody named."""
    redis_server.say(b"flushall\r\n")
    memcached_server.say(b"flush_all\r\n")
    place: Lease
    if request.param == "memcached":
        place = MemcachedLease(memcached_server.address)
    elif request.param == "redis":
        place = RedisLease(redis_server.address)
    else:
        place = RedisLease(redis_server.socket_path)
    yield place
    await place.close()


async def test_the_first_is_named_and_the_second_is_told_who(lease: Lease) -> None:
    """Whoever comes later learns who was there."""
    assert await lease.holder() is None
    assert await lease.keep(FIRST, LIFE_MS) == FIRST
    assert await lease.keep(SECOND, LIFE_MS) == FIRST
    assert await lease.holder() == FIRST


async def test_a_name_is_prolonged_by_its_bearer(lease: Lease) -> None:
    """Renewing says again who is named."""
    for _ in range(5):
        assert await lease.keep(FIRST, LIFE_MS) == FIRST


async def test_a_name_is_released_by_its_bearer_alone(lease: Lease) -> None:
    """Somebody else's release changes nothing; its own makes room at once."""
    await lease.keep(FIRST, LIFE_MS)
    await lease.release(SECOND)
    assert await lease.holder() == FIRST
    await lease.release(FIRST)
    assert await lease.holder() is None
    assert await lease.keep(SECOND, LIFE_MS) == SECOND


async def test_a_name_that_is_not_renewed_ends(lease: Lease) -> None:
    """Its life is over a little after it was said to be, and the next one is named."""
    await lease.keep(FIRST, 500)
    assert await lease.keep(SECOND, LIFE_MS) == FIRST
    async with asyncio.timeout(40):
        while await lease.keep(SECOND, LIFE_MS) != SECOND:  # noqa: ASYNC110 (a server's clock)
            await asyncio.sleep(0.05)


async def test_of_many_at_once_one_is_named(lease: Lease) -> None:
    """Claiming is atomic: fifty claims agree on one name."""
    names = [b'{"pid":%d}' % number for number in range(50)]
    kept = []
    for start in range(0, 50, 10):
        claims = [lease.keep(name, LIFE_MS) for name in names[start : start + 10]]
        kept += await asyncio.gather(*claims, return_exceptions=True)
    said = {each for each in kept if isinstance(each, bytes)}
    assert len(said) == 1
    assert said <= set(names)


@pytest.mark.parametrize("words", [b"\x00\xff" * 40, b"VALUE virtuoso:lease:v1 0 99999999 1\r\n"])
async def test_a_lying_server_is_an_unavailable_one(words: bytes) -> None:
    """Whatever it answers, nobody is named by it."""
    with babbling_peer(words) as address:
        for place in (MemcachedLease(address), RedisLease(address)):
            with pytest.raises(CacheError):
                await place.keep(FIRST, LIFE_MS)
            await place.close()


@pytest.mark.parametrize("kind", ["file", "redis"])
async def test_a_keepsake_gives_back_what_was_kept_last(
    kind: str, redis_server: Server, tmp_path: Path
) -> None:
    """Nothing at first, then the newest."""
    redis_server.say(b"flushall\r\n")
    kept: Keepsake = (
        FileKeepsake(tmp_path / "state" / "last.bin")
        if kind == "file"
        else RedisKeepsake(redis_server.address)
    )
    assert await kept.recall() is None
    await kept.keep(b"old")
    await kept.keep(b"new" * 100_000)
    assert await kept.recall() == b"new" * 100_000
    await kept.close()
    if kind == "file":
        assert [each.name for each in (tmp_path / "state").iterdir()] == ["last.bin"]
        assert (tmp_path / "state" / "last.bin").stat().st_mode & 0o777 == 0o600


async def test_a_keepsake_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    """An error of ours, never a library's."""
    (tmp_path / "file").write_text("no folder")
    for kept in (FileKeepsake(tmp_path / "file" / "last.bin"), RedisKeepsake(("127.0.0.1", 1))):
        with pytest.raises(CacheUnavailableError):
            await kept.keep(b"value")
        await kept.close()
