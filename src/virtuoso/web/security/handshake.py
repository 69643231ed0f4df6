"""A socket's sign-in: by cookie or header at its handshake, or by its first message.

The app behind needs to know nothing of it. A socket that showed nothing is accepted here, must say
`{"type":"sign_in","token":"..."}` within two seconds, and only then is the app told of it.
"""

import asyncio
from typing import Final, Literal

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from virtuoso.web.answers import SECURITY_HEADERS
from virtuoso.web.security.access import ACCESS, Access
from virtuoso.web.security.gate import Gate
from virtuoso.web.security.sessions import Session

FIRST_MESSAGE_S: Final = 2.0
SIGN_IN_NEEDED: Final = 4401
"""Close code: nothing, or nothing valid, was shown; also when a session ends under a socket."""
TRY_AGAIN: Final = 1013
REFUSED: Final = 1008


class SignIn(msgspec.Struct, frozen=True, tag="sign_in", tag_field="type"):
    """What such a socket says first."""

    token: str


class SignedIn(msgspec.Struct, frozen=True, tag="signed_in", tag_field="type"):
    """What it hears then."""

    scope: Literal["read", "write"]


_decoder = msgspec.json.Decoder(SignIn)


class Handshake:
    """One socket on its way to the app. `session`: whose end is also the socket's."""

    def __init__(self, app: ASGIApp, gate: Gate, session: Session | None) -> None:
        self._app = app
        self._gate = gate
        self._session = session
        self._ended = False

    async def known(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through; watch its session while it lasts."""
        if self._session is None:
            await self._app(scope, receive, send)
            return
        session = self._session

        async def watched(message: Message) -> None:
            # what is said each second at least is also when it is looked whether it may be said
            if self._ended:
                return
            if message["type"] != "websocket.accept" and not self._gate.sessions.lasts(session):
                self._ended = True
                message = {"type": "websocket.close", "code": SIGN_IN_NEEDED, "reason": "sign in"}
            await send(message)

        await self._app(scope, receive, watched)

    async def unknown(self, scope: Scope, receive: Receive, send: Send, address: str) -> None:
        """Accept it, and let it through when its first message shows a token."""
        opening = await receive()
        if opening["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept", "headers": list(SECURITY_HEADERS)})
        access = await self._first_message(receive, address)
        if access is None:
            await send({"type": "websocket.close", "code": SIGN_IN_NEEDED, "reason": "sign in"})
            return
        scope[ACCESS] = access
        said = msgspec.json.encode(SignedIn("write" if access.write else "read")).decode()
        await send({"type": "websocket.send", "text": said})
        told = False

        async def again() -> Message:
            nonlocal told
            if not told:
                told = True
                return opening
            return await receive()

        async def after_accept(message: Message) -> None:
            kind = message["type"]
            if self._ended or kind == "websocket.accept":
                return
            if kind.startswith("websocket.http.response"):
                # it is too late for a status: the app's refusal becomes a close
                self._ended = True
                full = message.get("status") == 503
                code = TRY_AGAIN if full else REFUSED
                message = {"type": "websocket.close", "code": code, "reason": "refused"}
            await send(message)

        await self._app(scope, again, after_accept)

    async def _first_message(self, receive: Receive, address: str) -> Access | None:
        try:
            async with asyncio.timeout(FIRST_MESSAGE_S):
                message = await receive()
        except TimeoutError:
            return None
        text = message.get("text")
        if message["type"] != "websocket.receive" or not text:
            return None
        try:
            said = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        judged = self._gate.by_token(said.token, address)
        return judged if isinstance(judged, Access) else None
