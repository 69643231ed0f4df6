"""What the simulator can be told."""

from dataclasses import dataclass

from virtuoso.simulator.listings import LISTINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """The settings of one simulated venue. Port 0 asks the system for a free one."""

    seed: int = 1
    symbols: int = 30
    host: str = "127.0.0.1"
    port: int = 8090
    client_buffer_bytes: int = 8_000_000
    """What may wait for one client before it is cut off."""
    client_buffer_frames: int = 20_000

    def __post_init__(self) -> None:
        if not 1 <= self.symbols <= len(LISTINGS):
            message = f"expected 1 to {len(LISTINGS)} symbols, found {self.symbols}"
            raise ValueError(message)
