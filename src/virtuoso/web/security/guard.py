"""What every request and every socket passes first: one ASGI callable in front of an app.

The way of a read that is open costs a look at each header and two look-ups. All else is judged in
this order: the way it came, Host, Origin, form, who it is, how often; and a change is written down
before it is made, and what became of it after.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from virtuoso.domain.audit import AuditEntry
from virtuoso.domain.errors import StateError
from virtuoso.domain.time import SECOND
from virtuoso.ports import AuditLog, Clock
from virtuoso.web.answers import SECURITY_HEADERS, Answer
from virtuoso.web.guard import allowed_names, host_name, is_loopback
from virtuoso.web.security import refusals
from virtuoso.web.security.access import ACCESS, CLIENT, NOBODY, Access
from virtuoso.web.security.forwarded import NO_PROXIES, Asked, Proxies
from virtuoso.web.security.gate import Gate, Locked
from virtuoso.web.security.handshake import Handshake
from virtuoso.web.security.lockout import group_of
from virtuoso.web.security.window import Window

log = structlog.get_logger()

Found: TypeAlias = dict[bytes, bytes]
Takes: TypeAlias = Callable[[Scope], bool]

SESSION_PATH: Final = "/api/session"
CHANGE_HEADER: Final = b"x-virtuoso"
MAX_BODY_BYTES: Final = 64 * 1024
CHANGES: Final = 30
"""Of one address in a minute."""
SOCKETS: Final = 10
"""Handshakes of one address in a minute; this computer's own are not counted."""
KNOWN_HOSTS: Final = 200
HSTS: Final = (b"strict-transport-security", b"max-age=31536000")

_READ: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""OPTIONS changes nothing, and is answered by 405: there is no CORS."""
_WATCHED: Final = frozenset(
    {
        b"host",
        b"cookie",
        b"authorization",
        b"origin",
        b"sec-fetch-site",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"forwarded",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        CHANGE_HEADER,
    }
)
_WAY: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")
_ANYONES: Final = frozenset({"/", "/mobile", "/mobile/", "/health/live", SESSION_PATH})
_FILES: Final = (".js", ".css", ".svg", ".png", ".ico", ".webp", ".woff2", ".webmanifest")
_TOKEN_WORDS: Final = (b"token=", b"password=", b"secret=", b"api_key=", b"apikey=")


def is_anyones(path: str) -> bool:
    """Whether a path shows nothing but the pages' own files, which the sign-in is one of."""
    if path in _ANYONES or path.startswith("/assets/"):
        return True
    return path.count("/") == 1 and path.endswith(_FILES)


@dataclass(frozen=True, slots=True)
class Policy:
    """The way this server is reached."""

    hosts: tuple[str, ...] = ()
    proxies: Proxies = NO_PROXIES
    needs_proxy: bool = False
    """Others than this computer can connect, and this process speaks no TLS itself."""


