"""Asks a running Virtuoso for documents, and follows it over the socket."""

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from virtuoso.client.held import Held, Verdict, wait_before
from virtuoso.domain.errors import (
    NotRunningError,
    RequestRefusedError,
    UnknownSymbolError,
    WireError,
)
from virtuoso.wire.beta import BitcoinBetaDocument
from virtuoso.wire.charts import CandlesDocument, ScoreHistoryDocument
from virtuoso.wire.client import Resumed, Resync, ServerMessage, Snapshot, Subscribe
from virtuoso.wire.dashboards import DashboardDocument, MobileDocument
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.health import HealthDocument
from virtuoso.wire.overview import OverviewDocument
from virtuoso.wire.symbols import SymbolsDocument

DEADLINE_S: Final = 5.0
"""For a document, and for opening the socket."""

MUTE_S: Final = 10.0
"""A socket that says nothing for so long is taken for dead; heartbeats come each second."""

ASK_AGAIN_S: Final = 2.0
"""At most this often a new snapshot is asked for while none has come."""

LARGEST_BYTES: Final = 16 * 1024 * 1024
"""Of one message or document."""

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open; a snapshot or what was missed follows."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The socket is gone: what is held is vouched for by nobody. Another attempt follows."""

    reason: str
    retry_s: float


_Socket: TypeAlias = aiohttp.ClientWebSocketResponse[Literal[True]]

Event: TypeAlias = ServerMessage | Connected | Disconnected

_decoder: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(ServerMessage)


