"""The newest alert messages: every one is delivered, so they are numbered and kept for a while."""

from collections import deque
from typing import Final

from virtuoso.web.socket.line import frame
from virtuoso.wire.client import AlertRaised, AlertsHeld
from virtuoso.wire.messages import to_json
from virtuoso.wire.pushes import Alert, AlertsChanged

MESSAGES_KEPT: Final = 256
ALERTS_KEPT: Final = 500


class Alerts:
    """What this process knows of the alerts of one epoch."""

    def __init__(self) -> None:
        self.epoch = ""
        self.number = 0
        """Of the newest message."""
        self._since = 0
        self._held: dict[str, Alert] = {}
        self._messages: deque[bytes] = deque(maxlen=MESSAGES_KEPT)
        self._first_frame: bytes | None = None

    def begin(self, epoch: str, now: int) -> None:
        """Know nothing from before `now`; the numbers of another epoch are worth nothing."""
        if epoch == self.epoch:
            return
        self.epoch, self.number = epoch, 0
        self._forget(now)

    def _forget(self, now: int) -> None:
        self._since = now
        self._held.clear()
        self._messages.clear()
        self._first_frame = None

    def take(self, push: AlertsChanged) -> bool:
        """Note what changed; False when something before it was missed, and all starts anew."""
        if push.number <= self.number:
            return True
        whole = push.number - len(push.alerts) == self.number
        if not whole:
            self._forget(push.now)
        for place, alert in enumerate(push.alerts):
            number = push.number - len(push.alerts) + 1 + place
            self._held.pop(alert.id, None)
            self._held[alert.id] = alert
            self._messages.append(frame(to_json(AlertRaised(self.epoch, number, alert))))
        self.number = push.number
        self._first_frame = None
        while len(self._held) > ALERTS_KEPT:
            over = (each.id for each in self._held.values() if each.state == "resolved")
            del self._held[next(over, next(iter(self._held)))]
        return whole

    def after(self, number: int) -> bytes | None:
        """The frames of all messages after this one; None when they are no longer all here."""
        missed = self.number - number
        if not 0 <= missed <= len(self._messages):
            return None
        return b"".join(list(self._messages)[len(self._messages) - missed :])

    def held(self) -> bytes:
        """The frame of everything that is known."""
        if self._first_frame is None:
            message = AlertsHeld(self.epoch, self.number, self._since, tuple(self._held.values()))
            self._first_frame = frame(to_json(message))
        return self._first_frame
