"""From a number to a committed alert: rules are looked at each second, what fires is written first.

The engine's loop decides and never waits; a task of its own writes, in order, and tries again while
the store is away. Nothing is sent, pushed or shown before its row is on the disk.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from virtuoso.alerting.rules import Rule
from virtuoso.alerting.watch import Clearing, Firing, Standing, Watch
from virtuoso.domain.alerts import (
    Acknowledgement,
    Alert,
    AlertFilter,
    AlertLevel,
    AlertState,
    Delivery,
    DeliveryState,
)
from virtuoso.domain.errors import StoreError, StoreRefusedError
from virtuoso.domain.history import Series
from virtuoso.domain.scores import Direction, Source
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis
from virtuoso.engine.alert_texts import alert_of, report_of
from virtuoso.engine.content import Content
from virtuoso.engine.kept_rows import series_of
from virtuoso.engine.pairing import Shown
from virtuoso.engine.readings import BetaHour, Floors, shared_readings, symbol_readings
from virtuoso.engine.rule_book import RuleBook
from virtuoso.ports import Archive, Clock, Ledger
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

ROOM: Final = 5_000
"""Alerts and changes that may wait for the store."""
HELD: Final = 500
"""Alerts that are shown as active; of more the oldest are only in the store."""
REMEMBERED: Final = 5_000
"""Alerts that are known without asking the store, for who sends them."""
RESTORE_S: Final = 10.0
"""How long a start waits to be told what had fired before."""
LOOK_BACK_MS: Final = 7 * DAY
PAGE: Final = 500
MOST_RESTORED: Final = 5_000
PAUSE_S: Final = (0.25, 5.0)
SYMBOLS_AT_ONCE: Final = 50
GONE_MS: Final = 10 * MINUTE
"""A symbol that is not on the board for so long is forgotten."""
LOSS_TOLD_MS: Final = HOUR
ENGINE: Final = "engine"
OPEN: Final = (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)
NOT_SENT: Final = "simulated numbers are not sent: alerts.send_simulated is off"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What the desk needs to know at start."""

    channels: tuple[str, ...] = ()
    """Every channel that is set up."""
    send_simulated: bool = False
    report_hours: int = 0
    """So often a report of the market is told, on full hours UTC; 0: never."""
    floors: Floors = field(default_factory=Floors)
    coverage: Mapping[str, str] | None = None
    """How much of its liquidations each venue tells."""


@dataclass(frozen=True, slots=True)
class AlertsView:
    """The alerts that nobody has resolved, as of now."""

    number: int = 0
    """Grows with every change."""
    alerts: tuple[Alert, ...] = ()
    """Oldest first."""


DIRECTIONS: Final = {each.value: each for each in (Direction.BULLISH, Direction.BEARISH)}
SignalOf = Callable[[Series, Direction], str | None]
"""Names the open signal of a market that has this direction, if there is one."""
Told = Callable[[Sequence[Alert]], Awaitable[None]]


