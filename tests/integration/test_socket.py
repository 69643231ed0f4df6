"""The socket as its clients meet it: subscriptions, resume, groups, limits. Real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from support.web_site import Site, a_site, eventually, hear, say
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.signals import SignalState
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_clock import START
from virtuoso.testing.history_rows import signal
from virtuoso.web.options import WebOptions
from virtuoso.wire import keys
from virtuoso.wire.asked import LATELY_MS
from virtuoso.wire.board import RowSymbol, ScoreRow
from virtuoso.wire.client import ServerMessage
from virtuoso.wire.codec import Codec
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.overview import OverviewDocument
from virtuoso.wire.pushes import Alert, AlertsChanged, BoardReplaced, RowsChanged
from virtuoso.wire.records import iso
from virtuoso.wire.signals import SignalsDocument, signal_record

SCORE = ScoreRow.__struct_fields__.index("score")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A web server whose engine has published once."""
    async with a_site() as running:
        await running.start_engine()
        yield running


async def asked(site: Site, **subscription: Any) -> Any:  # noqa: ANN401
    """A socket with this subscription."""
    socket = await site.socket()
    await say(socket, type="subscribe", hz=20, **subscription)
    return socket


async def raised(site: Site, number: int, *alerts: Alert) -> None:
    """Let the engine raise alerts; `number` is that of the last."""
    board = site.engine.board
    push = AlertsChanged(board.epoch, board.seq, board.now, Source.SIMULATOR, number, alerts)
    await site.broker.publish(keys.PUSH, Codec().encode(keys.PUSH, push))


async def followed(site: Site, **states: SignalState) -> None:
    """Let the engine publish these signals, and nothing else."""
    before = site.engine.board
    board = site.engine.board = msgspec.structs.replace(before, seq=before.seq + 1)
    document = SignalsDocument(
        "success",
        iso(board.now),
        None,
        Source.SIMULATOR,
        "cache",
        tuple(signal_record(signal(name, state=state)) for name, state in states.items()),
        board.epoch,
        board.seq,
    )
    value = Codec().encode(keys.SIGNALS, make.published(board, document))
    await site.cache.set(keys.SIGNALS, value, 60_000)
    push = RowsChanged(
        board.epoch, board.seq, before.seq, board.now, Source.SIMULATOR, (), (keys.SIGNALS,)
    )
    await site.broker.publish(keys.PUSH, Codec().encode(keys.PUSH, push))


def an_alert(name: str, state: Any = "active") -> Alert:  # noqa: ANN401
    """An alert about Bitcoin."""
    return Alert(
        id=name,
        level="critical",
        symbol="BTCUSDT",
        rule="score_above",
        message="The score rose above 80",
        timestamp="2026-07-19T12:00:00.000Z",
        state=state,
        source=Source.SIMULATOR,
    )


async def test_every_message_a_server_sends_is_of_the_typed_protocol(site: Site) -> None:
    """What is sent decodes into the very structs that the clients are generated from."""
    decoder = msgspec.json.Decoder(ServerMessage)
    await followed(site, a=SignalState.ACTIVE)
    groups = ["board", "overview", "alerts", "signals"]
    first = await asked(site, groups=groups, details=["BTCUSDT"])
    rows = {"symbols": ["BTCUSDT"], "form": "rows", "resume": {"epoch": "one", "seq": 1}}
    sockets = (
        first,
        await asked(site, form="rows"),
        await asked(site, symbols=["BTCUSDT"], fields=["price"]),
        await asked(site, **rows),
    )
    await say(first, type="ping")
    await say(first, type="nonsense")
    await site.engine.publish(make.a_row(0, score=70.0, price=5.0))
    await raised(site, 1, an_alert("a"))
    kinds: set[type] = set()
    wanted = set(get_args(ServerMessage))

    async def read(socket: Any) -> None:  # noqa: ANN401
        async for text in socket:
            kinds.add(type(decoder.decode(text)))

    readers = [asyncio.create_task(read(socket)) for socket in sockets]
    await eventually(lambda: kinds == wanted, "all kinds")
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def test_hello_names_the_connection_the_rhythms_and_the_limits(site: Site) -> None:
    """The first message; a number is never used again."""
    first = await site.socket()
    hello = json.loads(await first.recv())
    assert (hello["type"], hello["protocol"], hello["hz"][0]) == ("hello", 1, 20.0)
    assert hello["limits"] == {
        "message_bytes": 16_384,
        "messages_per_second": 20,
        "symbols": 100,
        "details": 4,
        "waiting_bytes": 262_144,
        "send_deadline_ms": 2_000,
    }
    await first.close()
    second = json.loads(await (await site.socket()).recv())
    assert second["client"] > hello["client"]


