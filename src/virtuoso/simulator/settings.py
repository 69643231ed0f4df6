"""What the simulator can be told."""

from dataclasses import dataclass

MOST_SYMBOLS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """The settings of one simulated venue. Port 0 asks the system for a free one."""

    seed: int = 1
    symbols: int = 30
    host: str = "127.0.0.1"
    port: int = 8090
    client_buffer_bytes: int = 8_000_000
    """What may wait for one client before it is cut off."""
    rate: float | None = None
    """Messages a second over all clients; None: as many as the market brings."""
    binance_life_seconds: float = 86_400.0
    """After which Binance ends a connection."""
    binance_ping_seconds: float = 180.0
    binance_pong_seconds: float = 600.0
    """A client that has not answered a ping for so long is cut off."""

    def __post_init__(self) -> None:
        if not 1 <= self.symbols <= MOST_SYMBOLS:
            message = f"expected 1 to {MOST_SYMBOLS} symbols, found {self.symbols}"
            raise ValueError(message)
        if self.rate is not None and not 1 <= self.rate <= 1_000_000:
            message = f"expected a rate from 1 to 1000000 messages a second, found {self.rate:g}"
            raise ValueError(message)
