"""How every client of ours opens Redis: short deadlines, no retries behind our back."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from redis.asyncio import (
    BlockingConnectionPool,
    Connection,
    ConnectionPool,
    Redis,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError


def open_redis(
    address: tuple[str, int] | Path,
    timeout_s: float,
    connections: int,
    password: str | None,
    *,
    waits: bool = False,
) -> Redis:
    """Make a client with a small pool; nothing is connected yet.

    With all connections in use a caller `waits` for one up to the deadline, or is refused at once.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "password": password,
        "protocol": 2,
        "driver_info": None,
    }
    if isinstance(address, Path):
        options |= {"connection_class": UnixDomainSocketConnection, "path": str(address)}
    else:
        host, port = address
        options |= {"connection_class": Connection, "host": host, "port": port}
    if waits:
        pool = BlockingConnectionPool(max_connections=connections, timeout=timeout_s, **options)
        return Redis(connection_pool=pool)
    return Redis(connection_pool=ConnectionPool(max_connections=connections, **options))


async def forget_idle(client: Redis) -> None:
    """Drop connections that nobody uses: after one was lost the others are not worth a try each."""
    # one that cannot even be closed in time is gone as well
    with suppress(RedisError, OSError):
        await client.connection_pool.disconnect(inuse_connections=False)


async def close_redis(client: Redis) -> None:
    """Release every connection; a server that is away is no reason not to end."""
    with suppress(RedisError, OSError):
        await client.aclose(close_connection_pool=True)
