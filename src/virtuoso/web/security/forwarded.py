"""Who asks, and over what, when a declared proxy stands between."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple, TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

MOST_HOPS: Final = 20
PEERS_KNOWN: Final = 1_000


class Asked(NamedTuple):
    """The address that asks, whether it came over TLS, and whether a declared proxy says so."""

    address: str
    secure: bool
    proxied: bool


class Proxies:
    """The declared proxies; X-Forwarded-For and -Proto are read from them and nobody else."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def declared(self, peer: str) -> bool:
        """Whether a connection from here is one of a declared proxy."""
        known = self._known.get(peer)
        if known is None:
            address = _address(peer)
            known = address is not None and any(address in each for each in self._networks)
            if len(self._known) >= PEERS_KNOWN:
                self._known.clear()
            self._known[peer] = known
        return known

    def asked(self, forwarded_for: bytes, forwarded_proto: bytes) -> Asked | None:
        """What a declared proxy says; None when it says nothing that can be understood.

        The last address that is no declared proxy asks: all before it is whatever the client wrote.
        """
        hops = forwarded_for.decode("latin-1").split(",")[-MOST_HOPS:]
        proto = forwarded_proto.decode("latin-1").strip().lower()
        if proto not in {"http", "https"}:
            return None
        for hop in reversed(hops):
            address = _address(hop.strip())
            if address is None:
                return None
            if not self.declared(str(address)):
                return Asked(str(address), secure=proto == "https", proxied=True)
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


NO_PROXIES: Final = Proxies(())