class AlertDesk:
    """Holds the rules against each second, and keeps what comes of it."""

    def __init__(
        self,
        ledger: Ledger,
        archive: Archive,
        book: RuleBook,
        clock: Clock,
        source: Source,
        settings: AlertSettings | None = None,
    ) -> None:
        """`source`: of the numbers over market and system."""
        self._ledger = ledger
        self._archive = archive
        self._book = book
        self._clock = clock
        self._source = source
        self._settings = settings or AlertSettings()
        self._coverage = self._settings.coverage or {}
        self._watch: Watch | None = None
        self._rules: tuple[Rule, ...] = ()
        self._started_ms = clock.monotonic_ms()
        self._second: Millis | None = None
        self._betas = BetaHour()
        self._gone: dict[str, Millis] = {}
        self._queue: deque[tuple[Alert, tuple[Delivery, ...]] | Acknowledgement] = deque()
        self._wake = asyncio.Event()
        self._holding: dict[tuple[str, str], str] = {}
        """(rule, subject) -> the alert that is to be resolved when the condition ends."""
        self._held: dict[str, Alert] = {}
        self._known: dict[str, Alert] = {}
        self._number = 0
        self._view = AlertsView()
        self._error: tuple[str, Millis] | None = None
        self._lost = 0
        self._lost_at: Millis | None = None
        self._last_good: Millis | None = None
        self.committed: Callable[[], None] = lambda: None
        """Called when there is something to send."""
        self.tell: Told = _nobody
        """Told of every alert that is kept, or whose state changed."""
        self.signal_of: SignalOf = _no_signal

    @property
    def view(self) -> AlertsView:
        """What is shown."""
        return self._view

    @property
    def shown(self) -> tuple[int, tuple[Alert, ...]]:
        """How often it changed, and what is shown."""
        return self._view.number, self._view.alerts

    @property
    def book(self) -> RuleBook:
        """The rules in force."""
        return self._book

    def known(self, alert: str) -> Alert | None:
        """An alert of this run, or one that was active at its start."""
        return self._known.get(alert)

    # what the engine calls

    def taking(self, content: Content) -> Iterator[None]:
        """Look at every rule, once a second; between two parts others get their turn."""
        at = content.second
        if at is None or at == self._second or not self._is_ready():
            return
        self._second = at
        self._betas.take(content.across)
        shared = shared_readings(content)
        symbols = {}
        by_symbol: dict[str, Shown] = {}
        for number, shown in enumerate(content.shown):
            lane = content.lanes.get(shown.symbol)
            symbols[shown.symbol] = symbol_readings(
                shown, lane, content, self._settings.floors, self._betas
            )
            by_symbol[shown.symbol] = shown
            if number % SYMBOLS_AT_ONCE == SYMBOLS_AT_ONCE - 1:
                yield
        watch = self._watch_of_now(at)
        for found in watch.look(at, shared, symbols):
            if isinstance(found, Firing):
                self._fire(found, content, by_symbol.get(found.subject))
            else:
                self._clear(found)
            yield
        self._forget_gone(watch, by_symbol, at)
        self._report(content, at)

    def _is_ready(self) -> bool:
        """Whether it is known what had fired before, or was waited for long enough."""
        if self._watch is None:
            waited = self._clock.monotonic_ms() - self._started_ms
            if waited < RESTORE_S * SECOND:
                return False
            self._begin(())
        return True

    def _begin(self, standing: Sequence[Standing]) -> None:
        if self._watch is None:
            self._rules = self._book.rules
            self._watch = Watch(self._rules, standing)

    def _watch_of_now(self, at: Millis) -> Watch:
        """Give the watch over the rules in force; what was known of a rule goes on."""
        watch = self._watch
        assert watch is not None  # noqa: S101 - _is_ready has made it
        if self._rules is not self._book.rules:
            self._rules = self._book.rules
            watch = self._watch = Watch(self._rules, watch.standing())
            looked_at = {rule.id for rule in watch.rules}
            for key in [each for each in self._holding if each[0] not in looked_at]:
                self._resolve(key, at, "the rule is not in force any more")
        return watch

    def _fire(self, firing: Firing, content: Content, shown: Shown | None) -> None:
        source: str = self._source
        if shown is not None:
            source = content.sources.get(shown.instrument.venue, self._source)
        signal = None if shown is None else self._signal(firing, content, shown)
        alert = alert_of(firing, content, shown, source, self._coverage, signal)
        self._holding[firing.rule.id, firing.subject] = alert.id
        self._put(alert, firing.rule)

    def _signal(self, firing: Firing, content: Content, shown: Shown) -> str | None:
        """Name the signal that an alert is about: its rule looked at the direction, which it is."""
        direction = DIRECTIONS.get(str(firing.numbers.get("direction")))
        if direction is None:
            return None
        return self.signal_of(series_of(shown, content.sources), direction)

    def _put(self, alert: Alert, rule: Rule | None) -> None:
        settings = self._settings
        wanted = settings.channels
        if rule is not None and rule.channels:
            wanted = tuple(each for each in rule.channels if each in settings.channels)
        due: Millis | None = None
        if rule is not None and rule.quiet is not None and alert.level is not AlertLevel.CRITICAL:
            due = rule.quiet.ends_at(alert.at)
        refused = alert.source == Source.SIMULATOR and not settings.send_simulated
        deliveries = tuple(
            Delivery(
                id=f"{alert.id}:{channel}",
                alert=alert.id,
                channel=channel,
                created_at=alert.at,
                state=DeliveryState.DEAD if refused else DeliveryState.PENDING,
                due_at=due,
                error=NOT_SENT if refused else None,
            )
            for channel in wanted
        )
        self._enqueue((alert, deliveries))

    def _enqueue(self, each: tuple[Alert, tuple[Delivery, ...]] | Acknowledgement) -> None:
        if len(self._queue) >= ROOM:
            self._queue.popleft()
            self._lost += 1
            self._lost_at = self._clock.now()
        self._queue.append(each)
        self._wake.set()

    def _clear(self, clearing: Clearing) -> None:
        key = (clearing.rule.id, clearing.subject)
        self._resolve(key, clearing.at, "the condition ended")

    def _resolve(self, key: tuple[str, str], at: Millis, note: str) -> None:
        alert = self._holding.pop(key, None)
        if alert is not None:
            self._enqueue(Acknowledgement(alert, at, ENGINE, AlertState.RESOLVED, note))

    def _forget_gone(self, watch: Watch, shown: Mapping[str, Shown], at: Millis) -> None:
        """Forget symbols that left the board, and resolve what stood of them."""
        holding = {subject for _, subject in self._holding if subject}
        for symbol in holding - shown.keys():
            self._gone.setdefault(symbol, at)
        for symbol, since in list(self._gone.items()):
            if symbol in shown:
                del self._gone[symbol]
            elif at - since >= GONE_MS:
                del self._gone[symbol]
                watch.forget([symbol])
                for key in [each for each in self._holding if each[1] == symbol]:
                    self._resolve(key, at, "the symbol left the board")

    def _report(self, content: Content, at: Millis) -> None:
        every = self._settings.report_hours * HOUR
        # a grid second may be passed over, and a start must not repeat what was told
        if every and at % every < MINUTE and not content.behind_ms:
            alert = report_of(content, Millis(at - at % every), self._source)
            if alert.id not in self._known:
                self._remember(alert)
                self._put(alert, None)

    # the task that writes

    async def run(self) -> None:
        """Learn what had fired before, then write what fires, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._book.run())
            tasks.create_task(self._restore())
            tasks.create_task(self._write())

    async def _restore(self) -> None:
        pause = PAUSE_S[0]
        while True:
            try:
                await self._book.refresh()
                found = await self._kept()
            except StoreError as error:
                self._failed(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, PAUSE_S[1])
                continue
            break
        newest: dict[tuple[str, str], Alert] = {}
        for alert in found:
            # oldest first: what is newer stands over what was before
            newest[alert.rule, alert.symbol or ""] = alert
            self._remember(alert)
        standing = []
        for (rule, subject), alert in newest.items():
            holds = alert.state in OPEN
            standing.append(Standing(rule, subject, alert.at, holds=holds))
            if holds and self._watch is None:
                self._holding.setdefault((rule, subject), alert.id)
        for alert in found:
            if alert.state in OPEN:
                self._held.setdefault(alert.id, alert)
                current = newest[alert.rule, alert.symbol or ""]
                if current is not alert:
                    # a crash between a firing and the end of the one before
                    note = "fired again"
                    self._enqueue(
                        Acknowledgement(
                            alert.id, self._clock.now(), ENGINE, AlertState.RESOLVED, note
                        )
                    )
        self._begin(standing)
        self._show()
        log.info("alerts_restored", alerts=len(found), active=len(self._held))

    async def _kept(self) -> Sequence[Alert]:
        """What may still matter, oldest first: all of a week, and what is active however old."""
        now = self._clock.now()
        known: dict[str, Alert] = {}
        for wanted in (
            AlertFilter(states=OPEN),
            AlertFilter(since=Millis(now - LOOK_BACK_MS)),
        ):
            before: str | None = None
            while len(known) < MOST_RESTORED:
                page = await self._archive.alerts(wanted, PAGE, before)
                known |= {each.id: each for each in page}
                if len(page) < PAGE:
                    break
                before = page[-1].id
        return sorted(known.values(), key=lambda each: (each.at, each.id))

    async def _write(self) -> None:
        pause = PAUSE_S[0]
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                head = self._queue[0]
                try:
                    changed = await self._keep(head)
                except StoreRefusedError as error:
                    self._lost += 1
                    self._lost_at = self._clock.now()
                    log.error("alert_not_kept", error=str(error))  # noqa: TRY400 - no trace
                    changed = None
                except StoreError as error:
                    self._failed(error)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PAUSE_S[1])
                    continue
                self._error, self._last_good, pause = None, self._clock.now(), PAUSE_S[0]
                if self._queue and self._queue[0] is head:
                    self._queue.popleft()
                if changed is not None:
                    self._take_up(changed)
                    await self.tell((changed,))

    async def _keep(
        self, each: tuple[Alert, tuple[Delivery, ...]] | Acknowledgement
    ) -> Alert | None:
        """Write one thing; gives the alert as it is now, or None when nothing changed."""
        if isinstance(each, Acknowledgement):
            if not await self._ledger.change_alert(each, OPEN):
                return None
            alert = await self._find(each.alert)
            return None if alert is None else replace(alert, state=each.state, changed_at=each.at)
        alert, deliveries = each
        is_new = await self._ledger.add_alert(alert, deliveries)
        if not is_new:
            return None
        log.info("alert", id=alert.id, rule=alert.rule, symbol=alert.symbol, source=alert.source)
        self._remember(alert)
        self.committed()
        return alert

    async def _find(self, alert: str) -> Alert | None:
        return self._known.get(alert) or await self._archive.alert(alert)

    async def change(self, said: Acknowledgement) -> Alert | None:
        """Let a person acknowledge or resolve; None when it cannot be said of it any more.

        Raises StoreError when it cannot be kept.
        """
        before = (AlertState.ACTIVE,) if said.state is AlertState.ACKNOWLEDGED else OPEN
        if not await self._ledger.change_alert(said, before):
            return None
        alert = await self._find(said.alert)
        if alert is None:
            return None
        changed = replace(alert, state=said.state, changed_at=said.at)
        self._take_up(changed)
        await self.tell((changed,))
        return changed

    def _take_up(self, alert: Alert) -> None:
        self._remember(alert)
        if alert.state in OPEN:
            self._held[alert.id] = alert
        else:
            self._held.pop(alert.id, None)
        self._show()

    def _show(self) -> None:
        while len(self._held) > HELD:
            del self._held[next(iter(self._held))]
        self._number += 1
        self._view = AlertsView(self._number, tuple(self._held.values()))

    def _remember(self, alert: Alert) -> None:
        self._known.pop(alert.id, None)
        self._known[alert.id] = alert
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def _failed(self, error: StoreError) -> None:
        if self._error is None:
            log.warning("alerts_wait_for_the_store", error=str(error), waiting=len(self._queue))
            self._error = (str(error), self._clock.now())

    def part(self) -> PartHealth:
        """Give the health of the way from a number to a kept alert."""
        now, good = self._clock.now(), self._last_good
        if self._error is not None:
            text, since = self._error
            waiting = f"alerts are not kept, {len(self._queue):,} wait: {text}"
            return PartHealth("alerts", "fail", waiting[:400], since, good)
        if self._lost_at is not None and now - self._lost_at < LOSS_TOLD_MS:
            text = f"{self._lost:,} alerts were lost, because too many waited for the store"
            return PartHealth("alerts", "fail", text, self._lost_at, good)
        if self._book.problem is not None:
            text = f"the rules before stay in force: {self._book.problem}"
            return PartHealth("alerts", "warn", text[:400], None, good)
        if self._watch is None:
            return PartHealth("alerts", "warn", "it is not known yet what had fired before")
        count = len(self._watch.rules)
        text = f"{count:,} rules are looked at each second; {len(self._held):,} alerts are active"
        return PartHealth("alerts", "pass", text, None, good)


def _no_signal(_series: Series, _direction: Direction) -> str | None:
    return None


async def _nobody(_alerts: Sequence[Alert]) -> None:
    """Tell nobody."""
