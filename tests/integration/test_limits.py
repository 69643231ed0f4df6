"""Requests that do not arrive, and connections that are too many: a real server, raw sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.guarded import guarded
from virtuoso.web.security.protocol import Connections
from virtuoso.web.server import bind, serve_on

PATIENCE_S = 1.0
HALF_A_BODY = (
    b"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Virtuoso: 1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 900\r\n\r\n{"
)


@asynccontextmanager
async def serving(connections: Connections) -> AsyncIterator[int]:
    """Run a guarded app on a free port."""
    listener = bind("127.0.0.1", 0)
    started = asyncio.Event()
    task = asyncio.create_task(
        serve_on(guarded().guard, listener, started=started, connections=connections)
    )
    await started.wait()
    try:
        yield listener.getsockname()[1]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(40):
        return await reader.read()


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\r\n\r\n",
        b"GET /api/data HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        HALF_A_BODY,
    ],
)
async def test_what_does_not_arrive_is_not_waited_for(start: bytes) -> None:
    """Nothing, empty lines, half a head, half a body: 408 when the time is over."""
    async with serving(Connections(patience_s=PATIENCE_S)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        heard = await _all(reader)
        writer.close()
    assert heard.startswith(b"HTTP/1.1 408")


async def test_bytes_that_drip_do_not_prolong_the_wait() -> None:
    """The time is for the whole head, not for each byte of it."""
    async with serving(Connections(patience_s=PATIENCE_S)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        # only the first line: what still drips when the other side has closed resets the rest
        answer = asyncio.create_task(reader.readline())
        for _ in range(1_000):
            writer.write(b"a")
            await asyncio.wait({answer}, timeout=PATIENCE_S / 7)
            if answer.done():
                break
        writer.close()
    assert (await answer).startswith(b"HTTP/1.1 408")


async def _ask(port: int, request: bytes) -> bytes:
    """What is answered; nothing where the connection is dropped."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await _all(reader)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_too_many_connections_are_dropped_and_room_is_given_back() -> None:
    """The next one is served as soon as one has gone."""
    connections = Connections(most=2)
    request = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    async with serving(connections) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await _ask(port, request) == b""
        assert connections.refused == 1
        for _, each in held:
            each.close()
        async with asyncio.timeout(40):
            while not (await _ask(port, request)).startswith(b"HTTP/1.1 200"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def test_connections_of_one_address_are_counted_but_not_those_of_here() -> None:
    """A hundred of one neighbour; this computer and a declared proxy stand for many."""
    connections = Connections(lambda peer: peer == "10.0.0.2", most_per_address=2)
    assert [connections.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert all(connections.enter(peer) for peer in ("127.0.0.1", "10.0.0.2") for _ in range(5))
    connections.leave("192.0.2.1")
    assert connections.enter("192.0.2.1")
