"""How every client of ours opens Redis: short deadlines, no retries behind our back."""

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
