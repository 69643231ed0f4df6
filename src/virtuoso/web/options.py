"""What may be chosen about the web process, with its defaults."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Limits and deadlines. The defaults are those of the threat model."""

    hosts: tuple[str, ...] = ()
    """Names beside the loopback ones by which browsers may call this server."""
    max_clients: int = 200
    max_clients_per_ip: int = 10
    max_messages_per_second: int = 20
    """Of one socket client."""
    max_body_bytes: int = 64 * 1024
    send_deadline_s: float = 2.0
    """A socket client that takes nothing for this long is cut off."""
    heartbeat_s: float = 1.0
    min_hz: float = 0.2
    max_hz: float = 20.0