# --- what is asked for ------------------------------------------------------------------------


async def test_fields_narrow_a_record_and_what_counts_as_a_change(site: Site) -> None:
    """Who asks for prices hears nothing of scores; reason and state of the score stay with it."""
    socket = await asked(site, symbols=["BTCUSDT"], fields=["price", "volume"])
    first = await hear(socket, "fields_update")
    assert first["data"] == {"price": 91_000.5, "volume": 5_000_000.0}
    assert set(first["quality"]) == {"price", "volume"}
    assert (first["state"], first["reason"], first["as_of"]) == ("live", None, START)
    await site.engine.publish(make.a_row(0, score=62.0))
    await site.engine.publish(make.a_row(0, score=61.0, price=7.0))
    second = await hear(socket, "fields_update")
    assert (second["data"]["price"], second["seq"]) == (7.0, 3)


async def test_clients_that_ask_for_the_same_fields_share_one_encoding(site: Site) -> None:
    """P15 holds for every form: once a changed symbol, whoever reads it."""
    sockets = [await asked(site, symbols=["BTCUSDT"], fields=["price"]) for _ in range(5)]
    for socket in sockets:
        await hear(socket, "fields_update")
    before = site.app.hub.counters()
    await site.engine.publish(make.a_row(0, price=7.0), make.a_row(1, price=8.0))
    for socket in sockets:
        assert (await hear(socket, "fields_update"))["data"] == {"price": 7.0}
    after = site.app.hub.counters()
    assert after["encodings"] - before["encodings"] == 1
    assert after["changes"] - before["changes"] == 2


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"symbols": [f"S{number}USDT" for number in range(101)]}, "too_many_symbols"),
        ({"details": ["AUSDT", "BUSDT", "CUSDT", "DUSDT", "EUSDT"]}, "too_many_details"),
        ({"details": ["a:b"]}, "impossible_symbol"),
        ({"fields": ["secret"]}, "unknown_field"),
        ({"form": "rows", "fields": ["price"]}, "fields_need_records"),
        ({"groups": ["everything"]}, "not_understood"),
    ],
)
async def test_what_is_too_much_is_refused_and_the_old_subscription_stays(
    site: Site, said: dict[str, Any], code: str
) -> None:
    """An error with a code and a sentence; nothing else changed."""
    socket = await site.socket_of("BTCUSDT")
    await hear(socket, "snapshot")
    await say(socket, type="subscribe", **said)
    refused = await hear(socket, "error")
    assert refused["code"] == code
    assert refused["text"].startswith("expected ")
    await site.engine.publish(make.a_row(0, score=5.0), make.a_row(1, score=6.0))
    assert [row[0] for row in (await hear(socket, "update"))["rows"]] == [0]


async def test_the_group_board_may_have_more_symbols_than_can_be_named() -> None:
    """100 is the limit of a list; the board is one group."""
    symbols = tuple(f"S{number}USDT" for number in range(150))
    async with a_site(symbols=symbols, details=False) as site:
        await site.start_engine()
        socket = await asked(site, groups=["board"], form="rows")
        assert len((await hear(socket, "snapshot"))["rows"]) == 150


async def test_rows_whose_score_changed_come_before_those_whose_price_did(site: Site) -> None:
    """Scores before prices."""
    socket = await site.socket_of()
    await hear(socket, "snapshot")
    await site.engine.publish(make.a_row(0, price=7.0), make.a_row(2, score=9.0))
    assert [row[0] for row in (await hear(socket, "update"))["rows"]] == [2, 0]


async def test_the_overview_comes_at_once_and_when_it_changes(site: Site) -> None:
    """The same document that REST answers, pushed."""
    socket = await asked(site, groups=["overview"])
    said = await hear(socket, "overview", "snapshot")
    assert said["type"] == "overview"
    overview = msgspec.convert(said["data"], OverviewDocument)
    asked_for = (await site.http.get("/api/market/overview")).json()
    assert said["data"] == {**asked_for, "reasons": []}
    assert overview.market_overview.total_volume_24h == 15_000_000.0
    await site.engine.publish(make.a_row(0, volume_24h=1.0))
    second = await hear(socket, "overview")
    assert second["data"]["market_overview"]["total_volume_24h"] == 10_000_001.0
    assert second["data"]["seq"] == 2


