"""Which addresses a webhook may have; an address is a secret, so no refusal repeats it."""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from virtuoso.domain.errors import SettingsError

DISCORD_HOSTS: Final = frozenset({"discord.com", "discordapp.com"})
_DISCORD_PATH: Final = re.compile(r"/api/webhooks/[0-9]{1,20}/[A-Za-z0-9_-]{1,120}", re.ASCII)
_PLAIN: Final = re.compile(r"[!-~]{1,2000}", re.ASCII)
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def discord_address(text: str, name: str = "DISCORD_WEBHOOK_URL") -> str:
    """Check the address of a Discord webhook. Raises SettingsError, which does not repeat it."""
    parts = _parts(text, name)
    path = parts.path
    if (
        parts.scheme != "https"
        or text[: len("https://")] != "https://"
        or parts.netloc not in DISCORD_HOSTS
        or not _DISCORD_PATH.fullmatch(path)
        or parts.query
        or parts.fragment
        or text != f"https://{parts.netloc}{path}"
    ):
        msg = (
            f"expected {name} as https://discord.com/api/webhooks/NUMBER/TOKEN and nothing else, "
            "found another address (it is not shown, because it is a secret)"
        )
        raise SettingsError(msg)
    return text


def webhook_address(text: str, name: str = "ALERT_WEBHOOK_URL") -> str:
    """Check the address of a program of ours: https, or http to this computer. Raises as above."""
    parts = _parts(text, name)
    host = parts.hostname or ""
    is_near = host in LOOPBACK
    if (
        parts.username is not None
        or parts.password is not None
        or parts.fragment
        or not host
        or not (parts.scheme == "https" or (parts.scheme == "http" and is_near))
        or (_is_literal(host) and not is_near and not is_public(host))
    ):
        msg = (
            f"expected {name} as https://HOST/PATH without a user (or http:// to this computer), "
            "found another address (it is not shown, because it is a secret)"
        )
        raise SettingsError(msg)
    return text


def _parts(text: str, name: str) -> SplitResult:
    msg = f"expected a web address in {name}, found something else"
    if not _PLAIN.fullmatch(text) or "\\" in text:
        raise SettingsError(msg)
    try:
        parts = urlsplit(text)
        _ = parts.port  # a port that is no number is told here
    except ValueError:
        raise SettingsError(msg) from None
    return parts


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet."""
    try:
        found = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return False
    inner = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if inner is not None and not inner.is_global:
        return False
    return found.is_global and not found.is_multicast


class PublicOnly(AbstractResolver):
    """Resolves names, and gives only addresses of the open internet: at each connection anew."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a host. Raises OSError when none is public."""
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            msg = f"expected a public address of {host}, found only private ones"
            raise OSError(msg)
        return public

    async def close(self) -> None:
        """Release what resolves."""
        await self._inner.close()
