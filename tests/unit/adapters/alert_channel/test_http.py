"""What an answer of a channel means: how long to wait, whether to go on, whom to believe."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from virtuoso.adapters.alert_channel.http import asked_wait_ms, judge, pause_ms
from virtuoso.adapters.alert_channel.webhook import WebhookChannel
from virtuoso.domain.alerts import Outgoing
from virtuoso.domain.errors import (
    ChannelGoneError,
    ChannelRefusedError,
    ChannelUnavailableError,
)
from virtuoso.domain.secret import SecretText
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import alert

SECRET = "a secret of the receiver, longer than one block of the hash: 0123456789abcdef"


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({}, b'{"retry_after": 1.5}', 1_500),
        ({}, b'{"retry_after": 600}', 600_000),
        ({}, b'{"retry_after": 1500}', 1_500),
        ({}, b'{"retry_after": 64450.0}', 64_450),
        ({}, b'{"retry_after": 99999999}', 600_000),
        ({"Retry-After": "2"}, b'{"retry_after": 2000}', 2_000),
        ({"X-RateLimit-Reset-After": "0.25", "Retry-After": "9"}, b"{}", 250),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, b'{"retry_after": 3}', 3_000),
        ({}, b'{"retry_after": -1}', None),
        ({}, b'{"retry_after": true}', None),
        ({}, b'{"retry_after": "soon"}', None),
        ({}, b"<html>busy</html>", None),
        ({}, b"[1]", None),
    ],
)
def test_how_long_to_wait_is_read_in_seconds_and_in_milliseconds(
    headers: dict[str, str], body: bytes, wait: int | None
) -> None:
    """Ten minutes at most, whatever is asked; nonsense is nothing."""
    assert asked_wait_ms(headers, body) == wait


def test_an_empty_bucket_makes_silent_after_a_good_answer() -> None:
    """Before the channel has to say so."""
    assert pause_ms({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.25"}) == 1_250
    assert pause_ms({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "1.25"}) == 0
    assert pause_ms({"X-RateLimit-Remaining": "0"}) == 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, ChannelGoneError),
        (404, ChannelGoneError),
        (400, ChannelRefusedError),
        (413, ChannelRefusedError),
        (302, ChannelRefusedError),
        (408, ChannelUnavailableError),
        (429, ChannelUnavailableError),
        (500, ChannelUnavailableError),
        (599, ChannelUnavailableError),
    ],
)
def test_each_answer_means_one_thing(status: int, error: type[Exception]) -> None:
    """Gone for good, refused once, or to be tried again; a redirect is not followed."""
    with pytest.raises(error, match=str(status)):
        judge(status, {}, b"")
    judge(204, {}, b"")


@dataclass
class Receiver:
    """A program that takes webhooks: path, headers and body of each."""

    url: str = ""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Listen on a free port of this computer."""
    found = Receiver()

    async def take(request: web.Request) -> web.Response:
        found.taken.append((dict(request.headers), await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield found
    finally:
        await runner.cleanup()


def hmac_sha256(key: bytes, text: bytes) -> str:
    """HMAC as RFC 2104 writes it down, of nothing but the hash."""
    if len(key) > 64:
        key = hashlib.sha256(key).digest()
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in key) + text).digest()
    return hashlib.sha256(bytes(each ^ 0x5C for each in key) + inner).hexdigest()


def test_our_reading_of_the_rfc_gives_its_published_value() -> None:
    """RFC 4231, test cases 2 and 6: a short key, and one longer than a block."""
    short = hmac_sha256(b"Jefe", b"what do ya want for nothing?")
    assert short == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    text = b"Test Using Larger Than Block-Size Key - Hash Key First"
    long = hmac_sha256(b"\xaa" * 131, text)
    assert long == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"


@pytest.mark.enable_socket
@pytest.mark.parametrize("secret", [SECRET, "short"])
async def test_a_receiver_can_verify_the_signature_by_the_documentation_alone(secret: str) -> None:
    """`v1=` and the HMAC of timestamp, dot and body; a changed body is noticed."""
    async with receiver() as there:
        channel = WebhookChannel(there.url, SecretText(secret), FakeClock(), None)
        await channel.send(Outgoing((alert("a"), alert("b")), 0))
        await channel.close()
    ((headers, body),) = there.taken
    timestamp = headers["X-Virtuoso-Timestamp"]
    assert timestamp == str(START // 1_000)
    expected = "v1=" + hmac_sha256(secret.encode(), timestamp.encode() + b"." + body)
    assert headers["X-Virtuoso-Signature"] == expected
    forged = body.replace(b"71.5", b"17.5")
    assert forged != body
    assert "v1=" + hmac_sha256(secret.encode(), timestamp.encode() + b"." + forged) != expected
    assert headers["X-Virtuoso-Alerts"] == "a b"


@pytest.mark.enable_socket
async def test_without_a_secret_nothing_pretends_to_be_signed() -> None:
    """No signature of an empty key, which everybody knows."""
    async with receiver() as there:
        channel = WebhookChannel(there.url, SecretText(""), FakeClock(), None)
        await channel.send(Outgoing((alert(),), 0))
        await channel.close()
    assert "X-Virtuoso-Signature" not in there.taken[0][0]