async def test_a_detail_comes_at_once_and_when_it_is_published_anew(site: Site) -> None:
    """One score taken apart, only for those who opened it; what there is not says why."""
    socket = await asked(site, details=["ETHUSDT", "NONEUSDT"])
    said: dict[str, dict[str, Any]] = {}
    while len(said) < 2:
        message = await hear(socket, "detail")
        said[message["symbol"]] = message
    assert msgspec.convert(said["ETHUSDT"]["data"], SymbolDetail).record.symbol == "ETHUSDT"
    assert said["NONEUSDT"]["data"] is None
    assert said["NONEUSDT"]["reasons"]
    await site.engine.publish(make.a_row(0, score=1.0), make.a_row(1, score=2.0))
    again = await hear(socket, "detail")
    assert (again["symbol"], again["data"]["record"]["confluence_score"]) == ("ETHUSDT", 2.0)
    await say(socket, type="unsubscribe", details=["ETHUSDT"])
    await say(socket, type="ping", id=1)
    await hear(socket, "pong")
    site.clock.advance(LATELY_MS)  # what was asked for until now is no longer read ahead
    reads = len(site.cache.reads)
    await site.engine.publish(make.a_row(1, score=3.0))
    await eventually(lambda: len(site.cache.reads) > reads)
    key = keys.symbol_detail(Symbol("ETHUSDT"))
    assert not [read for read in site.cache.reads[reads:] if key in read]


async def test_a_detail_is_marked_when_the_engine_falls_silent(site: Site) -> None:
    """Nothing announces a death; the document comes again, marked as old."""
    socket = await asked(site, details=["BTCUSDT"])
    assert (await hear(socket, "detail"))["data"]["status"] == "success"
    site.broker.losing = True
    site.clock.advance(3_001)
    said = await hear(socket, "detail")
    assert said["data"]["status"] == "degraded"
    assert "silent" in said["data"]["reasons"][0]


# --- alerts -----------------------------------------------------------------------------------


async def test_alerts_are_subscribed_and_each_one_comes(site: Site) -> None:
    """First what is known and since when, then each by its number, none left out."""
    socket = await asked(site, groups=["alerts"])
    held = await hear(socket, "alerts")
    assert (held["epoch"], held["number"], held["alerts"]) == ("one", 0, [])
    assert held["since"] == START
    await raised(site, 2, an_alert("a"), an_alert("b"))
    await raised(site, 3, an_alert("a", "resolved"))
    seen = [await hear(socket, "alert") for _ in range(3)]
    assert [each["number"] for each in seen] == [1, 2, 3]
    assert [(each["alert"]["id"], each["alert"]["state"]) for each in seen] == [
        ("a", "active"),
        ("b", "active"),
        ("a", "resolved"),
    ]
    later = await asked(site, groups=["alerts"])
    held = await hear(later, "alerts")
    assert [(each["id"], each["state"]) for each in held["alerts"]] == [
        ("b", "active"),
        ("a", "resolved"),
    ]


async def test_an_alert_goes_out_before_the_rows_that_wait_for_their_rhythm(site: Site) -> None:
    """Alerts before scores before prices: an alert waits for no rhythm."""
    socket = await site.socket()
    await say(socket, type="subscribe", groups=["board", "alerts"], form="rows", hz=0.2)
    await hear(socket, "snapshot")
    await site.engine.publish(make.a_row(0, score=1.0))
    await hear(socket, "update")
    await site.engine.publish(make.a_row(0, score=2.0))
    await raised(site, 1, an_alert("a"))
    assert (await hear(socket, "update", "alert"))["type"] == "alert"


async def test_alerts_that_were_missed_are_not_passed_over_in_silence(site: Site) -> None:
    """After a hole everything known is sent anew, and since when it is known."""
    socket = await asked(site, groups=["alerts"])
    await hear(socket, "alerts")
    site.clock.advance(500)
    await site.engine.beat()
    await raised(site, 7, an_alert("g"))
    held = await hear(socket, "alerts", "alert")
    assert (held["type"], held["number"], held["since"]) == ("alerts", 7, START + 500)
    assert [each["id"] for each in held["alerts"]] == ["g"]


async def test_a_resumed_client_gets_exactly_the_alerts_it_missed(site: Site) -> None:
    """By number, from the ring."""
    await raised(site, 3, an_alert("a"), an_alert("b"), an_alert("c"))
    await eventually(lambda: site.app.hub._alerts.number == 3)
    resume = {"epoch": "one", "seq": 1, "alerts": 1}
    socket = await asked(site, groups=["alerts"], resume=resume)
    seen = [await hear(socket, "alert", "alerts") for _ in range(2)]
    assert [each["number"] for each in seen] == [2, 3]


