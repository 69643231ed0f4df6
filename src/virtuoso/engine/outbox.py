"""Sends what is committed: one sender a channel, oldest first, again until it is told.

At least once: what was sent but not noted when the process died is sent again, one message at most.
A channel that says it is not there, or not for us, is left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from virtuoso.alerting.storms import bundles
from virtuoso.domain.alerts import Alert, Delivery, DeliveryState, Outgoing, Receipt
from virtuoso.domain.errors import (
    ChannelGoneError,
    ChannelRefusedError,
    ChannelUnavailableError,
    StoreError,
    StoreRefusedError,
)
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.ports import AlertChannel, Clock, Ledger
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

CLAIM_MS: Final = 30 * SECOND
AT_ONCE: Final = 50
DEADLINE_S: Final = 15.0
LOOK_S: Final = 2.0
"""How often it is looked for what became due."""
WAIT_MS: Final = (500, 10 * MINUTE)
"""Shortest and longest pause after a failure, whatever a channel asks for."""
STORE_PAUSE_S: Final = (0.25, 5.0)

Find = Callable[[str], Awaitable[Alert | None]]


def wait_after(attempts: int, asked_ms: int | None, jitter: float) -> int:
    """Give the pause before the next attempt in ms; jitter is 0..1."""
    shortest, longest = WAIT_MS
    if asked_ms is None:
        asked_ms = round(SECOND * 2 ** min(attempts - 1, 12) * (0.5 + jitter))
    return min(max(asked_ms, shortest), longest)


class Sender:
    """Sends to one channel, for ever."""

    def __init__(
        self,
        channel: AlertChannel,
        ledger: Ledger,
        find: Find,
        clock: Clock,
        jitter: Callable[[], float],
        claim_ms: int = CLAIM_MS,
    ) -> None:
        """`find` gives an alert by its id. Raises StoreError while that cannot be told."""
        self._channel = channel
        self._ledger = ledger
        self._find = find
        self._clock = clock
        self._jitter = jitter
        self._claim_ms = claim_ms
        self._wake = asyncio.Event()
        self._gone: tuple[str, Millis] | None = None
        self._trouble: tuple[str, Millis] | None = None
        self._store_trouble: tuple[str, Millis] | None = None
        self._last_good: Millis | None = None
        self.sent = 0
        """Messages that were told, since the start."""
        self.dead = 0
        """Deliveries that were given up."""
        self.retried = 0
        """Tries that were not told."""

    @property
    def counts(self) -> tuple[str, int, int, int]:
        """The channel's name, and how often it sent, gave up and has to try again."""
        return self._channel.name, self.sent, self.dead, self.retried

    def wake(self) -> None:
        """Look for something to send at once."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever."""
        pause = STORE_PAUSE_S[0]
        while True:
            # before the look: who commits something during it must not wait for the next one
            self._wake.clear()
            try:
                busy = await self._turn()
                self._store_trouble, pause = None, STORE_PAUSE_S[0]
            except StoreError as error:
                if self._store_trouble is None:
                    self._store_trouble = (str(error), self._clock.now())
                    log.warning("outbox_waits", channel=self._channel.name, error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, STORE_PAUSE_S[1])
                continue
            if busy:
                continue
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _turn(self) -> bool:
        """Send what is due; whether anything was."""
        name = self._channel.name
        claimed = await self._ledger.claim_deliveries(
            name, self._clock.now(), self._claim_ms, AT_ONCE
        )
        if not claimed:
            return False
        by_alert: dict[str, Delivery] = {}
        alerts: list[Alert] = []
        for delivery in claimed:
            alert = await self._find(delivery.alert)
            if alert is None:
                await self._settle(delivery, DeliveryState.DEAD, error="its alert is not there")
                continue
            by_alert[alert.id] = delivery
            alerts.append(alert)
        told = bundles(alerts)
        waiting = [[by_alert[alert.id] for alert in bundle] for bundle in told]
        for place, (bundle, deliveries) in enumerate(zip(told, waiting, strict=True)):
            if not await self._tell(bundle, deliveries):
                for each in (one for later in waiting[place + 1 :] for one in later):
                    # given back as it was: it keeps its place behind the one that is tried again
                    await self._settle(each, DeliveryState.PENDING, due_at=each.created_at)
                return False
        return True

    async def _tell(self, alerts: Sequence[Alert], deliveries: Sequence[Delivery]) -> bool:
        """Send one message; False when the channel must be left alone for a while."""
        if self._gone is not None:
            await self._settle_all(deliveries, DeliveryState.DEAD, error=self._gone[0])
            return True
        now = self._clock.now()
        message = Outgoing(tuple(alerts), max(0, now - alerts[0].at))
        try:
            async with asyncio.timeout(DEADLINE_S):
                receipt = await self._channel.send(message)
        except TimeoutError:
            return await self._retry(deliveries, f"no answer within {DEADLINE_S:g} s", None)
        except ChannelUnavailableError as error:
            return await self._retry(deliveries, str(error), error.wait_ms)
        except ChannelRefusedError as error:
            log.warning("alert_refused", channel=self._channel.name, error=str(error))
            await self._settle_all(deliveries, DeliveryState.DEAD, error=str(error))
            return True
        except ChannelGoneError as error:
            self._gone = (str(error), self._clock.now())
            log.error("channel_gone", channel=self._channel.name, error=str(error))  # noqa: TRY400
            await self._settle_all(deliveries, DeliveryState.DEAD, error=str(error))
            return True
        await self._note(deliveries, receipt)
        return True

    async def _note(self, deliveries: Sequence[Delivery], receipt: Receipt) -> None:
        self._trouble, self._last_good = None, self._clock.now()
        self.sent += 1
        await self._settle_all(deliveries, DeliveryState.SENT, remote=receipt.remote)
        if receipt.wait_ms > 0:
            await asyncio.sleep(min(receipt.wait_ms, WAIT_MS[1]) / SECOND)

    async def _retry(
        self, deliveries: Sequence[Delivery], error: str, asked_ms: int | None
    ) -> bool:
        wait = wait_after(deliveries[0].attempts, asked_ms, self._jitter())
        self.retried += 1
        if self._trouble is None:
            self._trouble = (error, self._clock.now())
        log.warning("alert_not_told", channel=self._channel.name, error=error, wait_ms=wait)
        due = Millis(self._clock.now() + wait)
        await self._settle_all(deliveries, DeliveryState.RETRYING, error=error, due_at=due)
        return False

    async def _settle_all(
        self,
        deliveries: Sequence[Delivery],
        state: DeliveryState,
        *,
        error: str | None = None,
        remote: str | None = None,
        due_at: Millis | None = None,
    ) -> None:
        for each in deliveries:
            await self._settle(each, state, error=error, remote=remote, due_at=due_at)

    async def _settle(
        self,
        delivery: Delivery,
        state: DeliveryState,
        *,
        error: str | None = None,
        remote: str | None = None,
        due_at: Millis | None = None,
    ) -> None:
        """Note how it ended, however long the store takes: else it would be told twice."""
        self.dead += state is DeliveryState.DEAD
        settled = replace(
            delivery,
            state=state,
            due_at=due_at,
            changed_at=self._clock.now(),
            error=None if error is None else error[:300],
            remote=remote,
        )
        pause = STORE_PAUSE_S[0]
        while True:
            try:
                await self._ledger.settle_delivery(settled)
            except StoreRefusedError as refused:
                log.error("delivery_not_noted", id=delivery.id, error=str(refused))  # noqa: TRY400
                return
            except StoreError as error_of_store:
                if self._store_trouble is None:
                    self._store_trouble = (str(error_of_store), self._clock.now())
                await asyncio.sleep(pause)
                pause = min(2 * pause, STORE_PAUSE_S[1])
            else:
                self._store_trouble = None
                return

    def part(self) -> PartHealth:
        """Give the health of this channel."""
        name = f"channel {self._channel.name}"
        for trouble, status in (
            (self._gone, "fail"),
            (self._store_trouble, "warn"),
            (self._trouble, "warn"),
        ):
            if trouble is not None:
                text, since = trouble
                return PartHealth(
                    name, "fail" if status == "fail" else "warn", text[:300], since, self._last_good
                )
        return PartHealth(name, "pass", f"{self.sent:,} messages sent", None, self._last_good)


class Outbox:
    """All channels together."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = tuple(senders)

    def wake(self) -> None:
        """Have every channel look for something to send."""
        for each in self._senders:
            each.wake()

    async def run(self) -> None:
        """Send for ever."""
        async with asyncio.TaskGroup() as tasks:
            for each in self._senders:
                tasks.create_task(each.run())

    def counts(self) -> tuple[tuple[str, int, int, int], ...]:
        """What each channel counted."""
        return tuple(each.counts for each in self._senders)

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of each channel."""
        return tuple(each.part() for each in self._senders)
