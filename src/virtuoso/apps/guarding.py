"""From settings to what stands in front of both APIs; refuses to start what would be open."""

import os
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from fastapi import FastAPI
from starlette.types import Scope

from virtuoso.adapters.audit.file import FileAudit
from virtuoso.adapters.revocations.file import FileRevocations
from virtuoso.apps.settings import Settings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.time import HOUR
from virtuoso.ports import AuditLog, Clock
from virtuoso.web.security.forwarded import Proxies
from virtuoso.web.security.gate import Credentials, Gate
from virtuoso.web.security.guard import Guard, Policy
from virtuoso.web.security.protocol import Connections
from virtuoso.web.security.routes import takes_change
from virtuoso.web.server import bind

log = structlog.get_logger()

KEY_BYTES: Final = 32


def is_public(settings: Settings) -> bool:
    """Whether others than this computer can connect."""
    try:
        return not ip_address(settings.app.address).is_loopback
    except ValueError as error:
        found = settings.app.host[:60]
        msg = f"expected app.host to be an address such as 127.0.0.1 or 0.0.0.0, found {found!r}"
        raise SettingsError(msg) from error


def check_exposure(settings: Settings, *, root: bool) -> tuple[str, ...]:
    """Refuse to listen where anybody can connect and nothing stands in the way.

    Gives what must be warned of, as event names. Raises SettingsError.
    """
    ours = settings.security
    ours.check()
    found = settings.app.host
    if not is_public(settings):
        return ("runs_as_root",) if root and not ours.allow_root else ()
    if not ours.has_credentials:
        msg = (
            f"expected a token before others can connect to {found}: set VIRTUOSO_READ_TOKEN "
            "(`virtuoso token` makes one), or app.host = 127.0.0.1; found none"
        )
        raise SettingsError(msg)
    if not ours.has_tls and not ours.trusted_proxies:
        msg = (
            f"expected TLS before others can connect to {found}: set security.tls_certificate and "
            "tls_key, or name your proxy in security.trusted_proxies; found neither"
        )
        raise SettingsError(msg)
    if root and not ours.allow_root:
        msg = (
            f"expected another user than root where others can connect to {found}: start it as "
            "one, or set VIRTUOSO_ALLOW_ROOT=1; found root"
        )
        raise SettingsError(msg)
    return () if ours.hosts else ("no_hosts_named",)


def bind_guarded(settings: Settings, port: int) -> socket.socket:
    """Take a port once it is known that it may be taken. Raises SettingsError."""
    for warning in check_exposure(settings, root=os.geteuid() == 0):
        log.warning(warning, host=settings.app.host)
    return bind(settings.app.address, port)


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """Read certificate and key, where they are set. Raises SettingsError."""
    ours = settings.security
    if not ours.has_tls:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(
            Path(ours.tls_certificate).expanduser(), Path(ours.tls_key).expanduser()
        )
    except (OSError, ssl.SSLError) as error:
        msg = (
            "expected a certificate chain and its key (PEM) in security.tls_certificate and "
            f"tls_key, found: {error.strerror or error.__class__.__name__}"
        )
        raise SettingsError(msg) from error
    return context


def _key(path: Path) -> bytes:
    """What sessions are signed with: the same for all processes of this machine."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as out:
            out.write(secrets.token_bytes(KEY_BYTES))
        try:
            # only one process can make the link: the others use its key
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
        key = path.read_bytes()
    except OSError as error:
        log.warning("session_key_not_kept", error=str(error))
        return secrets.token_bytes(KEY_BYTES)
    return key if len(key) == KEY_BYTES else secrets.token_bytes(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Guarding:
    """Everything that stands in front of the servers of one process."""

    gate: Gate
    policy: Policy
    audit: AuditLog
    connections: Connections
    tls: ssl.SSLContext | None
    clock: Clock

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> "Guarding":
        """Build it. Raises SettingsError for what protects nothing."""
        ours = settings.security
        public = is_public(settings)
        folder = settings.state.folder(os.environ)
        proxies = Proxies(ours.proxies())
        credentials = Credentials(ours.read_token, ours.write_token, ours.password_hash)
        gate = Gate(
            credentials,
            clock,
            public=public,
            key=_key(folder / "session.key") if credentials else secrets.token_bytes(KEY_BYTES),
            session_ms=round(ours.session_hours * HOUR),
            revoked=FileRevocations(folder / "sessions-ended.txt", clock),
        )
        names = ours.hosts
        address = ip_address(settings.app.address)
        if public and not address.is_unspecified:
            names = (*names, f"[{address}]" if address.version == 6 else str(address))
        return cls(
            gate=gate,
            policy=Policy(names, proxies, needs_proxy=public and not ours.has_tls),
            audit=FileAudit(folder / "audit.jsonl"),
            connections=Connections(proxies.declared),
            tls=tls_of(settings),
            clock=clock,
        )

    def before(
        self,
        app: Any,  # noqa: ANN401 (any ASGI app)
        routes: FastAPI,
        process: Literal["web", "monitor"],
    ) -> Guard:
        """Put the guard in front of an app, `routes` being what answers behind it."""
        takes: Callable[[Scope], bool] = takes_change(routes)
        return Guard(
            app,
            self.gate,
            self.clock,
            policy=self.policy,
            audit=self.audit,
            process=process,
            takes_change=takes,
            dress=process == "monitor",
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names by which the servers are called, beside the loopback ones."""
        return self.policy.hosts

    async def close(self) -> None:
        """End the threads of its own."""
        self.gate.close()
        await self.audit.close()
