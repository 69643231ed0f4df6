"""From a confirmed change of direction to a kept signal and its end.

The engine's loop decides and never waits; a task of its own writes, in order, and tries again while
the store is away. Nothing is shown before its row is on the disk. After a restart what is open is
recalled, and the candles that closed meanwhile are gone through.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from math import log as ln
from typing import Final

import structlog

from virtuoso.domain.errors import StoreError, StoreRefusedError
from virtuoso.domain.history import Series
from virtuoso.domain.instruments import Instrument, Symbol
from virtuoso.domain.scores import Direction, Source
from virtuoso.domain.signals import OPEN, Outcome, Signal, SignalFilter
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.engine.content import Content
from virtuoso.engine.kept_rows import is_of_the_board, series_of
from virtuoso.engine.lane import Lane
from virtuoso.engine.pairing import Shown
from virtuoso.ports import Archive, Clock, Ledger
from virtuoso.signals.course import ended, events_of, expires_at
from virtuoso.signals.tracker import Tracker
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

ROOM: Final = 5_000
"""Signals that may wait for the store."""
ENDED_SHOWN: Final = 50
PROGRESS_MS: Final = 5 * MINUTE
"""So often it is written how far a signal was followed, when nothing else happens to it."""
GRACE_MS: Final = HOUR
"""A signal that nothing was heard of for so long after its horizon is over."""
SYMBOLS_AT_ONCE: Final = 20
PAGE: Final = 500
PAUSE_S: Final = (0.25, 5.0)
LOSS_TOLD_MS: Final = HOUR
SAME_MARKET: Final = 0.002
"""So far, as a log return, the price of a simulated signal may lie from its market's candles."""


