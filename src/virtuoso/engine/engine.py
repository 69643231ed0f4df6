"""The engine: one venue watched or two, paired symbol by symbol, and what they say published."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from virtuoso.domain.alerts import Alert
from virtuoso.domain.fees import Fees
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.time import Millis
from virtuoso.engine.alerts import AlertDesk
from virtuoso.engine.breath import Breath, LoopLag
from virtuoso.engine.content import Content, Printed
from virtuoso.engine.documents import alert_message
from virtuoso.engine.edition import Editor
from virtuoso.engine.garbage import search_gently
from virtuoso.engine.lane import Lane
from virtuoso.engine.measures import channel_measures, input_measures, venue_measures
from virtuoso.engine.outbox import Outbox
from virtuoso.engine.pairing import Pairing, Shown
from virtuoso.engine.pattern_watch import PatternWatch
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.readers import Readers
from virtuoso.engine.recall import Recall
from virtuoso.engine.recorder import Recorder
from virtuoso.engine.signals import SignalDesk
from virtuoso.engine.trial import Trial, try_definition
from virtuoso.engine.universe import coin_of
from virtuoso.engine.venue_watch import VenueWatch, last_price
from virtuoso.engine.view import CycleView
from virtuoso.market.price_range import JUMP_SHARE
from virtuoso.ports import Archive, Clock
from virtuoso.scoring.definition import Definition
from virtuoso.wire.board import Notice, ReplayInfo
from virtuoso.wire.measures import Measure
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

PUBLISH_EVERY_SECONDS = 0.1
"""The least pause between two publications; only a replay at high speed is held back by it."""
FIRST_CYCLE_SECONDS = 5.0
"""For how long the first publication waits for a board with rows."""
ANSWER_EVERY_SECONDS = 0.02
"""The least pause between two answers to readers; who asks meanwhile is answered together."""
LOOP_LAG_WARNS_MS = 100
BEHIND_MS = 2_500
"""A cycle older than this is not the present: those of an engine that keeps up are younger."""
MEASURES_EVERY_MS = 5_000
LIGHT_WHILE_BEHIND = 5
"""While the engine is behind, only every fifth edition has details."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine says of itself."""

    version: str
    epoch: str
    fees: Fees = field(default_factory=dict)
    """By venue, what results of signals are reckoned after."""


