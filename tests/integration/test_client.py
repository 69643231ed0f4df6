"""The typed client against the real server, through cuts and restarts."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import pytest

from support.web_site import DEADLINE_S, Site, a_site, eventually
from virtuoso.client import Board, Client, Connected, Disconnected, Event, Subscribe
from virtuoso.domain.errors import NotRunningError, RequestRefusedError, UnknownSymbolError
from virtuoso.testing import wire_messages as make
from virtuoso.wire.client import Heartbeat, MarketUpdate, Resumed, Snapshot, Update

README = Path(__file__).parents[2] / "README.md"

E = TypeVar("E")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A web server whose engine has published once."""
    async with a_site() as running:
        await running.start_engine()
        yield running


async def of_kind(events: AsyncIterator[Event], kind: type[E]) -> E:
    """The next event of a kind."""
    async with asyncio.timeout(DEADLINE_S):
        async for event in events:
            if isinstance(event, kind):
                return event
    message = f"expected a {kind.__name__}, found the end"
    raise AssertionError(message)


async def test_documents_are_the_structs_that_the_server_encoded(site: Site) -> None:
    """Typed on both sides of the wire."""
    async with Client(f"http://{site.host}") as client:
        assert await client.symbols() == make.symbols_document(site.engine.board)
        assert await client.dashboard() == make.dashboard_document(site.engine.board)
        assert await client.mobile() == make.mobile_document(site.engine.board)
        assert (await client.symbol("ETHUSDT")).record.symbol == "ETHUSDT"
        assert (await client.candles("ETHUSDT", "5m")).timeframe == "5m"
        assert (await client.scores("ETHUSDT")).symbol == "ETHUSDT"
        assert (await client.overview()).market_overview.total_volume_24h == 15_000_000.0
        assert (await client.health()).status in {"success", "degraded", "error"}
        with pytest.raises(UnknownSymbolError, match="NONEUSDT is not among the symbols"):
            await client.symbol("NONEUSDT")
        with pytest.raises(RequestRefusedError, match="Expected a timeframe"):
            await client.candles("ETHUSDT", "7m")
    async with Client("http://127.0.0.1:9") as nobody:
        with pytest.raises(NotRunningError):
            await nobody.symbols()


@pytest.mark.parametrize("form", ["rows", "records"])
async def test_a_cut_connection_is_resumed_and_nothing_is_missed(site: Site, form: Any) -> None:  # noqa: ANN401
    """The loss is an event; afterwards only what changed meanwhile comes."""
    board = Board()
    async with Client(f"http://{site.host}") as client:
        wanted = Subscribe(form=form, hz=20)
        async with aclosing(client.follow(wanted)) as events:
            assert isinstance(await anext(events), Connected)
            board.apply(await of_kind(events, Snapshot), 0.0)
            await of_kind(events, Heartbeat)
            for held in site.app.hub.clients:
                held.line.abort()
            lost = await of_kind(events, Disconnected)
            assert 0.5 <= lost.retry_s <= 1
            await site.engine.publish(make.a_row(1, score=33.0))
            assert (await of_kind(events, Resumed)).epoch == "one"
            if form == "rows":
                update = await of_kind(events, Update)
                assert [row.score for row in update.rows] == [33.0]
                board.apply(update, 0.0)
                assert board.rows["ETHUSDT"].score == 33.0
            else:
                record = await of_kind(events, MarketUpdate)
                assert (record.symbol, record.data.confluence_score) == ("ETHUSDT", 33.0)


async def test_a_restarted_engine_brings_a_snapshot(site: Site) -> None:
    """Another epoch replaces everything."""
    wanted = Subscribe(form="rows", hz=20)
    async with Client(f"http://{site.host}") as client, aclosing(client.follow(wanted)) as events:
        await of_kind(events, Snapshot)
        await site.engine.start("two")
        assert (await of_kind(events, Snapshot)).epoch == "two"


async def test_a_refused_handshake_is_not_tried_again_and_a_dead_server_is(site: Site) -> None:
    """403 is an error of the caller; no server is an event, again and again."""
    async with Client(f"http://{site.host}", headers={"Origin": "http://evil.example"}) as client:
        with pytest.raises(RequestRefusedError, match="403"):
            await anext(client.follow(Subscribe()))
    async with (
        Client("http://127.0.0.1:9") as nobody,
        aclosing(nobody.follow(Subscribe())) as events,
    ):
        assert isinstance(await anext(events), Disconnected)
        assert isinstance(await anext(events), Disconnected)


async def test_the_example_of_the_readme_works(site: Site) -> None:
    """The very code, with the address of this server."""
    [code] = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    code = code.replace("127.0.0.1:8003", site.host).replace("asyncio.run(main())", "")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102
    said = StringIO()
    with redirect_stdout(said):
        example = asyncio.create_task(names["main"]())
        await eventually(lambda: "BTCUSDT 62.5 live" in said.getvalue(), "a line")
        example.cancel()
        await asyncio.gather(example, return_exceptions=True)
    assert "'SOLUSDT'" in said.getvalue()