class SignalDesk:
    """Follows the signals of all symbols, and keeps what becomes of them."""

    def __init__(
        self,
        clock: Clock,
        sources: Sequence[Source],
        ledger: Ledger | None = None,
        archive: Archive | None = None,
    ) -> None:
        """`sources`: whose open signals are recalled. Without a ledger nothing outlives this."""
        self._clock = clock
        self._sources = tuple(sources)
        self._ledger = ledger
        self._archive = archive
        self._ready = ledger is None or archive is None
        self._trackers: dict[Series, Tracker] = {}
        self._seen: dict[Instrument, Millis] = {}
        self._speaks: dict[str, Instrument] = {}
        self._marks: dict[Series, tuple[int, ...]] = {}
        self._recalled: set[str] = set()
        self._said: dict[str, Signal] = {}
        """As they were opened, until that is on the disk."""
        self._stored: dict[str, Signal] = {}
        """As the disk has them, while they are open."""
        self._waiting: dict[str, Signal] = {}
        """As they are now, to be written."""
        self._shown: dict[str, Signal] = {}
        self._ended: deque[Signal] = deque(maxlen=ENDED_SHOWN)
        self._number = 0
        self._view: tuple[Signal, ...] = ()
        self._wake = asyncio.Event()
        self._error: tuple[str, Millis] | None = None
        self._lost = 0
        self._lost_at: Millis | None = None
        self._last_good: Millis | None = None

    @property
    def shown(self) -> tuple[int, tuple[Signal, ...]]:
        """How often it changed, and what is open or ended last, newest first."""
        return self._number, self._view

    @property
    def is_known(self) -> bool:
        """Whether it is known what is open; not before a start has recalled it."""
        return self._ready

    def current(self, series: Series, direction: Direction) -> str | None:
        """Name the open signal of a market that has this direction now; None: there is none."""
        tracker = self._trackers.get(series)
        found = () if tracker is None else tracker.open
        return next(
            (
                each.id
                for each in reversed(found)
                if each.direction is direction and each.left_at is None
            ),
            None,
        )

    # what the engine calls

    def taking(
        self, content: Content, beside: Mapping[Instrument, Lane] | None = None
    ) -> Iterator[None]:
        """Take what turned and what closed; between two parts others get their turn.

        `beside`: the lanes of all venues, also of those that do not speak for a symbol now.
        """
        at = content.second
        if at is None or not self._ready:
            return
        lanes = dict(beside or {})
        for number, shown in enumerate(content.shown):
            lane = content.lanes.get(shown.symbol)
            if lane is not None:
                lanes[shown.instrument] = lane
                self._take(shown, lane, series_of(shown, content.sources), at)
            if number % SYMBOLS_AT_ONCE == SYMBOLS_AT_ONCE - 1:
                yield
        yield
        for series, tracker in list(self._trackers.items()):
            if not tracker.open:
                continue
            lane = lanes.get(Instrument(series.venue, Symbol(series.symbol)))
            if lane is not None:
                self._follow(tracker, lane)
            self._abandon(tracker, at)
            # after a restart hours of candles are gone through, a few milliseconds a signal
            yield
        self._show()

    def _take(self, shown: Shown, lane: Lane, series: Series, at: Millis) -> None:
        instrument = shown.instrument
        if self._speaks.get(shown.symbol, instrument) != instrument:
            # what it said while another venue spoke for the symbol was not shown to anybody
            self._seen[instrument] = at
        self._speaks[shown.symbol] = instrument
        seen = self._seen.get(instrument, Millis(0))
        if not lane.turns or lane.turns[-1].at <= seen:
            return
        tracker = self._tracker(series)
        for turn in lane.turns:
            if turn.at <= seen:
                continue
            self._follow(tracker, lane, turn.at)
            self._note(tracker.turn(turn, is_per_coin=is_of_the_board(shown)))
        self._seen[instrument] = lane.turns[-1].at

    def _tracker(self, series: Series) -> Tracker:
        found = self._trackers.get(series)
        if found is None:
            found = self._trackers[series] = Tracker(series)
        return found

    def _follow(self, tracker: Tracker, lane: Lane, until: Millis | None = None) -> None:
        """Take the open signals of a series along what closed, up to an instant."""
        candles = lane.market.candles[Timeframe.M1]
        newest = candles.last_close
        if not tracker.open or not lane.loaded or candles.gap or newest is None:
            return
        mark = (newest, len(tracker.open), *(each.changed_at for each in tracker.open))
        if until is None and self._marks.get(tracker.series) == mark:
            return
        closed = candles.closed
        if until is not None:
            while closed and closed[-1].close_time > until:
                closed = closed[:-1]
        self._note(self._of_another_market(tracker, lane))
        self._note(tracker.candles(closed))
        if until is None:
            self._marks[tracker.series] = mark

    def _of_another_market(self, tracker: Tracker, lane: Lane) -> list[Signal]:
        """End what was recalled from a simulated market that is not this one."""
        over = []
        for signal in tracker.open:
            if signal.id not in self._recalled:
                continue
            self._recalled.discard(signal.id)
            if signal.series.source is not Source.SIMULATOR or signal.price is None:
                continue
            at = signal.opened_at - 1
            found = next(
                (
                    each
                    for each in reversed(lane.market.candles[Timeframe.M1].closed)
                    if each.open_time <= at < each.close_time
                ),
                None,
            )
            if found is None or abs(ln(found.close / signal.price)) > SAME_MARKET:
                over.append(ended(signal, self._clock.now(), Outcome.LOST_DATA, None))
        for each in over:
            tracker.drop(each.id)
        return over

    def _abandon(self, tracker: Tracker, at: Millis) -> None:
        for signal in tracker.open:
            if at >= expires_at(signal) + GRACE_MS:
                tracker.drop(signal.id)
                self._note([ended(signal, expires_at(signal), Outcome.LOST_DATA, None)])

    def _note(self, changed: Sequence[Signal]) -> None:
        for signal in changed:
            known = self._waiting.get(signal.id) or self._stored.get(signal.id)
            if known is None:
                self._said.setdefault(signal.id, signal)
            if self._ledger is None:
                self._publish(signal)
                continue
            if signal.id in self._shown and signal.is_open:
                self._shown[signal.id] = signal
            if known is not None and not self._is_due(known, signal):
                continue
            if signal.id not in self._waiting and len(self._waiting) >= ROOM:
                gone = next(iter(self._waiting))
                del self._waiting[gone]
                self._lost += 1
                self._lost_at = self._clock.now()
            self._waiting[signal.id] = signal
            self._wake.set()

    @staticmethod
    def _is_due(known: Signal, signal: Signal) -> bool:
        if events_of(known, signal) or known.left_at != signal.left_at:
            return True
        before = known.followed_to or known.opened_at
        return (signal.followed_to or signal.opened_at) - before >= PROGRESS_MS

    def _publish(self, signal: Signal) -> None:
        """Show a signal as it is now."""
        is_new = signal.id not in self._shown and signal.is_open
        if signal.is_open:
            self._shown[signal.id] = signal
        else:
            self._shown.pop(signal.id, None)
            self._said.pop(signal.id, None)
            self._ended.append(signal)
        if is_new:
            log.info("signal", id=signal.id, source=signal.series.source)

    def _show(self) -> None:
        signals = [*self._shown.values(), *self._ended]
        signals.sort(key=lambda each: (each.opened_at, each.id), reverse=True)
        if tuple(signals) != self._view:
            self._number += 1
            self._view = tuple(signals)

    # the task that writes

    async def run(self) -> None:
        """Learn what is open, then write what changes, for ever."""
        if self._ledger is None or self._archive is None:
            return
        await self._restore(self._archive)
        await self._write(self._ledger, self._archive)

    async def _restore(self, archive: Archive) -> None:
        pause = PAUSE_S[0]
        while True:
            try:
                found = await self._kept(archive)
                sources = tuple(each.value for each in self._sources)
                last = await archive.signals(SignalFilter(sources=sources), ENDED_SHOWN)
                break
            except StoreError as error:
                self._failed(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_S[1])
        for signal in found:
            tracker = self._tracker(signal.series)
            tracker.hold(signal)
            self._stored[signal.id] = self._shown[signal.id] = signal
            self._recalled.add(signal.id)
        self._ended.extend(each for each in reversed(last) if not each.is_open)
        self._error, self._ready = None, True
        log.info("signals_recalled", open=len(found))

    async def _kept(self, archive: Archive) -> list[Signal]:
        wanted = SignalFilter(sources=tuple(each.value for each in self._sources), states=OPEN)
        found: list[Signal] = []
        before: str | None = None
        while len(found) < ROOM:
            page = await archive.signals(wanted, PAGE, before)
            found += page
            if len(page) < PAGE:
                break
            before = page[-1].id
        return found[::-1]

    async def _write(self, ledger: Ledger, archive: Archive) -> None:
        pause = PAUSE_S[0]
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                name, signal = next(iter(self._waiting.items()))
                try:
                    kept = await self._keep(ledger, archive, signal)
                except StoreRefusedError as error:
                    self._lost += 1
                    self._lost_at = self._clock.now()
                    log.error("signal_not_kept", id=name, error=str(error))  # noqa: TRY400 - no trace
                    kept = signal
                except StoreError as error:
                    self._failed(error)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PAUSE_S[1])
                    continue
                else:
                    self._error, self._last_good, pause = None, self._clock.now(), PAUSE_S[0]
                    self._publish(kept)
                if kept.is_open:
                    self._stored[name] = kept
                else:
                    self._stored.pop(name, None)
                if self._waiting.get(name) is signal:
                    del self._waiting[name]

    async def _keep(self, ledger: Ledger, archive: Archive, signal: Signal) -> Signal:
        """Write a signal as it is now; gives it as the disk has it."""
        stored = self._stored.get(signal.id)
        if stored is None:
            said = self._said.get(signal.id, signal)
            if await ledger.add_signal(said, events_of(None, said)):
                stored = said
            else:
                # written before a crash, or by an engine before this one
                stored = await archive.signal(signal.id) or said
            self._said.pop(signal.id, None)
            self._stored[signal.id] = stored
        if stored == signal or not stored.is_open:
            return stored
        if await ledger.change_signal(signal, stored.state, events_of(stored, signal)):
            return signal
        found = await archive.signal(signal.id)
        if found is None:
            # another file has taken the place of a damaged one, without this signal
            await ledger.add_signal(stored, events_of(None, stored))
            await ledger.change_signal(signal, stored.state, events_of(stored, signal))
            return signal
        return found

    def _failed(self, error: StoreError) -> None:
        if self._error is None:
            log.warning("signals_wait_for_the_store", error=str(error))
            self._error = (str(error), self._clock.now())

    def part(self) -> PartHealth:
        """Give the health of the way from a change of direction to a kept signal."""
        now, good = self._clock.now(), self._last_good
        if self._error is not None:
            text, since = self._error
            waiting = f"signals are not kept, {len(self._waiting):,} wait: {text}"
            return PartHealth("signals", "fail", waiting[:400], since, good)
        if self._lost_at is not None and now - self._lost_at < LOSS_TOLD_MS:
            text = f"{self._lost:,} signals were lost, because too many waited for the store"
            return PartHealth("signals", "fail", text, self._lost_at, good)
        if not self._ready:
            return PartHealth("signals", "warn", "it is not known yet which are open")
        text = f"{len(self._shown):,} signals are open"
        if self._ledger is None:
            text += "; nothing is kept of them, because there is no store"
        return PartHealth("signals", "pass", text, None, good)
