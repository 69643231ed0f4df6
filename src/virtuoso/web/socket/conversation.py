"""What a client says: one message at a time, bounded in size and number, answered or refused."""

from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from enum import IntEnum
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from virtuoso.ports import Clock
from virtuoso.web.socket.client import Client
from virtuoso.wire.client import (
    ClientMessage,
    FirstPaint,
    Ping,
    Pong,
    Refused,
    Resync,
    Subscribe,
    Unsubscribe,
)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]

KNOWN: Final = "subscribe, unsubscribe, resync, ping, timing"


class Close(IntEnum):
    """With which codes this server closes a socket."""

    GOING_AWAY = 1001
    """The server ends."""
    TOO_LARGE = 1009
    """A message was larger than it may be."""
    RESTARTING = 1012
    """The server ended before it could say goodbye."""
    TOO_MANY_MESSAGES = 4429
    """More messages a second than a client may send."""


class ErrorCode:
    """The codes of `error` messages; after each of them the connection stays as it was."""

    NOT_TEXT: Final = "not_text"
    NOT_UNDERSTOOD: Final = "not_understood"
    NO_BOARD: Final = "no_board"
    TOO_MANY_SYMBOLS: Final = "too_many_symbols"
    TOO_MANY_DETAILS: Final = "too_many_details"
    IMPOSSIBLE_SYMBOL: Final = "impossible_symbol"
    UNKNOWN_FIELD: Final = "unknown_field"
    FIELDS_NEED_RECORDS: Final = "fields_need_records"


class RequestError(Exception):
    """A message that is refused, with a code and a sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Answering(Protocol):
    """Who does what a client asks for."""

    def subscribe(self, client: Client, said: Subscribe) -> None:
        """Replace its subscription. Raises RequestError, and then nothing has changed."""
        ...

    def unsubscribe(self, client: Client, said: Unsubscribe) -> None:
        """Take something out of its subscription."""
        ...

    def resync(self, client: Client) -> None:
        """Send it a snapshot."""
        ...

    def note_timing(self, timing: FirstPaint) -> None:
        """Keep what a page measured."""
        ...


_decoder: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(
    Subscribe | Unsubscribe | Resync | Ping | FirstPaint
)


async def listen(
    client: Client, receive: Receive, desk: Answering, clock: Clock, per_second: int
) -> tuple[int, str] | None:
    """Take what a client says until it goes (None) or must go (a close code and why)."""
    heard: deque[int] = deque(maxlen=per_second)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return None
        if message["type"] != "websocket.receive":
            continue
        now = clock.monotonic_ms()
        if len(heard) == per_second and now - heard[0] < 1_000:
            return Close.TOO_MANY_MESSAGES, f"more than {per_second} messages a second"
        heard.append(now)
        try:
            _answer(client, _understood(message), desk)
        except RequestError as error:
            client.reply(Refused(error.code, str(error)))


def _understood(message: Message) -> ClientMessage:
    text = message.get("text")
    if text is None:
        why = "expected JSON in a text message, found a binary one"
        raise RequestError(ErrorCode.NOT_TEXT, why)
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        why = f"expected one of {KNOWN}, found something else"
        raise RequestError(ErrorCode.NOT_UNDERSTOOD, why) from error


def _answer(client: Client, said: ClientMessage, desk: Answering) -> None:
    if isinstance(said, Ping):
        client.reply(Pong(said.id))
    elif isinstance(said, Resync):
        desk.resync(client)
    elif isinstance(said, Subscribe):
        desk.subscribe(client, said)
    elif isinstance(said, Unsubscribe):
        desk.unsubscribe(client, said)
    else:
        desk.note_timing(said)
