"""Sockets at the guard: who is let in, and when one is sent away."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from support.guarded import HOST, ORIGIN, READ_TOKEN, Guarded, bearer, guarded
from virtuoso.web.security.sessions import COOKIE

Message = MutableMapping[str, Any]
RIGHT = f'{{"type":"sign_in","token":"{READ_TOKEN}"}}'


async def shake(
    site: Guarded,
    headers: dict[str, str],
    *,
    client: str = "127.0.0.1",
    messages: tuple[Message, ...] = (),
) -> list[Message]:
    """Open a socket, say these messages, and give what the server sent."""
    sent: list[Message] = []
    waiting: list[Message] = [{"type": "websocket.connect"}, *messages]

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "websocket.disconnect", "code": 1005}

    async def send(message: Message) -> None:
        sent.append(message)

    pairs = [(name.encode(), value.encode()) for name, value in ({"host": HOST} | headers).items()]
    scope = {
        "type": "websocket",
        "path": "/ws",
        "query_string": b"",
        "scheme": "ws",
        "headers": pairs,
        "client": (client, 5),
        "subprotocols": [],
        "state": {},
    }
    await site.guard(scope, receive, send)
    return sent


async def echo(scope: Message, receive: Any, send: Any) -> None:  # noqa: ANN401
    """The smallest socket there is: accepts, and says two things."""
    del scope
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "headers": []})
    await send({"type": "websocket.send", "text": "one"})
    await send({"type": "websocket.send", "text": "two"})


def site_of(**options: Any) -> Guarded:  # noqa: ANN401
    """A guard in front of that socket."""
    site = guarded(**options)
    site.guard._app = echo
    return site


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"origin": ORIGIN, "sec-fetch-site": "same-origin"}, None),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9"}, 403),
        ({"origin": "https://127.0.0.1:8003"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, 403),
        ({"host": "evil.example"}, 400),
        ({"authorization": "Bearer wrong-but-shown"}, 401),
    ],
)
async def test_a_page_of_others_opens_no_socket(
    headers: dict[str, str], status: int | None
) -> None:
    """S7 on the handshake, on the loopback too: hijack and rebinding end here."""
    sent = await shake(site_of(), headers)
    if status is None:
        assert sent[0]["type"] == "websocket.accept"
    else:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", status)


async def test_a_socket_of_a_session_ends_with_the_session() -> None:
    """What is no longer allowed is not said any more, on open sockets neither."""
    site = site_of(read=READ_TOKEN)
    cookie, session = site.gate.sessions.begin("read token", write=False)
    headers = {"origin": ORIGIN, "cookie": f"{COOKIE}={cookie}"}
    assert [each.get("text") for each in await shake(site, headers)] == [None, "one", "two"]

    async def ending(scope: Message, receive: Any, send: Any) -> None:  # noqa: ANN401
        await receive()
        await send({"type": "websocket.accept", "headers": []})
        await send({"type": "websocket.send", "text": "one"})
        site.gate.sessions.end(session)
        await send({"type": "websocket.send", "text": "two"})
        await send({"type": "websocket.send", "text": "three"})
        del scope

    site.guard._app = ending
    sent = await shake(site, headers)
    assert [each.get("text") for each in sent[:2]] == [None, "one"]
    assert [(each["type"], each["code"]) for each in sent[2:]] == [("websocket.close", 4401)]


@pytest.mark.parametrize(
    ("first", "let_in"),
    [
        (
            {"type": "websocket.receive", "text": f'{{"type":"sign_in","token":"{READ_TOKEN}"}}'},
            True,
        ),
        ({"type": "websocket.receive", "text": '{"type":"sign_in","token":"x"}'}, False),
        ({"type": "websocket.receive", "text": '{"type":"subscribe"}'}, False),
        ({"type": "websocket.receive", "bytes": b"\xff"}, False),
        ({"type": "websocket.receive", "text": "[" * 5_000}, False),
        ({"type": "websocket.disconnect", "code": 1006}, False),
    ],
)
async def test_the_first_message_may_show_the_token(first: Message, *, let_in: bool) -> None:
    """And nothing else than a right one opens it; the app hears of it only then."""
    sent = await shake(site_of(read=READ_TOKEN), {}, messages=(first,))
    assert sent[0]["type"] == "websocket.accept"
    texts = [each["text"] for each in sent if "text" in each]
    if let_in:
        assert texts == ['{"type":"signed_in","scope":"read"}', "one", "two"]
    else:
        assert texts == []
        assert sent[-1]["code"] == 4401


async def test_handshakes_of_one_address_are_limited_and_those_of_here_are_not() -> None:
    """Ten a minute from elsewhere."""
    site = site_of(read=READ_TOKEN, public=True)
    for client, last in (("192.0.2.1", 429), ("127.0.0.1", None)):
        for _ in range(11):
            sent = await shake(site, bearer(READ_TOKEN), client=client)
        assert sent[0].get("status") == last
