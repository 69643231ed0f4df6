"""A connection to Redis that cannot be closed in time is no reason to end."""

from redis.exceptions import TimeoutError as ClosingTimeoutError

from virtuoso.adapters.redis_connection import close_redis, forget_idle, open_redis


class Stuck:
    """A pool whose connections do not close."""

    def __init__(self) -> None:
        self.asked = 0

    async def disconnect(self, *, inuse_connections: bool = True) -> None:
        """Fail as redis-py does when closing takes longer than its deadline."""
        del inuse_connections
        self.asked += 1
        message = "Timed out closing connection after 0.1"
        raise ClosingTimeoutError(message)

    async def aclose(self) -> None:
        """The same."""
        await self.disconnect()


async def test_what_cannot_be_closed_is_forgotten() -> None:
    """Neither a read that failed nor the end of the process fails once more for it."""
    client = open_redis(("127.0.0.1", 1), 0.1, 2, None)
    stuck = Stuck()
    client.connection_pool = stuck  # type: ignore[assignment]
    client.auto_close_connection_pool = True
    await forget_idle(client)
    await close_redis(client)
    assert stuck.asked == 2
