"""How every client of ours opens Redis: short deadlines, no retries behind our back."""

from pathlib import Path
from typing import Any

from redis.asyncio import Connection, ConnectionPool, Redis, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def open_redis(
    address: tuple[str, int] | Path, timeout_s: float, connections: int, password: str | None
) -> Redis:
    """Make a client with a small pool; nothing is connected yet."""
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
    return Redis(connection_pool=ConnectionPool(max_connections=connections, **options))