class Engine:
    """Publishes what its venues' pipelines say, for ever."""

    def __init__(
        self,
        *,
        first: VenueWatch,
        second: VenueWatch | None,
        clock: Clock,
        publisher: Publisher,
        settings: EngineSettings,
        replay: ReplayInfo | None = None,
        beside: Callable[[], tuple[PartHealth, ...]] = tuple,
        recorder: Recorder | None = None,
        archive: Archive | None = None,
        alerts: AlertDesk | None = None,
        outbox: Outbox | None = None,
        signals: SignalDesk | None = None,
        measures: Callable[[], Iterable[Measure]] = tuple,
    ) -> None:
        """`second` stands in for `first` where that one's numbers are stale; None: nobody does.

        `beside` gives the health of what works beside the engine, such as a recording, and
        `measures` its numbers.
        """
        self._first = first
        self._second = second
        self._clock = clock
        self._publisher = publisher
        self._replay = replay
        self._beside = beside
        self._recorder = recorder
        self._alerts = alerts
        self._outbox = outbox
        self._signals = signals
        self._measures_beside = measures
        self._measures: tuple[Measure, ...] = ()
        self._measures_due_ms = 0
        if alerts is not None:
            alerts.tell = self._announce
            if signals is not None:
                alerts.signal_of = signals.current
        self._recalls: list[tuple[VenueWatch, Recall]] = []
        if archive is not None:
            venues = (first,) if second is None else (first, second)
            self._recalls = [(each, Recall(archive, clock, each.feed.source)) for each in venues]
            for venue, recall in self._recalls:
                venue.remembered = recall.candles
        self._started = clock.now()
        source = first.feed.source
        self._printed: Content | None = None
        """What the newest edition was made of."""
        self._fees = settings.fees
        self._editor = Editor(settings.epoch, source, settings.version, publisher.codec)
        self._readers = Readers(publisher.looks, publisher.codec, clock)
        self._pairing = Pairing()
        self._patterns = PatternWatch()
        self._dirty = asyncio.Event()
        self._loop_lag = LoopLag()
        self._published: tuple[object, ...] = ()
        self._lights = LIGHT_WHILE_BEHIND - 1
        first.changed = self._dirty.set
        if second is not None:
            second.changed = self._second_changed
            first.ask_other = lambda each, price: _near(first, second, each, price)
            second.ask_other = lambda each, price: _near(second, first, each, price)

    @property
    def _venues(self) -> tuple[VenueWatch, ...]:
        return (self._first,) if self._second is None else (self._first, self._second)

    def _is_loading(self) -> bool:
        """Whether anything of the past is on its way."""
        return any(each.is_loading for each in self._venues)

    def _second_changed(self) -> None:
        """The first venue sets the pace, unless there is nothing of it."""
        if self._first.pipeline.view() is None:
            self._dirty.set()

    async def redefine(self, definition: Definition) -> None:
        """Have both venues' scores computed by another definition from their next second on."""
        for venue in self._venues:
            await venue.redefine(definition)

    async def try_definition(
        self, definition: Definition, symbols: Sequence[str]
    ) -> Sequence[Trial]:
        """Score the newest second of some symbols by another definition; nothing changes by it.

        symbols: five at most; none: the first of the board that have a score.
        """
        return await try_definition([each.pipeline for each in self._venues], definition, symbols)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop_lag.run())
            tasks.create_task(search_gently(self._is_loading))
            tasks.create_task(self._readers.run())
            tasks.create_task(self._answer_readers())
            tasks.create_task(self._publish())
            if self._recorder is not None:
                tasks.create_task(self._recorder.run())
            if self._alerts is not None:
                tasks.create_task(self._alerts.run())
            if self._outbox is not None:
                tasks.create_task(self._outbox.run())
            if self._signals is not None:
                tasks.create_task(self._signals.run())
            for venue, recall in self._recalls:
                tasks.create_task(recall.run(venue.lanes))
            for venue in self._venues:
                tasks.create_task(venue.run())

    async def _publish(self) -> None:
        """Publish the newest cycle; when cycles come faster than readers need, the newest wins."""
        breath = Breath()
        await self._await_rows()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._dirty.wait()
            self._dirty.clear()
            breath.begin()
            await self._print(breath)
            await asyncio.sleep(PUBLISH_EVERY_SECONDS)

    async def _await_rows(self) -> None:
        """Wait for the first cycle: a board without rows takes from readers what they have.

        Not for one that cannot come: that a venue is out of reach must be said at once.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CYCLE_SECONDS):
                while not any(
                    each.pipeline.view() is not None or each.is_out_of_reach
                    for each in self._venues
                ):
                    await self._dirty.wait()
                    self._dirty.clear()
        self._dirty.set()

    async def _answer_readers(self) -> None:
        """Publish at once what somebody begins to look at; each edition does it after that."""
        while True:
            await self._readers.came.wait()
            new = self._readers.take_new()
            if self._printed is not None:
                made = self._editor.edit_beside(self._printed, new)
                await self._publisher.publish_beside(made)
            await asyncio.sleep(ANSWER_EVERY_SECONDS)

    async def _print(self, breath: Breath) -> None:
        """Make one edition in slices and publish it."""
        printed: Printed | None = None
        content = self._content()
        await breath.take()
        for _ in self._patterns.taking(content):
            await breath.take()
        content = replace(content, patterns=self._patterns.found)
        if self._signals is not None:
            # before the alerts, which name the signal that they are about
            beside = {each.instrument: each for venue in self._venues for each in venue.lanes()}
            for _ in self._signals.taking(content, beside):
                await breath.take()
        if self._alerts is not None:
            # before anything is written: what fires must leave within the second
            for _ in self._alerts.taking(content):
                await breath.take()
        for part in self._editor.edit(content):
            printed, self._printed = part, content
            await breath.take()
        if printed is not None:
            await self._publisher.publish(printed.board, printed.documents, printed.status)
        if self._recorder is not None:
            for _ in self._recorder.taking(content):
                await breath.take()

    async def _announce(self, alerts: Sequence[Alert]) -> None:
        """Tell readers of alerts that are kept."""
        await self._publisher.announce([alert_message(each) for each in alerts])

    def _content(self) -> Content:
        """Take everything that one edition says."""
        first, second = self._first, self._second
        cycle = first.pipeline.view()
        other = None if second is None else second.pipeline.view()
        shown = self._pairing.pair(
            cycle,
            other,
            () if second is None else second.listings,
            self._clock.monotonic_ms(),
        )
        pipeline = first.pipeline
        if second is not None and (cycle is None or not cycle.markets) and other is not None:
            pipeline, cycle = second.pipeline, other
        now = first.now()
        seq = first.pipeline.seq + (0 if second is None else second.pipeline.seq)
        behind = self._behind_ms(cycle)
        venue_now = now if cycle is None else Millis(cycle.now + behind)
        view = CycleView(seq, now, venue_now, ())
        amended = frozenset().union(*(each.pipeline.amended for each in self._venues))
        # a lost book must not wait for the details of all others
        whole = (first.pipeline.view(), other)
        seconds = tuple(None if each is None else each.at for each in whole)
        light = bool(amended) and seconds == self._published
        if behind:
            # what is late must be caught up with first: the details can wait
            self._lights = (self._lights + 1) % LIGHT_WHILE_BEHIND
            light = light or self._lights != 0
        self._published = seconds
        return Content(
            cycle=view,
            definition=pipeline.definition,
            coverage_floor=pipeline.coverage_floor,
            shown=shown,
            sources={each.feed.venue: each.feed.source for each in self._venues},
            lanes=self._lanes(shown),
            overview=pipeline.overview(),
            across=pipeline.across.view,
            notices=self.notices(shown),
            parts=self.parts(),
            counters=self._counters(),
            cycle_ms=first.cycle_ms,
            started=self._started,
            replay=self._replay_info(),
            refusals=[
                (each.feed.venue, sample)
                for each in self._venues
                for sample in each.pipeline.refusals
            ],
            amended=amended,
            details=not light,
            cycles=[trace for each in self._venues for trace in each.cycles.kept],
            cycle_totals=tuple(each.cycles.totals for each in self._venues),
            looked_at=self._readers.symbols(),
            behind_ms=behind,
            second=None if cycle is None else cycle.at,
            alerts=None if self._alerts is None else self._alerts.shown,
            signals=None
            if self._signals is None or not self._signals.is_known
            else self._signals.shown,
            fees=self._fees,
            measures=self._newest_measures(shown, venue_now),
        )

    def _newest_measures(self, shown: list[Shown], now: int) -> tuple[Measure, ...]:
        """Give the numbers of feeds and all else, made anew every few seconds."""
        at_ms = self._clock.monotonic_ms()
        if at_ms >= self._measures_due_ms:
            self._measures_due_ms = at_ms + MEASURES_EVERY_MS
            counts = () if self._outbox is None else self._outbox.counts()
            cycle_ms, alerts = self._first.cycle_ms, self._alerts
            self._measures = (
                *(each for venue in self._venues for each in venue_measures(venue)),
                *input_measures(shown, now),
                *channel_measures(counts),
                Measure("symbols_watched", float(len(shown))),
                Measure(
                    "symbols_with_score",
                    float(sum(each.view.score.score is not None for each in shown)),
                ),
                Measure("score_cycle_seconds", None if cycle_ms is None else cycle_ms / 1e3),
                Measure("alerts_active", None if alerts is None else float(len(alerts.shown[1]))),
                *self._measures_beside(),
            )
        return self._measures

    def _behind_ms(self, cycle: CycleView | None) -> int:
        """Give by how much the newest cycle is too old for a live engine; 0 while it keeps up."""
        if cycle is None or not self._first.live:
            return 0
        behind = self._clock.now() - cycle.at
        return behind if behind > BEHIND_MS else 0

    def _lanes(self, shown: list[Shown]) -> Mapping[str, Lane]:
        by_venue = {each.feed.venue: each.pipeline for each in self._venues}
        found = {}
        for each in shown:
            lane = by_venue[each.instrument.venue].lane(each.instrument)
            if lane is not None:
                found[each.symbol] = lane
        return found

    def _replay_info(self) -> ReplayInfo | None:
        replay = self._replay
        if replay is None or self._first.ended_at is None:
            return replay
        return ReplayInfo(replay.recorded_from, replay.speed, ended=True)

    def _counters(self) -> dict[str, int]:
        counters = self._first.counters | {"loop_lag_ms": self._loop_lag.worst_ms}
        if self._second is not None:
            venue = self._second.feed.venue
            counters |= {f"{venue}_{name}": n for name, n in self._second.counters.items()}
        return counters

    def notices(self, shown: list[Shown]) -> tuple[Notice, ...]:
        """Say what a reader must know about the whole."""
        recorder = self._recorder
        beside = (*self._beside(), *(() if recorder is None else (recorder.part(),)))
        failed = [part for part in beside if part.status == "fail"]
        notices = (
            *self._first.notices(),
            *(Notice(f"{part.name}_failed", part.text, part.since) for part in failed),
        )
        if self._second is None:
            return notices
        ours = [each for each in self._second.notices() if each.code != "symbols_came"]
        notices = (*notices, *(_named(each, self._second.feed.venue) for each in ours))
        standing_in = [each.symbol for each in shown if each.other and each.other.speaks]
        if standing_in:
            few = ", ".join(standing_in[:5]) + (", ..." if len(standing_in) > 5 else "")
            text = (
                f"{len(standing_in)} of {len(shown)} symbols are shown from "
                f"{self._second.feed.venue}, because {self._first.feed.venue} is late: {few}"
            )
            notices = (*notices, Notice("second_venue", text))
        return notices

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of the engine's parts."""
        first = self._first
        parts = [first.feed_part(), first.warm_part(), first.books_part()]
        if self._second is not None:
            parts += self._second_parts(self._second)
        lag = self._loop_lag.worst_ms
        parts.append(
            PartHealth(
                "loop",
                "warn" if lag > LOOP_LAG_WARNS_MS else "pass",
                f"the longest wait of the last minute was {lag} ms",
            )
        )
        failures = self._publisher.failures
        parts.append(
            PartHealth(
                "publisher",
                "warn" if failures else "pass",
                f"{failures} cache writes failed" if failures else "publishing",
            )
        )
        recorder = self._recorder
        history = () if recorder is None else (recorder.part(),)
        alerts = () if self._alerts is None else (self._alerts.part(),)
        channels = () if self._outbox is None else self._outbox.parts()
        signals = () if self._signals is None else (self._signals.part(),)
        return (*parts, *history, *alerts, *signals, *channels, *self._beside())

    def _second_parts(self, second: VenueWatch) -> list[PartHealth]:
        feed = second.feed_part()
        status = "warn" if feed.status == "fail" else feed.status
        text = f"second venue: {feed.text}"
        parts = [PartHealth("second_feed", status, text, feed.since, feed.last_good)]
        found = self._pairing.agreement
        if found is None:
            text = "nothing to compare: no symbol is live on both venues"
            return [*parts, PartHealth("agreement", "warn", text)]
        points = ""
        if found.median_points is not None:
            points = f"; scores {found.median_points:.1f} points apart in the median"
        text = (
            f"{found.compared} symbols compared: prices {found.median_bps:.1f} bps apart in the "
            f"median, {found.worst_bps:.1f} at most ({found.worst_symbol}){points}"
        )
        return [*parts, PartHealth("agreement", "pass", text)]


def _named(notice: Notice, venue: str) -> Notice:
    """Say which venue a notice is about."""
    if venue in notice.text:
        return notice
    return Notice(notice.code, f"{venue}: {notice.text}", notice.since)


def _near(
    asking: VenueWatch, other: VenueWatch, instrument: Instrument, price: float
) -> float | None:
    """Give the other venue's price, per contract of the asking one, when it is near this one."""
    ours = next((each for each in asking.listings if each.instrument == instrument), None)
    if ours is None:
        return None
    theirs = next((each for each in other.listings if coin_of(each) == coin_of(ours)), None)
    if theirs is None:
        return None
    known = last_price(other.pipeline, theirs.instrument)
    if known is None:
        return None
    per_contract = known * ours.multiplier / theirs.multiplier
    both = (price, per_contract)
    return per_contract if max(both) <= min(both) * (1 + JUMP_SHARE) else None
