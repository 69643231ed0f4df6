"""Who may talk to this server: the Host it is called by, and the Origin a socket comes from."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

LOOPBACK_NAMES: Final = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


def host_name(host: bytes) -> bytes:
    """A Host header without its port, in lower case."""
    end = host.find(b"]") + 1 if host.startswith(b"[") else host.find(b":")
    return (host[:end] if end > 0 else host).lower()


def allowed_names(hosts: Iterable[str]) -> frozenset[bytes]:
    """The loopback names and the configured ones, as `host_name` writes them."""
    return LOOPBACK_NAMES | {host.lower().encode("idna") for host in hosts if host}


def origin_allowed(origin: bytes, host: bytes, client_ip: str) -> bool:
    """Whether a socket handshake may come from this page.

    A browser always sends an Origin, and it must be the very host and port it was called by, on
    loopback too. A program sends none; that is allowed from this computer only.
    """
    if not origin:
        return is_loopback(client_ip)
    same = origin.lower()
    return bool(host) and same in (b"http://" + host.lower(), b"https://" + host.lower())


def is_loopback(client_ip: str) -> bool:
    """Whether an address is this computer's own; a unix socket has none and is."""
    if not client_ip:
        return True
    try:
        return ip_address(client_ip).is_loopback
    except ValueError:
        return False
