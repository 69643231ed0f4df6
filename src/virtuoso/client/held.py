"""What a reader of the socket holds, and whether a message may be applied to it. Pure."""

from enum import Enum
from typing import Final

from virtuoso.wire.client import (
    AlertRaised,
    AlertsHeld,
    FieldsUpdate,
    Form,
    Heartbeat,
    MarketUpdate,
    Resume,
    ServerMessage,
    Snapshot,
    Update,
)

FIRST_WAIT_S: Final = 0.5
LAST_WAIT_S: Final = 30.0


class Verdict(Enum):
    """What to do with a message."""

    APPLY = "apply"
    DROP = "drop"
    """Older than what is held."""
    RESYNC = "resync"
    """Something before it was missed: ask for a snapshot."""


class Held:
    """The place in the sequence of one subscription; it outlives the connection."""

    def __init__(self, form: Form) -> None:
        self._records = form == "records"
        self._epoch: str | None = None
        self._seq = 0
        self._alerts_epoch: str | None = None
        self._alerts: int | None = None

    def resume(self) -> Resume | None:
        """What to tell the server after a cut; None before the first snapshot."""
        if self._epoch is not None:
            same = self._alerts_epoch == self._epoch
            return Resume(self._epoch, self._seq, self._alerts if same else None)
        if self._alerts_epoch is not None:
            return Resume(self._alerts_epoch, 0, self._alerts)
        return None

    def judge(self, message: ServerMessage) -> Verdict:
        """Whether to apply a message; what is applied is noted."""
        if isinstance(message, Snapshot):
            if message.epoch == self._epoch and message.seq < self._seq:
                return Verdict.DROP
            self._epoch, self._seq = message.epoch, message.seq
        elif isinstance(message, Update) and not self._records:
            return self._judge_update(message)
        elif isinstance(message, Heartbeat):
            return self._judge_heartbeat(message)
        elif isinstance(message, Update | MarketUpdate | FieldsUpdate):
            return Verdict.APPLY if message.epoch == self._epoch else Verdict.DROP
        elif isinstance(message, AlertsHeld | AlertRaised):
            self._alerts_epoch, self._alerts = message.epoch, message.number
        return Verdict.APPLY

    def _judge_update(self, message: Update) -> Verdict:
        if message.epoch != self._epoch:
            return Verdict.RESYNC
        if message.previous == self._seq <= message.seq:
            self._seq = message.seq
            return Verdict.APPLY
        return Verdict.DROP if message.seq <= self._seq else Verdict.RESYNC

    def _judge_heartbeat(self, message: Heartbeat) -> Verdict:
        """A heartbeat names the last message sent: another epoch or a later one was missed."""
        if self._epoch is None:
            return Verdict.APPLY
        if message.epoch != self._epoch:
            return Verdict.RESYNC
        if self._records:
            self._seq = max(self._seq, message.seq)
            return Verdict.APPLY
        return Verdict.APPLY if message.seq <= self._seq else Verdict.RESYNC


def wait_before(attempt: int, random: float) -> float:
    """Seconds to wait before attempt `attempt` (0: the first retry), jittered by `random` 0..1."""
    full = min(LAST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempt, 10))
    return max(FIRST_WAIT_S, full * (0.5 + random / 2))