class Client:
    """One Virtuoso at one address, as `async with Client("http://127.0.0.1:8003") as client`."""

    def __init__(
        self,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        local_address: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`headers` go with every request and handshake, such as one that signs in."""
        self._address = address.rstrip("/")
        self._headers = dict(headers or {})
        self._local = None if local_address is None else (local_address, 0)
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=self._local),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=DEADLINE_S),
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._opened().close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            message = "expected `async with Client(...)`, found a client that was not entered"
            raise RuntimeError(message)
        return self._session

    # --- documents

    async def symbols(self) -> SymbolsDocument:
        """All symbols."""
        return await self._get("/api/symbols", SymbolsDocument)

    async def symbol(self, symbol: str) -> SymbolDetail:
        """One score taken apart. Raises UnknownSymbolError."""
        return await self._get(_path(symbol), SymbolDetail)

    async def candles(self, symbol: str, timeframe: str = "5m") -> CandlesDocument:
        """Closed candles of one symbol, oldest first. Raises UnknownSymbolError."""
        return await self._get(f"{_path(symbol)}/candles", CandlesDocument, timeframe=timeframe)

    async def scores(self, symbol: str) -> ScoreHistoryDocument:
        """Past scores of one symbol, oldest first. Raises UnknownSymbolError."""
        return await self._get(f"{_path(symbol)}/scores", ScoreHistoryDocument)

    async def dashboard(self) -> DashboardDocument:
        """What the desktop page shows."""
        return await self._get("/api/dashboard/data", DashboardDocument)

    async def mobile(self) -> MobileDocument:
        """What the phone page shows."""
        return await self._get("/api/dashboard/mobile-data", MobileDocument)

    async def overview(self) -> OverviewDocument:
        """The market as a whole."""
        return await self._get("/api/market/overview", OverviewDocument)

    async def bitcoin_beta(self) -> BitcoinBetaDocument:
        """Every symbol against Bitcoin."""
        return await self._get("/api/bitcoin-beta", BitcoinBetaDocument)

    async def health(self) -> HealthDocument:
        """What works and what does not; it comes with 503 too, and is as true then."""
        return await self._get("/health", HealthDocument)

    async def _get(self, path: str, kind: type[D], **query: str) -> D:
        """One document.

        Raises NotRunningError when nobody answers or has nothing to show yet, UnknownSymbolError
        for what is not there, RequestRefusedError for what may not be asked, WireError for an
        answer that is no document.
        """
        url = f"{self._address}{path}"
        try:
            async with self._opened().get(url, params=query) as answer:
                status, body = answer.status, await answer.content.read(LARGEST_BYTES)
                while more := await answer.content.read(LARGEST_BYTES - len(body)):
                    body += more
        except (aiohttp.ClientError, OSError) as error:
            message = f"expected a running Virtuoso at {self._address}, found none ({error})"
            raise NotRunningError(message) from error
        if status == 200 or (status == 503 and kind is HealthDocument):
            return _decoded(url, body, kind)
        said = _sentence(body)
        if status == 404:
            raise UnknownSymbolError(said)
        if status >= 500:
            message = f"expected a document at {url}, found {status}: {said}"
            raise NotRunningError(message)
        message = f"expected a document at {url}, found {status}: {said}"
        raise RequestRefusedError(message)

    # --- the socket

    async def follow(self, subscription: Subscribe) -> AsyncGenerator[Event, None]:
        """Follow for ever: what is subscribed to, and each loss of the connection as an event.

        After a cut it connects again, 0.5 to 30 s later and jittered, and goes on where it was if
        the server still knows that place; otherwise a Snapshot comes. What is older than what was
        given is left out; a hole is mended by a new Snapshot. Ends when the caller stops. Raises
        RequestRefusedError when the handshake is refused for good.
        """
        held = Held(subscription.form)
        attempt = 0
        while True:
            reason = "the server ended the connection"
            try:
                async with self._opened().ws_connect(
                    f"{self._address}/ws",
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    max_msg_size=LARGEST_BYTES,
                ) as socket:
                    await _say(socket, msgspec.structs.replace(subscription, resume=held.resume()))
                    yield Connected()
                    async with aclosing(_listen(socket, held)) as messages:
                        async for message in messages:
                            if isinstance(message, Snapshot | Resumed):
                                attempt = 0
                            yield message
                    if socket.close_code is not None:
                        reason = f"the server closed the connection with {socket.close_code}"
            except aiohttp.WSServerHandshakeError as error:
                if error.status in (400, 401, 403, 404):
                    message_ = f"expected a socket at {self._address}/ws, found {error.status}"
                    raise RequestRefusedError(message_) from error
                reason = f"the handshake was answered with {error.status}"
            except TimeoutError:
                reason = "the server said nothing in time"
            except (aiohttp.ClientError, OSError) as error:
                reason = str(error) or type(error).__name__
            wait_s = wait_before(attempt, self._rng.random())
            attempt += 1
            yield Disconnected(reason, wait_s)
            await asyncio.sleep(wait_s)


async def _say(socket: _Socket, message: msgspec.Struct) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await socket.send_str(msgspec.json.encode(message).decode())


async def _listen(socket: _Socket, held: Held) -> AsyncGenerator[ServerMessage, None]:
    """What may be applied, until the connection ends. Raises TimeoutError when it goes mute."""
    loop = asyncio.get_running_loop()
    asked_s = float("-inf")
    while True:
        frame = await socket.receive(timeout=MUTE_S)
        if frame.type is not aiohttp.WSMsgType.TEXT:
            return
        try:
            message = _decoder.decode(frame.data)
        except msgspec.ValidationError:
            continue  # a message of a later version: additions are not for us
        verdict = held.judge(message)
        if verdict is Verdict.APPLY:
            yield message
        elif verdict is Verdict.RESYNC and loop.time() - asked_s > ASK_AGAIN_S:
            asked_s = loop.time()
            await _say(socket, Resync())


def _path(symbol: str) -> str:
    return f"/api/symbols/{quote(symbol, safe='')}"


def _decoded(url: str, body: bytes, kind: type[D]) -> D:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        message = f"expected a {kind.__name__} at {url}, found something else: {error}"
        raise WireError(message) from error


def _sentence(body: bytes) -> str:
    """What an answer that is not 200 says of itself."""
    try:
        said = msgspec.json.decode(body, type=dict[str, object])
    except msgspec.DecodeError:
        return "an answer without a sentence"
    reasons = said.get("reasons")
    words = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
    return str(said.get("detail") or words or "an answer without a sentence")
