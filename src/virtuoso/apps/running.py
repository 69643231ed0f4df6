"""Asks a Virtuoso that runs on this machine, as a browser would."""

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from virtuoso.domain.errors import NotRunningError, UnknownSymbolError

SECONDS = 10.0

D = TypeVar("D")


def ask(address: str, path: str, kind: type[D]) -> D:
    """GET a document of the wire; one that says "degraded" is a document too.

    Raises NotRunningError when nobody answers as Virtuoso does, UnknownSymbolError with the
    answer's sentence for what is not there.
    """
    # the machine's proxy settings are not for the loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"{address.rstrip('/')}{path}"
    try:
        request = urllib.request.Request(url, headers=credentials(url, os.environ))  # noqa: S310 (the user's own address)
        with opener.open(request, timeout=SECONDS) as answer:
            return _decode(url, answer.read(), kind)
    except urllib.error.HTTPError as error:
        body = error.read()
        if error.code == 503:
            return _decode(url, body, kind)
        said = _decode(url, body, dict).get("detail") or f"status {error.code}"
        raise UnknownSymbolError(str(said)) from error
    except (OSError, ValueError) as error:
        msg = (
            f"expected a running Virtuoso at {address}, found none ({error}): "
            "start one with `virtuoso run`, or name another with --address"
        )
        raise NotRunningError(msg) from error


def credentials(url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The header that shows the read token; never in the clear to another machine."""
    token = environment.get("VIRTUOSO_READ_TOKEN", "") or environment.get(
        "VIRTUOSO_WRITE_TOKEN", ""
    )
    asked = urlsplit(url)
    near = asked.hostname in {"127.0.0.1", "localhost", "::1"}
    return (
        {"Authorization": f"Bearer {token}"} if token and (near or asked.scheme == "https") else {}
    )


def _decode(url: str, body: bytes, kind: type[D]) -> D:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        msg = f"expected a document of Virtuoso at {url}, found something else: {error}"
        raise NotRunningError(msg) from error


def ask_text(address: str, path: str) -> str:
    """GET a text. Raises NotRunningError when there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"{address.rstrip('/')}{path}"
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            text: str = answer.read().decode()
    except (OSError, ValueError) as error:
        msg = f"expected a text at {url}, found none ({error})"
        raise NotRunningError(msg) from error
    return text
