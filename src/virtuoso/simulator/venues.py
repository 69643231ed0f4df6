"""What the server needs of the two venues, whatever their market is made of."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from virtuoso.simulator.binance.door import BinanceDoor
from virtuoso.simulator.directory import Directory
from virtuoso.simulator.faults import FaultRequest, Faults
from virtuoso.simulator.stream import Stream

Query: TypeAlias = Mapping[str, str]
Answers: TypeAlias = Mapping[str, Callable[[Query], Any]]
"""By the last part of a path. Each raises the RefusedError of its venue."""


class Venues(Protocol):
    """Both venues, with their doors."""

    directory: Directory
    faults: Faults
    bybit: Answers
    """By the part of the path after /v5/market/."""
    binance: Answers
    """By the part of the path after /fapi/v1/."""
    binance_series: Answers
    """By the part of the path after /futures/data/."""

    @property
    def stream(self) -> Stream:
        """Bybit's websocket side."""

    @property
    def binance_stream(self) -> BinanceDoor:
        """Binance's websocket side."""

    def now_ms(self) -> int:
        """Return the venues' time."""

    async def live(self) -> None:
        """Let the market follow the clock, until cancelled."""

    def check(self, request: FaultRequest) -> None:
        """Raise ValueError, saying what was expected, when a fault makes no sense here."""

    async def begin(self, request: FaultRequest) -> None:
        """Let a fault happen. Raises ValueError for a wrong detail."""

    def describe(self) -> dict[str, Any]:
        """Say what market this is."""
