"""Sends to a webhook without redirects and proxies, and says what an answer means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from virtuoso.domain.errors import (
    ChannelGoneError,
    ChannelRefusedError,
    ChannelUnavailableError,
)
from virtuoso.domain.time import SECOND

DEADLINE_S: Final = 10.0
CONNECT_S: Final = 5.0
LARGEST_ANSWER: Final = 65_536
LONGEST_WAIT_S: Final = 600.0
GONE: Final = frozenset({401, 404})
BUSY: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Told:
    """A good answer."""

    body: bytes
    headers: Mapping[str, str]


class Poster:
    """One connection pool to one address."""

    def __init__(self, url: str, resolver: AbstractResolver | None) -> None:
        """`resolver` refuses addresses that must not be reached; None: every one may be."""
        self._url = url
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self,
        data: bytes | Callable[[], aiohttp.FormData],
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Told:
        """Send once. Raises ChannelError; no text of it has the address in it."""
        session = self._open()
        try:
            async with session.post(
                self._url,
                data=data if isinstance(data, bytes) else data(),
                headers=headers,
                params=params,
                allow_redirects=False,
            ) as answer:
                body = await answer.content.read(LARGEST_ANSWER)
                judge(answer.status, answer.headers, body)
                return Told(body, answer.headers)
        except TimeoutError as error:
            msg = f"no answer within {DEADLINE_S:g} s"
            raise ChannelUnavailableError(msg) from error
        except (aiohttp.ClientError, OSError) as error:
            # the error's own text may hold the address
            msg = f"it cannot be reached ({type(error).__name__})"
            raise ChannelUnavailableError(msg) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = (
                aiohttp.TCPConnector(limit=2)
                if self._resolver is None
                else aiohttp.TCPConnector(limit=2, resolver=self._resolver, use_dns_cache=False)
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=DEADLINE_S, connect=CONNECT_S),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Release connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def judge(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise what an answer means, unless it is good."""
    if 200 <= status < 300:
        return
    said = f"it answered {status}"
    if status in GONE:
        msg = f"{said}: the webhook is not there, or not for us"
        raise ChannelGoneError(msg)
    if status in BUSY or status >= 500:
        raise ChannelUnavailableError(said, asked_wait_ms(headers, body))
    raise ChannelRefusedError(said)


def asked_wait_ms(headers: Mapping[str, str], body: bytes) -> int | None:
    """How long an answer asks us to wait; `retry_after` of the body is in seconds or in ms.

    The headers are in seconds. Without them a number above ten minutes is one of ms.
    """
    seconds = _number(headers.get("X-RateLimit-Reset-After")) or _number(headers.get("Retry-After"))
    if seconds is None:
        try:
            found = msgspec.json.decode(body, type=dict[str, Any]).get("retry_after")
        except msgspec.MsgspecError:
            found = None
        seconds = _number(found)
        if seconds is not None and seconds > LONGEST_WAIT_S:
            seconds /= SECOND
    return None if seconds is None else round(min(seconds, LONGEST_WAIT_S) * SECOND)


def pause_ms(headers: Mapping[str, str]) -> int:
    """How long to be silent after a good answer, because the bucket is empty."""
    if headers.get("X-RateLimit-Remaining") != "0":
        return 0
    seconds = _number(headers.get("X-RateLimit-Reset-After"))
    return 0 if seconds is None else round(min(seconds, LONGEST_WAIT_S) * SECOND)


def _number(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        value = float(given)
    except ValueError:
        return None
    return value if 0.0 <= value < 1e12 else None
