"""CCXT's way of asking, under our budget, with our deadline and our limit on what comes back."""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from ccxt.async_support.base.exchange import Exchange
from ccxt.base import errors as theirs

from virtuoso.adapters.feed.connection import OwnThreadsResolver
from virtuoso.adapters.feed.limits import Priority, RequestBudget
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import VenueUnavailableError

DEADLINE_SECONDS: Final = 10.0
LARGEST_BODY: Final = 10 * 1024 * 1024
"""Bytes, after unpacking."""
_CHUNK: Final = 64 * 1024
_PACKED: Final[Mapping[str, int]] = {
    "gzip": zlib.MAX_WBITS | 16,
    "x-gzip": zlib.MAX_WBITS | 16,
    "deflate": zlib.MAX_WBITS,
}


@dataclass(frozen=True, slots=True)
class Urgency:
    """How a request stands in line."""

    priority: Priority
    pool: str | None = None
    weight: float | None = None
    """Where CCXT does not know it."""


_USUAL: Final = Urgency(Priority.WARM_UP)
URGENCY: Final[ContextVar[Urgency]] = ContextVar("urgency", default=_USUAL)
"""Of the request that is being made: CCXT does not hand on what it does not know."""


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of bounded size; one that is cut or cannot be unpacked is an error."""

    async def read(self) -> bytes:
        """Raises UnreadableFrameError for too much, and aiohttp's errors for a cut body."""
        if self._body is None:
            try:
                self._body = _unpack(
                    await self._read_raw(), self.headers.get("Content-Encoding", "")
                )
            except BaseException:
                self.close()
                raise
        return self._body

    async def _read_raw(self) -> bytes:
        raw = bytearray()
        async for chunk in self.content.iter_chunked(_CHUNK):
            raw += chunk
            if len(raw) > LARGEST_BODY:
                raise _too_large()
        return bytes(raw)


def _too_large() -> UnreadableFrameError:
    msg = f"expected an answer of at most {LARGEST_BODY} bytes, found a larger one"
    return UnreadableFrameError(msg)


def _unpack(raw: bytes, encoding: str) -> bytes:
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return raw
    if encoding not in _PACKED:
        msg = f"expected an answer packed by gzip or deflate, found {encoding[:20]!r}"
        raise UnreadableFrameError(msg)
    packer = zlib.decompressobj(_PACKED[encoding])
    try:
        body = packer.decompress(raw, LARGEST_BODY + 1)
    except zlib.error as error:
        msg = f"expected an answer packed by {encoding}, found: {error}"
        raise UnreadableFrameError(msg) from error
    if len(body) > LARGEST_BODY:
        raise _too_large()
    if not packer.eof:
        msg = f"expected a whole answer, found {len(raw)} bytes of one that is cut"
        raise UnreadableFrameError(msg)
    return body


def open_rest_session() -> aiohttp.ClientSession:
    """A session for REST: own resolver, bounded answers, no cookies kept."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=OwnThreadsResolver(), limit=50),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "gzip, deflate"},
        response_class=BoundedResponse,
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=DEADLINE_SECONDS),
    )


class GovernedLibrary(Exchange):
    """Any class of CCXT under a budget; mixed in before it."""

    budget: RequestBudget
    weigh: Callable[[float], float]
    """From CCXT's cost of a request to the budget's weight of it."""

    def __init__(self, config: Any) -> None:  # noqa: ANN401 - CCXT's own
        super().__init__(config)
        self._handing_over = asyncio.Lock()

    async def throttle(self, cost: float | None = None) -> None:
        """Wait for a turn."""
        urgency = URGENCY.get()
        weight = self.weigh(float(cost or 1)) if urgency.weight is None else urgency.weight
        await self.budget.spend(weight, urgency.priority, urgency.pool)

    async def fetch(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - CCXT's own
        """Ask, within the deadline. Raises VenueUnavailableError for all that is not an answer.

        The library hands a page of HTML on as text, and reads an empty list out of it.
        """
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await super().fetch(*arguments, **named)  # type: ignore[no-untyped-call]
        except (TimeoutError, theirs.RequestTimeout) as error:
            reason = f"no answer within {DEADLINE_SECONDS:g} s"
            raise self._lost(reason) from error
        except UnreadableFrameError as error:
            raise self._lost(str(error)) from error
        except (theirs.BaseError, aiohttp.ClientError, OSError) as error:
            cause = error.__cause__ if isinstance(error, theirs.BaseError) else error
            if isinstance(cause, (aiohttp.ClientError, OSError)):
                reason = f"{type(cause).__name__}: {cause}"
                raise self._lost(reason) from error
            raise  # the venue's own no
        if not isinstance(answer, (dict, list)):
            reason = f"expected JSON, found {str(answer)[:40]!r}"
            raise self._lost(reason)
        # who asked works through a thousand rows at once: answers that came together are handed
        # over one by one, so that the loop looks at its sockets in between
        async with self._handing_over:
            await asyncio.sleep(0)
        return answer

    def _lost(self, reason: str) -> VenueUnavailableError:
        self.budget.failed(reason)
        msg = f"{self.budget.venue}: {reason[:200]}"
        return VenueUnavailableError(msg)

    def on_rest_response(self, code: int, *rest: Any) -> Any:  # noqa: ANN401 - CCXT's own
        """See what the answer says beside its data."""
        headers: Mapping[str, str] = rest[3]
        body: str = rest[4]
        self.budget.answered(code, headers, body)
        return super().on_rest_response(code, *rest)  # type: ignore[no-untyped-call]