# --- resume -----------------------------------------------------------------------------------


# --- signals ----------------------------------------------------------------------------------


async def test_signals_come_at_once_and_when_they_change_or_end(site: Site) -> None:
    """First which are open and each of them, as REST has it; then what changes, until the end."""
    opened, over = SignalState.ACTIVE, SignalState.EXPIRED
    await followed(site, b=opened, a=opened, old=over)
    socket = await asked(site, groups=["signals"])
    held = await hear(socket, "signals", "snapshot")
    assert held == {"type": "signals", "epoch": "one", "open": ["a", "b"], "reasons": []}
    seen = [await hear(socket, "signal", "snapshot") for _ in range(2)]
    assert [each["signal"]["id"] for each in seen] == ["a", "b"]
    listed = (await site.http.get("/api/signals", params={"state": "active"})).json()
    assert seen[1]["signal"] == listed["signals"][0]
    await followed(site, b=over, a=opened, old=over)
    ended = (await hear(socket, "signal"))["signal"]
    assert (ended["id"], ended["state"]) == ("b", "expired")
    await say(socket, type="unsubscribe", groups=["signals"])
    await say(socket, type="ping", id=1)
    await hear(socket, "pong")
    site.clock.advance(LATELY_MS)  # what was asked for until now is no longer read ahead
    reads = len(site.cache.reads)
    await followed(site, a=over)
    await site.engine.publish(make.a_row(0, score=1.0))
    await eventually(lambda: len(site.cache.reads) > reads)
    assert not [read for read in site.cache.reads[reads:] if keys.SIGNALS in read]


async def test_signals_that_are_not_known_are_said_to_be_unknown(site: Site) -> None:
    """Not an empty list: why; when they are published, the list."""
    socket = await asked(site, groups=["signals"])
    held = await hear(socket, "signals")
    assert (held["open"], bool(held["reasons"])) == ([], True)
    await followed(site, a=SignalState.ACTIVE)
    held = await hear(socket, "signals")
    assert (held["open"], held["reasons"]) == (["a"], [])
    assert (await hear(socket, "signal"))["signal"]["id"] == "a"


async def test_another_engine_begins_the_list_of_signals_anew(site: Site) -> None:
    """What was open with the engine before may have ended unseen."""
    await followed(site, a=SignalState.ACTIVE)
    socket = await asked(site, groups=["signals"])
    await hear(socket, "signal")
    await site.start_engine("two")
    await followed(site, a=SignalState.ACTIVE)
    held = await hear(socket, "signals")
    assert (held["epoch"], held["open"]) == ("two", ["a"])


# --- resuming ---------------------------------------------------------------------------------


async def test_a_short_cut_is_resumed_without_a_snapshot(site: Site) -> None:
    """Only what changed since; `previous` is the sequence the client named."""
    first = await site.socket_of()
    seq = (await hear(first, "snapshot"))["seq"]
    await first.close()
    await site.engine.publish(make.a_row(1, score=10.0))
    await site.engine.publish(make.a_row(1, score=11.0))
    await eventually(lambda: site.follower.reader.seq == 3)
    second = await asked(site, form="rows", resume={"epoch": "one", "seq": seq})
    resumed = await hear(second, "resumed", "snapshot")
    assert (resumed["type"], resumed["epoch"], resumed["seq"]) == ("resumed", "one", 1)
    update = await hear(second, "update", "snapshot")
    assert (update["type"], update["previous"], update["seq"]) == ("update", 1, 3)
    assert [(row[0], row[SCORE]) for row in update["rows"]] == [(1, 11.0)]
    assert site.app.hub.counters()["resumed"] == 1


