"""The browser's session: a signed cookie that ends after hours, at sign-out or with its token."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final, Protocol

from cachetools import LRUCache
from itsdangerous import BadData, URLSafeSerializer

from virtuoso.domain.time import SECOND, Millis
from virtuoso.ports import Clock
from virtuoso.web.security.access import Access

COOKIE: Final = "virtuoso_session"
LONGEST_COOKIE: Final = 512
VERIFIED: Final = 1_000
"""Cookies whose signature is known to be right."""
HOWS: Final = ("read token", "write token", "password")


class Revocations(Protocol):
    """Sessions that were ended before their time; every process that serves sees the same."""

    def contains(self, session: str) -> bool:
        """Whether this session was ended. Must not wait."""
        ...

    def add(self, session: str, until: Millis) -> None:
        """End a session; it may be forgotten after `until`, when it is over anyway."""
        ...


class RevokedHere:
    """Revocations of this process alone."""

    def __init__(self) -> None:
        self._until: dict[str, Millis] = {}

    def contains(self, session: str) -> bool:
        """Whether this session was ended."""
        return session in self._until

    def add(self, session: str, until: Millis) -> None:
        """End a session."""
        self._until[session] = until
        if len(self._until) > 10 * VERIFIED:
            del self._until[next(iter(self._until))]


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one browser."""

    id: str
    write: bool
    how: str
    until: Millis

    def access(self) -> Access:
        """What it allows."""
        return Access(
            read=True,
            write=self.write,
            actor=f"session {self.id[:6]} ({self.how})",
            session=self.id,
        )


class Sessions:
    """Makes and checks cookies. Another key, as after a changed token, ends all of them."""

    def __init__(self, key: bytes, life_ms: int, clock: Clock, revoked: Revocations) -> None:
        self._signer = URLSafeSerializer(
            key,
            salt="virtuoso.session.v1",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
        self._life_ms = life_ms
        self._clock = clock
        self._revoked = revoked
        self._verified: LRUCache[str, Session] = LRUCache(VERIFIED)

    @property
    def life_s(self) -> int:
        """How long a session lasts."""
        return self._life_ms // SECOND

    def begin(self, how: str, *, write: bool) -> tuple[str, Session]:
        """Begin a session: its cookie's value, and what it is."""
        until = Millis(self._clock.now() + self._life_ms)
        session = Session(secrets.token_hex(16), write, how, until)
        cookie = self._signer.dumps([session.id, int(write), how, until])
        return (cookie if isinstance(cookie, str) else cookie.decode()), session

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie that is signed by us, not over and not ended."""
        session = self._verified.get(cookie)
        if session is None:
            session = self._verify(cookie)
            if session is None:
                return None
            self._verified[cookie] = session
        return session if self.lasts(session) else None

    def lasts(self, session: Session) -> bool:
        """Whether it is neither over nor ended."""
        now = self._clock.now()
        return now < session.until and not self._revoked.contains(session.id)

    def end(self, session: Session) -> None:
        """End it everywhere."""
        self._revoked.add(session.id, session.until)

    def _verify(self, cookie: str) -> Session | None:
        if len(cookie) > LONGEST_COOKIE:
            return None
        try:
            match self._signer.loads(cookie):
                case [str(known), int(write), str(how), int(until)] if how in HOWS:
                    # a longer life than ours was signed before the setting was lowered
                    last = self._clock.now() + self._life_ms
                    return Session(known, bool(write), how, Millis(min(until, last)))
                case _:
                    return None
        except (BadData, ValueError):
            return None