class Guard:
    """Lets through to `app` what may pass. The app finds who asks in the scope (`access_of`).

    `takes_change` says whether anything in the app answers a request that is no read; what nobody
    answers is passed on for its 404 or 405. `dress` adds the security headers to every answer of
    an app that does not do it itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        gate: Gate,
        clock: Clock,
        *,
        policy: Policy | None = None,
        audit: AuditLog | None = None,
        process: str = "web",
        takes_change: Takes = lambda _: True,
        dress: bool = True,
        changes: int = CHANGES,
    ) -> None:
        policy = policy or Policy()
        self._app = app
        self._gate = gate
        self._clock = clock
        self._names = allowed_names(policy.hosts)
        self._proxies = policy.proxies
        self._needs_proxy = policy.needs_proxy
        self._plain = not policy.proxies and not policy.needs_proxy
        self._audit = audit
        self._process = process
        self._takes_change = takes_change
        self._dress = dress
        self._changes = Window(clock, changes)
        self._sockets = Window(clock, SOCKETS)
        self._hosts: dict[bytes, bool] = {}
        self._open_here = gate.anybody
        self.refused: dict[str, int] = {}
        """Requests and handshakes that did not pass, by status."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request or handshake."""
        kind = scope["type"]
        if kind not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        found: Found = {}
        repeated = False
        for name, value in scope["headers"]:
            if name in _WATCHED:
                repeated = repeated or name in found
                found[name] = value
        peer = scope.get("client")
        scope[CLIENT] = address = peer[0] if peer else ""
        answer = refusals.REPEATED_HEADER if repeated else None
        if answer is None and not (self._plain and found.keys().isdisjoint(_WAY)):
            came = self._way(address, found)
            if isinstance(came, Answer):
                answer = came
            elif came.proxied:
                scope[CLIENT] = address = came.address
                scope["client"] = (address, 0)
                scope["scheme"] = _scheme(kind, secure=came.secure)
        if answer is None and not self._called(found.get(b"host", b"")):
            answer = refusals.WRONG_HOST
        if kind == "websocket":
            await self._handshake(scope, receive, send, found, answer)
            return
        if self._dress or scope["scheme"] == "https":
            send = _dressed(send, secure=scope["scheme"] == "https")
        if answer is None:
            answer = self._form(scope, found)
        if answer is None and scope["method"] in _READ:
            answer = self._read(scope, found, address)
            if answer is None:
                await self._app(scope, receive, send)
                return
        if answer is None:
            await self._change(scope, receive, send, found)
            return
        await self._refuse(send, answer)

    # --- the way it came ---

    def _way(self, peer: str, found: Found) -> Asked | Answer:
        """Who asks, over what; a refusal where that cannot be believed."""
        if self._proxies.declared(peer):
            if not found.keys().isdisjoint(_WAY):
                asked = self._proxies.asked(
                    found.get(b"x-forwarded-for", b""), found.get(b"x-forwarded-proto", b"")
                )
                if asked is None:
                    return refusals.NOT_FORWARDED
                if self._needs_proxy and not asked.secure and not is_loopback(asked.address):
                    return refusals.NOT_SECURE
                return asked
            if not is_loopback(peer):
                return refusals.NOT_FORWARDED
        elif not found.keys().isdisjoint(_WAY):
            # whoever put it there, this server would take everybody behind it for one of us
            return refusals.UNDECLARED_PROXY
        elif self._needs_proxy and not is_loopback(peer):
            return refusals.NOT_SECURE
        return Asked(peer, secure=False, proxied=False)

    def _called(self, host: bytes) -> bool:
        known = self._hosts.get(host)
        if known is None:
            known = host_name(host) in self._names
            if len(self._hosts) >= KNOWN_HOSTS:
                self._hosts.clear()
            self._hosts[host] = known
        return known

    def _form(self, scope: Scope, found: Found) -> Answer | None:
        """Why a request is refused for what it looks like."""
        if b"transfer-encoding" in found:
            return refusals.NO_LENGTH
        length = found.get(b"content-length")
        if length is not None and (
            not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY_BYTES
        ):
            return refusals.TOO_LARGE
        query = scope["query_string"]
        if query and any(word in query.lower() for word in _TOKEN_WORDS):
            return refusals.TOKEN_IN_URL
        return None

    # --- who it is ---

    def _who(self, found: Found, address: str) -> Access | Answer:
        """Who shows what. A wrong token is refused; a session that is over is nobody's."""
        shown = found.get(b"authorization")
        if shown is not None:
            word, _, token = shown.partition(b" ")
            if word.lower() != b"bearer":
                return refusals.WRONG_TOKEN
            judged = self._gate.by_token(token.strip().decode("latin-1"), address)
            if isinstance(judged, Locked):
                return refusals.locked(judged.ms)
            return refusals.WRONG_TOKEN if judged is None else judged
        cookie = found.get(b"cookie")
        if cookie is not None:
            session = self._gate.by_cookie(cookie)
            if session is not None:
                return session.access()
        return self._open_here

    def _read(self, scope: Scope, found: Found, address: str) -> Answer | None:
        if b"authorization" not in found and b"cookie" not in found:
            scope[ACCESS] = access = self._open_here
        else:
            judged = self._who(found, address)
            if isinstance(judged, Answer):
                return judged
            scope[ACCESS] = access = judged
        if access.read or is_anyones(scope["path"]):
            return None
        return refusals.SIGN_IN

    # --- changes ---

    async def _change(self, scope: Scope, receive: Receive, send: Send, found: Found) -> None:
        """Judge a request that is no read, and let it through with a note before and after."""
        if not self._takes_change(scope):
            scope[ACCESS] = NOBODY
            await self._app(scope, receive, send)
            return
        address = scope[CLIENT]
        judged = self._may_change(scope, found, address)
        if isinstance(judged, Answer):
            await self._refuse(send, judged)
            return
        scope[ACCESS] = judged
        if not self._changes.take(group_of(address)):
            await self._refuse(send, refusals.too_often(60 * SECOND))
            return
        action = f"{scope['method']} {scope['path'][:200]}"
        if not await self._note(judged.actor, address, action, "asked"):
            await self._refuse(send, refusals.NOT_WRITTEN_DOWN)
            return
        statuses: list[int] = []

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            outcome = str(statuses[0]) if statuses else "no answer"
            await self._note(judged.actor, address, action, outcome)

    def _may_change(self, scope: Scope, found: Found, address: str) -> Access | Answer:
        if not _is_own(scope, found) or (b"cookie" in found and b"origin" not in found):
            # a cookie without an Origin was not sent by any browser of today
            return refusals.WRONG_ORIGIN
        if not found.get(CHANGE_HEADER):
            return refusals.NO_HEADER
        kind = found.get(b"content-type", b"").partition(b";")[0].strip().lower()
        has_body = found.get(b"content-length", b"0") != b"0"
        if kind != b"application/json" and (has_body or scope["method"] != "DELETE"):
            return refusals.NOT_JSON
        if scope["path"] == SESSION_PATH:
            # whoever signs in shows something new: an old token beside it must not stand in the way
            session = self._gate.by_cookie(found.get(b"cookie", b""))
            return NOBODY if session is None else session.access()
        judged = self._who(found, address)
        if isinstance(judged, Answer) or judged.write:
            return judged
        if not self._gate.credentials.can_write:
            return refusals.WRITES_OFF
        return refusals.READ_ONLY if judged.session or judged.read else refusals.SIGN_IN

    async def _note(self, actor: str, client: str, action: str, outcome: str) -> bool:
        """Write down what is done; False where that is not possible."""
        log.info("change", actor=actor, client=client, action=action, outcome=outcome)
        if self._audit is None:
            return True
        entry = AuditEntry(self._clock.now(), self._process, actor, client, action, outcome)
        try:
            await self._audit.append(entry)
        except StateError as error:
            log.error("audit_failed", error=str(error))  # noqa: TRY400 - ours, the text says it all
            return False
        return True

    # --- sockets ---

    async def _handshake(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        found: Found,
        answer: Answer | None,
    ) -> None:
        address = scope[CLIENT]
        if answer is None and b"origin" in found and not _is_own(scope, found):
            answer = refusals.WRONG_ORIGIN
        if (
            answer is None
            and not is_loopback(address)
            and not self._sockets.take(group_of(address))
        ):
            answer = refusals.too_often(60 * SECOND)
        if answer is None and any(word in scope["query_string"].lower() for word in _TOKEN_WORDS):
            answer = refusals.TOKEN_IN_URL
        who = NOBODY
        if answer is None:
            judged = self._who(found, address)
            answer = judged if isinstance(judged, Answer) else None
            who = judged if isinstance(judged, Access) else NOBODY
        if answer is not None:
            self._count(answer)
            await receive()
            await _send_before_accept(send, answer)
            return
        scope[ACCESS] = who
        if who is self._open_here and who.read:
            await self._app(scope, receive, send)
            return
        session = self._gate.by_cookie(found.get(b"cookie", b"")) if who.session else None
        handshake = Handshake(self._app, self._gate, session)
        if who.read:
            await handshake.known(scope, receive, send)
        else:
            await handshake.unknown(scope, receive, send, address)

    # --- answers ---

    def _count(self, answer: Answer) -> None:
        name = str(answer.status)
        self.refused[name] = self.refused.get(name, 0) + 1

    async def _refuse(self, send: Send, answer: Answer) -> None:
        self._count(answer)
        status, headers, body = answer.choose(b"", b"")
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _is_own(scope: Scope, found: Found) -> bool:
    """Whether a page of this very server asks, or a program that is no browser."""
    site = found.get(b"sec-fetch-site")
    if site is not None and site != b"same-origin":
        return False
    origin = found.get(b"origin")
    if origin is None:
        # a browser that says it is a page's request also says whose
        return site is None
    scheme = b"https" if scope["scheme"] in {"https", "wss"} else b"http"
    return origin.lower() == scheme + b"://" + found.get(b"host", b"").lower()


def _scheme(kind: str, *, secure: bool) -> str:
    if kind == "websocket":
        return "wss" if secure else "ws"
    return "https" if secure else "http"


def _dressed(send: Send, *, secure: bool) -> Send:
    """Add the security headers that an answer lacks."""
    wanted: Sequence[tuple[bytes, bytes]] = (
        (*SECURITY_HEADERS, HSTS) if secure else SECURITY_HEADERS
    )

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            missing = [pair for pair in wanted if pair[0] not in present]
            message["headers"] = [*message.get("headers", ()), *missing]
        await send(message)

    return dressed


async def _send_before_accept(send: Send, answer: Answer) -> None:
    status, headers, body = answer.choose(b"", b"")
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
