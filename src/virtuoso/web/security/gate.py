"""Tokens, the password and sessions: who shows what, and what that allows."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from virtuoso.domain.secret import NO_SECRET, SecretText
from virtuoso.ports import Clock
from virtuoso.web.security.access import NOBODY, OPEN, Access
from virtuoso.web.security.lockout import Lockout
from virtuoso.web.security.sessions import COOKIE, Revocations, RevokedHere, Session, Sessions

log = structlog.get_logger()

LONGEST_SECRET: Final = 512
PASSWORDS_WAITING: Final = 4
"""A check of a password costs 64 MB and some 50 ms: one runs, so many wait, others are refused."""
PASSWORD_DEADLINE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What can be shown. The password's owner may do all that the write token may."""

    read_token: SecretText = NO_SECRET
    write_token: SecretText = NO_SECRET
    password_hash: SecretText = NO_SECRET

    def __bool__(self) -> bool:
        return bool(self.read_token or self.write_token or self.password_hash)

    @property
    def can_write(self) -> bool:
        """Whether anybody could ever be allowed to change something."""
        return bool(self.write_token or self.password_hash)

    def digest(self) -> bytes:
        """What changes whenever one of them changes."""
        texts = (self.read_token, self.write_token, self.password_hash)
        return hashlib.sha256("\0".join(each.reveal() for each in texts).encode()).digest()


@dataclass(frozen=True, slots=True)
class Locked:
    """Too many failures: no more tries for so long."""

    ms: int


class Gate:
    """Judges what is shown. `public`: others than this computer can connect."""

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        *,
        public: bool = False,
        key: bytes = b"",
        session_ms: int = 12 * 3_600_000,
        revoked: Revocations | None = None,
    ) -> None:
        """`key` signs sessions; a changed credential ends those that began with the old one."""
        self.credentials = credentials
        self.open_reads = not public and not (credentials.read_token or credentials.password_hash)
        signing = hashlib.blake2b(credentials.digest(), key=key[:64], digest_size=32).digest()
        self.sessions = Sessions(signing, session_ms, clock, revoked or RevokedHere())
        self._bearers = Lockout(clock)
        self._sign_ins = Lockout(clock)
        self._hasher = PasswordHasher()
        self._checking = 0
        self._executor: ThreadPoolExecutor | None = None

    @property
    def anybody(self) -> Access:
        """What is allowed without showing anything."""
        return OPEN if self.open_reads else NOBODY

    def by_cookie(self, header: bytes) -> Session | None:
        """The session in a Cookie header."""
        for part in header.split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == COOKIE.encode():
                return self.sessions.find(value.decode("latin-1"))
        return None

    def by_token(self, token: str, address: str) -> Access | Locked | None:
        """What a token allows; None: nothing.

        A right token is taken although its address is locked out: it has 256 bits, and an old
        token in some forgotten script must not lock out the new one beside it. Failures count
        apart from those of signing in, for the same reason.
        """
        granted = self._granted(token)
        if granted is not None:
            return granted
        locked = self._bearers.locked_ms(address)
        if not locked:
            locked = self._bearers.fail(address)
            log.warning("token_refused", address=address, locked_ms=locked)
            return None
        return Locked(locked)

    def _granted(self, token: str) -> Access | None:
        if not token or len(token) > LONGEST_SECRET:
            return None
        known = self.credentials
        # both are compared each time, so that the time does not tell which one it was
        write, read = known.write_token.matches(token), known.read_token.matches(token)
        if write:
            return Access(read=True, write=True, actor=f"write token {known.write_token.masked()}")
        if read:
            return Access(read=True, write=False, actor=f"read token {known.read_token.masked()}")
        return None

    async def sign_in(self, text: str, address: str) -> tuple[str, Session] | Locked | None:
        """Begin a session for a token or the password: its cookie, or None where it is wrong."""
        locked = self._sign_ins.locked_ms(address)
        if locked:
            return Locked(locked)
        # counted before it is judged: tries that come together must not all be the first
        locked = self._sign_ins.fail(address)
        granted = self._granted(text)
        how = ""
        if granted is not None:
            how = "write token" if granted.write else "read token"
        elif self.credentials.password_hash and 0 < len(text) <= LONGEST_SECRET:
            if self._checking > PASSWORDS_WAITING:
                return Locked(1_000)
            how = "password" if await self._is_password(text) else ""
        if not how:
            log.warning("sign_in_refused", address=address, locked_ms=locked)
            return None
        self._sign_ins.succeed(address)
        return self.sessions.begin(how, write=how != "read token")

    async def _is_password(self, text: str) -> bool:
        if self._executor is None:
            # an executor of its own: the default one may be full of other waits
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="password")
        self._checking += 1
        try:
            async with asyncio.timeout(PASSWORD_DEADLINE_S):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._executor, self._verify, text)
        except TimeoutError:
            return False
        finally:
            self._checking -= 1

    def _verify(self, text: str) -> bool:
        try:
            return self._hasher.verify(self.credentials.password_hash.reveal(), text)
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False

    def close(self) -> None:
        """End the thread that checks passwords, if there is one."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
