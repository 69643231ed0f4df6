"""Has one venue's universe chosen, and chosen again when its catalogue says something else."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from virtuoso.domain.errors import FeedError, VenueRefusedError
from virtuoso.domain.instruments import Listing
from virtuoso.domain.market_data import UniverseChosen
from virtuoso.domain.time import Millis
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.universe import Choice, Wanted, choose, coin_of, partners, same_facts
from virtuoso.ports import Clock, Feed, History
from virtuoso.wire.board import Notice

log = structlog.get_logger()

CATALOGUE_SECONDS = 8.0
PARTNER_SECONDS = 15.0
"""How long a second venue waits for the first one's universe before it chooses its own."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
LONGEST_REFUSED_PAUSE_S = 30.0


class UniverseWatch:
    """What is watched at one venue, and why nothing is while its catalogue does not answer."""

    def __init__(
        self,
        *,
        feed: Feed,
        history: History,
        clock: Clock,
        pipeline: Pipeline,
        jitter: Callable[[], float],
        wanted: Wanted,
        refresh_seconds: float,
        partner: "UniverseWatch | None",
        changed: Callable[[], None],
    ) -> None:
        """`partner`: the first venue, whose coins are watched here too.

        `changed` is called when a reader must be told something else.
        """
        self._feed = feed
        self._history = history
        self._clock = clock
        self._pipeline = pipeline
        self._jitter = jitter
        self._wanted = wanted
        self._refresh_seconds = refresh_seconds
        self._partner = partner
        self._changed = changed
        self._chosen = asyncio.Event()
        self._unknown: tuple[str, ...] = ()
        self.asked_for: tuple[Listing, ...] = ()
        """What was chosen last; the line may still be on its way to it."""
        self.listed: frozenset[str] = frozenset()
        """Everything the catalogue named when it was read last."""
        self.error: str | None = None
        """Why nothing is watched, where the catalogue does not answer."""
        self.error_since: Millis | None = None

    async def begin(self) -> Sequence[Listing]:
        """Ask the catalogue until it answers with somebody to watch, and put that in line."""
        await self._wait_for_partner()
        pause = FIRST_PAUSE_S
        while True:
            try:
                choice = await self._ask()
                if choice.listings:
                    break
                error: Exception = VenueRefusedError("it lists nothing that is wanted")
            except (FeedError, TimeoutError) as failure:
                error = failure
            venue = self._feed.venue
            what = str(error).removeprefix(f"{venue}: ") or "no answer in time"
            self.error = f"{venue} cannot be reached: {what}"
            self.error_since = self.error_since or self._clock.now()
            log.warning("venue_unreachable", venue=venue, error=what, retry_s=pause)
            self._changed()
            await asyncio.sleep(pause * (0.5 + self._jitter() / 2))
            is_refused = isinstance(error, VenueRefusedError)
            pause = min(2 * pause, LONGEST_REFUSED_PAUSE_S if is_refused else LONGEST_PAUSE_S)
        self.error = self.error_since = None
        await self._put_in_line(choice)
        return choice.listings

    async def refresh(self) -> None:
        """Look at the catalogue again and again: who is traded most, who came, who went."""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            try:
                choice = await self._ask()
            except (FeedError, TimeoutError) as error:
                log.warning("catalogue_not_refreshed", venue=self._feed.venue, error=str(error))
                continue
            if choice.listings and not same_facts(choice.listings, self.asked_for):
                await self._put_in_line(choice)

    async def chosen(self) -> None:
        """Wait until there is a universe."""
        await self._chosen.wait()

    def notices(self) -> tuple[Notice, ...]:
        """Say which pinned symbols the venue does not have."""
        if not self._unknown:
            return ()
        text = f"{self._feed.venue} does not list: {', '.join(self._unknown)}"
        return (Notice("unknown_symbols", text),)

    async def _wait_for_partner(self) -> None:
        if self._partner is None:
            return
        try:
            async with asyncio.timeout(PARTNER_SECONDS):
                await self._partner.chosen()
        except TimeoutError:
            log.warning("partner_unknown", venue=self._feed.venue)

    async def _ask(self) -> Choice:
        """Choose from the catalogue. Raises FeedError and TimeoutError."""
        async with asyncio.timeout(CATALOGUE_SECONDS):
            listed = await self._history.listings()
        self.listed = frozenset(str(each.instrument.symbol) for each in listed)
        if self._partner is not None:
            coins = {coin_of(each) for each in self._partner.asked_for}
            return partners(listed, coins, self._wanted)
        choice = choose(listed, self._wanted, self._pipeline.instruments)
        if set(choice.unknown) - set(self._unknown):
            log.warning("pinned_symbols_unknown", venue=self._feed.venue, symbols=choice.unknown)
        self._unknown = choice.unknown
        return choice

    async def _put_in_line(self, choice: Choice) -> None:
        """Let the line know first, so that no event of a newcomer stands before it."""
        chosen = UniverseChosen(self._feed.venue, choice.listings, self._clock.now())
        await self._feed.insert(chosen)
        self.asked_for = choice.listings
        self._chosen.set()
        self._feed.watch([each.instrument for each in choice.listings])
