"""What a connection remembers from one conversation to the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.adapters.feed.bybit.troubles import Troubles
from virtuoso.adapters.feed.connection import Outbox
from virtuoso.adapters.feed.ladder import Ladder
from virtuoso.domain.instruments import BYBIT, Instrument
from virtuoso.domain.market_data import Disconnected
from virtuoso.ports import Clock


@dataclass(slots=True)
class Memory:
    """The instruments of one connection, and what was told of them."""

    settings: BybitSettings
    clock: Clock
    outbox: Outbox
    troubles: Troubles
    ladder: Ladder = field(default_factory=Ladder)
    admitted: dict[Instrument, int] = field(default_factory=dict)
    """What is to be carried, with a number that is another one if it left and came back."""
    told: dict[Instrument, int] = field(default_factory=dict)
    """What is connected as far as the consumer was told."""
    first_data_ms: int | None = None
    """Monotonic time of the first market data of the present conversation."""
    admissions: int = 0

    def change(self, instruments: Sequence[Instrument]) -> bool:
        """Carry these instruments from now on and no others; whether that is a change."""
        before = self.admitted
        after = {}
        for each in instruments:
            number = before.get(each)
            if number is None:
                self.admissions += 1
                number = self.admissions
            after[each] = number
        gone = [
            name.text
            for each in before.keys() - after.keys()
            for name in topics_of(each, self.settings)
        ]
        self.troubles.forget(gone)
        self.ladder.forget(gone)
        self.admitted = after
        return before != after

    async def report_lost(self, reason: str) -> None:
        """Tell that nothing of what was connected, or should have been, is so."""
        lost = frozenset(self.told or self.admitted)
        self.told = {}
        if lost:
            await self.outbox.put([Disconnected(BYBIT, lost, reason, self.clock.now())])
