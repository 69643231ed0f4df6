"""A guard in front of the smallest app that can be read and changed."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response

from virtuoso.domain.audit import AuditEntry, AuditRow, chained
from virtuoso.domain.errors import StateError
from virtuoso.domain.secret import SecretText
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.web.security.access import access_of
from virtuoso.web.security.gate import Credentials, Gate
from virtuoso.web.security.guard import Guard, Policy
from virtuoso.web.security.routes import session_router, takes_change

READ_TOKEN = "r3aD-0123456789abcdefghijklmnopqrstuvwxyzABCDE"
WRITE_TOKEN = "wR1te-0123456789abcdefghijklmnopqrstuvwxyzABCD"
HOST = "127.0.0.1:8003"
ORIGIN = f"http://{HOST}"
JSON = {"content-type": "application/json", "x-virtuoso": "1"}


class MemoryAudit:
    """Keeps rows in memory; `broken` refuses them."""

    def __init__(self) -> None:
        self.rows: list[AuditRow] = []
        self.broken = False

    async def append(self, entry: AuditEntry) -> AuditRow:
        """Add a row."""
        if self.broken:
            msg = "expected room, found none"
            raise StateError(msg)
        previous = self.rows[-1].hash if self.rows else "0" * 64
        row = chained(entry, len(self.rows) + 1, previous)
        self.rows.append(row)
        return row

    async def last(self, count: int) -> Sequence[AuditRow]:
        """The newest."""
        return self.rows[-count:]

    async def close(self) -> None:
        """Nothing is open."""


def small_app(gate: Gate) -> FastAPI:
    """`/api/data` can be read, `/api/thing` changed; who asks is in the answer."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def data(request: Request) -> dict[str, str]:
        return {"actor": access_of(request.scope).actor, "scheme": request.scope["scheme"]}

    async def change(request: Request) -> Response:
        await request.body()
        return Response(b'{"status":"success"}', media_type="application/json")

    for path in ("/", "/api/data", "/metrics", "/health", "/health/live", "/docs"):
        app.add_api_route(path, data, methods=["GET", "HEAD"], response_model=None)
    app.add_api_route(
        "/api/thing", change, methods=["POST", "PUT", "PATCH", "DELETE"], response_model=None
    )
    app.include_router(session_router(gate))
    return app


@dataclass
class Guarded:
    """All of it, and a client of it."""

    clock: FakeClock
    audit: MemoryAudit
    gate: Gate
    guard: Guard
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, address: str = "127.0.0.1", base: str = ORIGIN) -> httpx.AsyncClient:
        """Somebody who connects from this address."""
        transport = httpx.ASGITransport(app=self.guard, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=base)


def guarded(
    *,
    read: str = "",
    write: str = "",
    password_hash: str = "",
    public: bool = False,
    policy: Policy | None = None,
) -> Guarded:
    """Build a guarded app with these credentials."""
    clock, audit = FakeClock(), MemoryAudit()
    credentials = Credentials(SecretText(read), SecretText(write), SecretText(password_hash))
    gate = Gate(credentials, clock, public=public, key=b"k" * 32)
    app = small_app(gate)
    guard = Guard(
        app, gate, clock, policy=policy, audit=audit, takes_change=takes_change(app), dress=True
    )
    return Guarded(clock, audit, gate, guard)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {token}"}


Scope = MutableMapping[str, Any]
Handle = Callable[[Scope], Awaitable[list[MutableMapping[str, Any]]]]
