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
    rhythms: tuple[float, ...] = (20.0, 10.0, 5.0, 4.0, 2.0, 1.0, 0.5, 0.2, 1 / 30)
    """How often a second a socket client can be served at most, fastest first."""
    max_message_bytes: int = 16 * 1024
    """Of one message from a socket client; a longer one closes the socket with 1009."""
    max_symbols: int = 100
    """Named in one subscription."""
    max_details: int = 4
    """Symbols taken apart for one client."""
    max_waiting_bytes: int = 256 * 1024
    """For one socket client, beside what is in the kernel's buffer."""
