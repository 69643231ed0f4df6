"""One client: what it asked for, what it was sent, and how well it takes it.

Nothing waits here but numbers: the sequence up to which it was sent everything. What it has yet
to be sent follows from that, so the newest value always wins and nothing can pile up.
"""

from collections import deque
from typing import Final, Protocol

import msgspec

from virtuoso.web.socket.line import Line, frame
from virtuoso.web.socket.signals import Frames, Place
from virtuoso.web.socket.view import Moment, View
from virtuoso.wire.board import Notice
from virtuoso.wire.messages import to_json

OVERVIEW: Final = ""
"""Stands where a document of one symbol has its name."""

SIGNALS: Final = "*"
"""Stands there too, for the document that messages of signals are made from."""

HOLD_BYTES: Final = 16 * 1024
"""While so much waits for a client it is sent nothing; what changes meanwhile is conflated."""

PIECE_BYTES: Final = 32 * 1024
"""Of records written without a look at what waits."""

REPLIES_WAITING: Final = 20


class Sources(Protocol):
    """Where a client's messages come from, beside its view."""

    def alerts_after(self, number: int | None) -> tuple[bytes, int | None]:
        """The frames of alerts after this one (None: of everything), and the newest number."""
        ...

    def signals_after(self, place: Place | None) -> Frames:
        """The next frames of signals for who stands at this place (None: at the beginning)."""
        ...

    def document(self, name: str) -> bytes | None:
        """The newest frame of a document; None while there is none."""
        ...

    def count(self, frames: bytes, messages: int) -> None:
        """Note what was sent."""
        ...


class Client:
    """One socket's subscription and its place in the sequence."""

    def __init__(self, number: int, client_ip: str, line: Line, sources: Sources) -> None:
        self.number = number
        self.ip = client_ip
        self.line = line
        self.view: View | None = None
        self.wants_alerts = False
        self.alerts_sent: int | None = None
        self.wants_signals = False
        self.signals_at: Place | None = None
        self.documents: dict[str, bytes | None] = {}
        """What was sent last of each document it asked for."""
        self.seq = 0
        """Everything up to it was sent."""
        self.notices: tuple[Notice, ...] | None = None
        self.snapshot_due = False
        self.told_no_board = False
        self._sources = sources
        self._replies: deque[bytes] = deque(maxlen=REPLIES_WAITING)
        self._rest: deque[int] = deque()
        self._target = 0
        self._written = 0
        self._taken = 0
        self._took_at: float | None = None
        self._waits_since: float | None = None

    def reply(self, message: msgspec.Struct) -> None:
        """Say something to this client alone; of too many answers the oldest are lost."""
        self._replies.append(frame(to_json(message)))
        if not self.crowded():
            self._send_replies()

    def start_over(self) -> None:
        """Send a snapshot next."""
        self.snapshot_due = self.view is not None
        self._rest.clear()

    def resume(self, seq: int) -> None:
        """Go on after this sequence, as if the connection had never been cut."""
        self.snapshot_due = False
        self._rest.clear()
        self.seq = seq
        self.notices = None

    def narrow(self, view: View) -> None:
        """Go on with fewer rows than before."""
        self.view = view
        self._rest = deque(number for number in self._rest if number in view.rows)

    def crowded(self) -> bool:
        """Whether more waits for it than should."""
        return self.line.waiting() >= HOLD_BYTES

    def deliver(self, moment: Moment | None) -> bool:
        """Send what is due, the most important first; False when it could not take all."""
        if self.crowded():
            return False
        self._send_replies()
        self.deliver_alerts()
        if self.view is not None and moment is not None and not self._send_rows(self.view, moment):
            return False
        return self._send_signals() and self._send_documents()

    def deliver_alerts(self) -> None:
        """Send the alerts that it was not sent yet; they wait for no rhythm."""
        if not self.wants_alerts or self.crowded():
            return
        frames, number = self._sources.alerts_after(self.alerts_sent)
        if frames:
            self._write(frames)
        self.alerts_sent = number

    def _send_signals(self) -> bool:
        """Send the signals that changed, in pieces; False when it could not take all."""
        while self.wants_signals:
            if self.crowded():
                return False
            frames, messages, place = self._sources.signals_after(self.signals_at)
            if place == self.signals_at:
                break
            self.signals_at = place
            if frames:
                self._write(frames, messages)
        return True

    def beat(self, ready: bytes) -> None:
        """Send a heartbeat, unless older things still wait."""
        if not self.crowded():
            self._write(ready)

    def waits(self, now: float) -> tuple[float, float]:
        """For how long it took nothing of what waits, and for how long something waits; seconds."""
        waiting = self.line.waiting()
        taken = self._written - waiting
        if waiting == 0:
            self._took_at = self._waits_since = None
        elif self._waits_since is None or self._took_at is None:
            self._took_at = self._waits_since = now
        elif taken > self._taken:
            self._took_at = now
        self._taken = taken
        if self._took_at is None or self._waits_since is None:
            return 0.0, 0.0
        return now - self._took_at, now - self._waits_since

    def _send_replies(self) -> None:
        while self._replies:
            self._write(self._replies.popleft())

    def _send_rows(self, view: View, moment: Moment) -> bool:
        records = view.projection.form == "records"
        if self.snapshot_due:
            self.snapshot_due = False
            self._write(view.snapshot(moment))
            self.notices = moment.notices
            if records:
                self._rest.extend(view.present())
                self._target = moment.seq
            else:
                self.seq = moment.seq
        elif self.notices != moment.notices:
            self.notices = moment.notices
            self._write(view.update(moment, self.seq, notices=True))
            if not records:
                self.seq = moment.seq
        return self._send_records(view, moment) if records else self._send_update(view, moment)

    def _send_update(self, view: View, moment: Moment) -> bool:
        if self.seq != moment.seq and (ready := view.update(moment, self.seq, notices=False)):
            self._write(ready)
            self.seq = moment.seq
        return True

    def _send_records(self, view: View, moment: Moment) -> bool:
        """Send each changed row as a message of its own, its newest value at that moment."""
        if not self._rest:
            frames, count = view.records(moment, self.seq)
            if len(frames) <= PIECE_BYTES:
                if count:
                    self._write(frames, count)
                self.seq = moment.seq
                return True
            self._rest.extend(view.missed(self.seq))
            self._target = moment.seq
        while self._rest:
            if self.crowded():
                return False
            self._send_piece(view)
        self.seq = self._target
        return self.seq == moment.seq

    def _send_piece(self, view: View) -> None:
        frames: list[bytes] = []
        size = 0
        while self._rest and size < PIECE_BYTES:
            frames.append(view.projection.record(self._rest.popleft()))
            size += len(frames[-1])
        self._write(b"".join(frames), len(frames))

    def _send_documents(self) -> bool:
        for name, sent in self.documents.items():
            ready = self._sources.document(name)
            if ready is not None and ready is not sent:
                if self.crowded():
                    return False
                self._write(ready)
                self.documents[name] = ready
        return True

    def _write(self, frames: bytes, messages: int = 1) -> None:
        self.line.write(frames)
        self._written += len(frames)
        self._sources.count(frames, messages)
