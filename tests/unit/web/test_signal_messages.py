"""Signals as messages: who is sent all of them in turn holds what is open, however slow it is."""

from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.scores import Source
from virtuoso.domain.signals import OPEN, SignalState
from virtuoso.testing.fake_clock import START
from virtuoso.testing.history_rows import signal
from virtuoso.web.socket.line import frame
from virtuoso.web.socket.signals import PIECE_BYTES, Place, Signals
from virtuoso.wire.documents import Served
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso
from virtuoso.wire.signals import SignalRecord, SignalsDocument, signal_record

STATES = tuple(SignalState)


def record(name: str, state: SignalState = SignalState.ACTIVE, score: float = 71.5) -> SignalRecord:
    """A signal."""
    return signal_record(replace(signal(name, state=state), score=score))


def served(*records: SignalRecord, epoch: str = "one") -> Served:
    """The engine's document, newest first."""
    body = to_json(
        SignalsDocument("success", iso(START), None, Source.SIMULATOR, "cache", records, epoch)
    )
    return Served(200, body, "", None)


class Reader:
    """A client that applies what it is sent, as the protocol's page says."""

    def __init__(self) -> None:
        self.place: Place | None = None
        self.held: dict[str, dict[str, Any]] = {}
        self.ended: list[str] = []
        self.begun = 0

    def step(self, signals: Signals) -> bool:
        """Take one piece; False when there is nothing more."""
        frames, _, place = signals.after(self.place)
        if place == self.place:
            assert frames == b""
            return False
        self.place = place
        for message in messages_of(frames):
            if message["type"] == "signals":
                self.begun += 1
                self.held = {name: {} for name in message["open"]}
                continue
            found = message["signal"]
            if found["state"] in OPEN:
                self.held[found["id"]] = found
            else:
                self.held.pop(found["id"], None)
                self.ended.append(found["id"])
        return True

    def all(self, signals: Signals) -> None:
        """Take all there is."""
        while self.step(signals):
            pass


def messages_of(frames: bytes) -> list[dict[str, Any]]:
    """Unpack text frames of a server: the length stands in the second byte and after it."""
    found = []
    while frames:
        size, start = frames[1], 2
        if size == 126:
            size, start = int.from_bytes(frames[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(frames[2:10]), 10
        found.append(msgspec.json.decode(frames[start : start + size]))
        assert frame(frames[start : start + size]) == frames[: start + size]
        frames = frames[start + size :]
    return found


documents = st.lists(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.tuples(st.sampled_from(STATES), st.sampled_from([60.0, 70.0])),
    ),
    min_size=1,
    max_size=8,
)


@given(documents, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_whoever_takes_all_holds_exactly_what_is_open_now(
    seen: list[dict[str, tuple[SignalState, float]]], steps: list[int]
) -> None:
    """However many documents passed while it took little: only the newest values matter."""
    signals, reader = Signals(), Reader()
    for found, taken in zip(seen, steps, strict=False):
        signals.take(served(*(record(name, *each) for name, each in found.items())))
        for _ in range(taken):
            reader.step(signals)
    reader.all(signals)
    expected = {name: each for name, each in seen[-1].items() if each[0] in OPEN}
    assert {name: (each["state"], each["score"]) for name, each in reader.held.items()} == expected


def test_one_that_ends_is_told_once_and_those_that_ended_before_are_not() -> None:
    """The list of a new reader is of open ones; an end that it saw the beginning of is told."""
    signals, reader = Signals(), Reader()
    over = record("old", SignalState.EXPIRED)
    signals.take(served(record("a"), record("b"), over))
    reader.all(signals)
    assert (set(reader.held), reader.ended) == ({"a", "b"}, [])
    signals.take(served(record("a"), record("b", SignalState.CLOSED), over))
    reader.all(signals)
    reader.all(signals)
    assert (set(reader.held), reader.ended, reader.begun) == ({"a"}, ["b"], 1)


def test_an_open_one_that_is_listed_no_more_and_another_engine_begin_the_list_anew() -> None:
    """Nobody can tell what became of it: what the client holds is replaced."""
    signals, reader = Signals(), Reader()
    signals.take(served(record("a"), record("b")))
    reader.all(signals)
    signals.take(served(record("a")))
    reader.all(signals)
    assert (set(reader.held), reader.begun) == ({"a"}, 2)
    signals.take(served(record("a"), epoch="two"))
    reader.all(signals)
    assert (set(reader.held), reader.begun) == ({"a"}, 3)


def test_what_is_not_known_is_said_with_its_reason_and_not_as_an_empty_list() -> None:
    """No document: no open one is named, and why; before anything was read nothing is sent."""
    signals, reader = Signals(), Reader()
    assert signals.after(None) == (b"", 0, None)
    signals.take(Served(503, b'{"reasons":["the engine is silent"]}', "", "silent"))
    frames, _, _ = signals.after(None)
    [message] = messages_of(frames)
    assert (message["open"], message["reasons"]) == ([], ["the engine is silent"])
    signals.take(served(record("a")))
    reader.all(signals)
    assert set(reader.held) == {"a"}


def test_many_go_out_in_pieces_of_which_none_is_much_larger_than_it_should_be() -> None:
    """A slow reader's buffer is looked at between two pieces."""
    signals, reader = Signals(), Reader()
    records = [record(f"s{number}") for number in range(300)]
    signals.take(served(*records))
    largest = max(len(to_json(each)) for each in records)
    pieces = []
    while (found := signals.after(reader.place)).place != reader.place:
        pieces.append(len(found.frames))
        reader.step(signals)
    assert len(pieces) > 5
    assert max(pieces) < PIECE_BYTES + largest + 200
    assert len(reader.held) == 300
