"""The open signals as messages: one of each that changed since a client was sent everything."""

from typing import Final, NamedTuple

import msgspec

from virtuoso.domain.signals import OPEN
from virtuoso.web.socket.line import frame
from virtuoso.wire.client import SignalChanged, SignalsHeld
from virtuoso.wire.documents import Served
from virtuoso.wire.messages import to_json
from virtuoso.wire.signals import SignalRecord, SignalsDocument

PIECE_BYTES: Final = 32 * 1024
"""Of signals written without a look at what waits."""


class Place(NamedTuple):
    """Up to where a client was sent signals."""

    beginning: int
    """Which list it was begun with."""
    since: int
    """Number of the newest change then: what ended before is not told."""
    number: int


class Frames(NamedTuple):
    """What a client is to be sent next, and its place after that."""

    frames: bytes
    messages: int
    place: Place | None


class Signals:
    """What this process knows of signals, out of the engine's document of them."""

    def __init__(self) -> None:
        self._known = False
        self._epoch = ""
        self._reasons: tuple[str, ...] = ()
        self._beginning = 0
        self._number = 0
        self._gone = 0
        """Number of the newest change that cannot be told any more."""
        self._records: dict[str, SignalRecord] = {}
        self._numbers: dict[str, int] = {}
        """By signal, the number of its last change; in the order of these numbers."""
        self._frames: dict[str, bytes] = {}

    def forget(self) -> None:
        """Nobody reads: what is held is not looked after any more."""
        self._known = False

    def take(self, served: Served) -> None:
        """Note what changed with another form of the document."""
        document, reasons = _read(served)
        records = {} if document is None else {each.id: each for each in document.signals}
        epoch = self._epoch if document is None else document.epoch
        unseen = any(
            each.state in OPEN and name not in records for name, each in self._records.items()
        )
        if not self._known or epoch != self._epoch or reasons != self._reasons or unseen:
            # a signal that is not listed any more has ended, nobody here knows how
            self._beginning += 1
        self._known, self._epoch, self._reasons = True, epoch, reasons
        # oldest first: who reads them one after the other has the newest last
        for name, record in reversed(records.items()):
            if self._records.get(name) != record:
                self._number += 1
                self._numbers.pop(name, None)
                self._numbers[name] = self._number
                self._frames.pop(name, None)
        self._records = records
        for name in self._numbers.keys() - records.keys():
            self._gone = max(self._gone, self._numbers.pop(name))
            self._frames.pop(name, None)

    def after(self, place: Place | None) -> Frames:
        """Give the next of what a client at this place is to be sent; nothing when it has all."""
        if not self._known:
            return Frames(b"", 0, place)
        if place is None or self._is_lost(place):
            opened = tuple(each.id for each in self._records.values() if each.state in OPEN)
            held = SignalsHeld(self._epoch, opened[::-1], self._reasons)
            return Frames(frame(to_json(held)), 1, Place(self._beginning, self._number, 0))
        if place.number == self._number:
            return Frames(b"", 0, place)
        found: list[bytes] = []
        size, number = 0, self._number
        for name in self._changed(place):
            if size >= PIECE_BYTES:
                break
            number = self._numbers[name]
            found.append(self._frame(name))
            size += len(found[-1])
        else:
            number = self._number
        return Frames(b"".join(found), len(found), place._replace(number=number))

    def _is_lost(self, place: Place) -> bool:
        """Whether what this client misses is not all here any more."""
        missed = max(place.number, place.since) < self._gone
        return missed or place.beginning != self._beginning

    def _changed(self, place: Place) -> list[str]:
        return [
            name
            for name, number in self._numbers.items()
            if number > place.number and (number > place.since or self._records[name].state in OPEN)
        ]

    def _frame(self, name: str) -> bytes:
        ready = self._frames.get(name)
        if ready is None:
            message = SignalChanged(self._epoch, self._records[name])
            ready = self._frames[name] = frame(to_json(message))
        return ready


class _Reasons(msgspec.Struct):
    reasons: tuple[str, ...] = ()


def _read(served: Served) -> tuple[SignalsDocument | None, tuple[str, ...]]:
    """Give the document, or None and why there is none."""
    if served.status == 200:
        return msgspec.json.decode(served.body, type=SignalsDocument), ()
    return None, msgspec.json.decode(served.body, type=_Reasons).reasons