async def test_records_are_resumed_from_the_sequence_of_a_heartbeat(site: Site) -> None:
    """In the owner's form too: only the symbols that changed."""
    first = await asked(site, symbols=["BTCUSDT", "ETHUSDT"])
    await hear(first, "heartbeat")
    await first.close()
    await site.engine.publish(make.a_row(1, score=10.0))
    await eventually(lambda: site.follower.reader.seq == 2)
    resume = {"epoch": "one", "seq": 1}
    second = await asked(site, symbols=["BTCUSDT", "ETHUSDT"], resume=resume)
    assert (await hear(second, "resumed", "market_update"))["type"] == "resumed"
    assert (await hear(second, "market_update"))["symbol"] == "ETHUSDT"
    await site.engine.publish(make.a_row(0, score=5.0))
    assert (await hear(second, "market_update"))["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(("epoch", "seq"), [("other", 1), ("one", 0), ("one", 99)])
async def test_what_cannot_be_resumed_gets_a_snapshot(site: Site, epoch: str, seq: int) -> None:
    """Another epoch, a time before this server knows, a sequence it has not reached."""
    socket = await asked(site, form="rows", resume={"epoch": epoch, "seq": seq})
    assert (await hear(socket, "resumed", "snapshot"))["type"] == "snapshot"


async def test_a_board_with_other_symbols_cannot_be_resumed(site: Site) -> None:
    """Row numbers may mean something else: a snapshot says what they mean."""
    await rename(site, ("BTCUSDT", "XRPUSDT", "SOLUSDT"))
    socket = await asked(site, form="rows", resume={"epoch": "one", "seq": 1})
    assert (await hear(socket, "resumed", "snapshot"))["type"] == "snapshot"


# --- the engine's fate ------------------------------------------------------------------------


async def rename(site: Site, symbols: tuple[str, ...]) -> None:
    """Let the engine go on in its epoch with other symbols."""
    board = make.a_board(seq=site.engine.board.seq + 1, symbols=symbols)
    site.engine.board = board
    await site.engine.write()
    await site.engine._push(BoardReplaced(board))
    await eventually(lambda: site.follower.reader.seq == board.seq)


async def test_a_symbol_that_appears_or_goes_brings_a_snapshot_with_what_there_is(
    site: Site,
) -> None:
    """A symbol that was unknown is served from then on; one that went is named as unknown."""
    socket = await site.socket_of("BTCUSDT", "XRPUSDT")
    snapshot = await hear(socket, "snapshot")
    assert ([each["symbol"] for each in snapshot["symbols"]], snapshot["unknown"]) == (
        ["BTCUSDT"],
        ["XRPUSDT"],
    )
    await rename(site, ("ETHUSDT", "XRPUSDT"))
    snapshot = await hear(socket, "snapshot")
    assert [RowSymbol(**each).symbol for each in snapshot["symbols"]] == ["XRPUSDT"]
    assert snapshot["unknown"] == ["BTCUSDT"]
    await site.engine.publish(make.a_row(0, score=1.0), make.a_row(1, score=2.0))
    assert [row[:2] for row in (await hear(socket, "update"))["rows"]] == [[1, 2.0]]


async def test_while_there_is_no_board_that_is_said_again_and_again() -> None:
    """A connection that says nothing is taken for dead; this one says why there is nothing."""
    async with a_site() as site:
        socket = await site.socket_of()
        for _ in range(3):
            assert (await hear(socket, "error", "snapshot"))["code"] == "no_board"


# --- those who do not read --------------------------------------------------------------------


async def test_records_of_a_large_board_go_out_in_pieces_and_all_arrive() -> None:
    """300 records are more than may wait at once; a reader that reads gets every one, once."""
    symbols = tuple(f"S{number}USDT" for number in range(300))
    async with a_site(symbols=symbols, details=False) as site:
        await site.start_engine()
        socket = await asked(site, groups=["board"])
        seen = [(await hear(socket, "market_update"))["symbol"] for _ in range(300)]
        assert sorted(seen) == sorted(symbols)
        assert (await hear(socket, "heartbeat", "market_update"))["type"] == "heartbeat"


async def test_a_flood_of_messages_closes_with_a_code_of_ours(site: Site) -> None:
    """4429, and its place is free at once."""
    socket = await site.socket()
    for number in range(21):
        await say(socket, type="ping", id=number)
    with pytest.raises(ConnectionClosed) as closed:
        await hear(socket, "never")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
        4429,
        "more than 20 messages a second",
    )
    await eventually(lambda: not site.app.hub.clients)


async def test_nothing_is_kept_of_clients_that_left() -> None:
    """Views, projections, timers and places go with the last client."""
    async with a_site(WebOptions(heartbeat_s=0.05)) as site:
        await site.start_engine()
        for number in range(3):
            socket = await asked(
                site, symbols=["BTCUSDT"], fields=["price"], details=["BTCUSDT"], groups=["alerts"]
            )
            await hear(socket, "fields_update")
            await socket.close()
            await eventually(lambda: not site.app.hub.clients, f"the end of client {number}")
        hub = site.app.hub
        assert not hub._shelf._views
        assert not hub._shelf._projections
        assert not hub._published._readers
        assert not hub._published._frames
        assert not hub._timers
        assert not hub._by_ip
        assert not any(pace.clients for pace in hub._paces.values())
