"""What a reader of the socket applies, drops and asks for anew; and how old things are to it."""

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.client.board import Board
from virtuoso.client.held import FIRST_WAIT_S, LAST_WAIT_S, Held, Verdict, wait_before
from virtuoso.domain.scores import Source
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_clock import START
from virtuoso.wire.client import AlertsHeld, Heartbeat, Resume, Snapshot, Update

SOURCE = Source.SIMULATOR


def snapshot(epoch: str = "one", seq: int = 1) -> Snapshot:
    """Three rows."""
    board = make.a_board()
    return Snapshot(epoch, seq, START, SOURCE, make.LIMITS, (), board.symbols, board.rows)


def update(seq: int, previous: int, epoch: str = "one", score: float = 70.0) -> Update:
    """One row."""
    return Update(epoch, seq, previous, START, SOURCE, (make.a_row(0, score=score),))


def beat(seq: int, engine_ms: int = 0, now: int = START, epoch: str = "one") -> Heartbeat:
    """A second."""
    return Heartbeat(epoch, seq, now, SOURCE, engine_ms)


def test_an_update_must_follow_what_is_held() -> None:
    """A hole asks for a snapshot; what is older is dropped; a new epoch asks too."""
    held = Held("rows")
    assert held.judge(update(1, 0)) is Verdict.RESYNC
    assert held.judge(snapshot(seq=4)) is Verdict.APPLY
    assert held.judge(update(6, 4)) is Verdict.APPLY
    assert held.judge(update(6, 6)) is Verdict.APPLY
    assert held.judge(update(5, 4)) is Verdict.DROP
    assert held.judge(update(9, 8)) is Verdict.RESYNC
    assert held.judge(update(7, 6, epoch="two")) is Verdict.RESYNC
    assert held.judge(snapshot(seq=5)) is Verdict.DROP
    assert held.judge(snapshot("two")) is Verdict.APPLY
    assert held.resume() == Resume("two", 1, None)


def test_a_heartbeat_tells_of_a_message_that_never_came() -> None:
    """In rows by a later sequence; in records it only moves the place to resume from."""
    rows, records = Held("rows"), Held("records")
    for held in (rows, records):
        held.judge(snapshot(seq=4))
    assert rows.judge(beat(4)) is Verdict.APPLY
    assert rows.judge(beat(5)) is Verdict.RESYNC
    assert records.judge(beat(5)) is Verdict.APPLY
    assert records.resume() == Resume("one", 5, None)
    assert records.judge(beat(5, epoch="two")) is Verdict.RESYNC


def test_alerts_are_resumed_from_their_number() -> None:
    """Also where nothing but alerts is subscribed."""
    held = Held("records")
    assert held.resume() is None
    held.judge(AlertsHeld("one", 7, START, ()))
    assert held.resume() == Resume("one", 0, 7)
    held.judge(snapshot("two"))
    assert held.resume() == Resume("two", 1, None)


@given(attempt=st.integers(0, 10_000), random=st.floats(0, 1))
def test_waits_are_jittered_and_bounded(attempt: int, random: float) -> None:
    """0.5 to 30 s, never above the full wait of the attempt."""
    wait = wait_before(attempt, random)
    assert FIRST_WAIT_S <= wait <= min(LAST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt, 10))


def test_ages_rise_by_the_readers_own_clock_and_a_silent_engine_makes_all_stale() -> None:
    """Whatever the server says, three seconds without a heartbeat are too many."""
    board = Board()
    assert board.dead(0.0)
    board.apply(snapshot(), 10.0)
    assert board.dead(10.0)
    board.apply(beat(1), 10.0)
    assert not board.dead(12.9)
    assert board.age_ms(board.rows["BTCUSDT"].as_of, 12.5) == 2_500
    assert board.age_ms(None, 12.5) is None
    assert board.dead(13.1)
    board.apply(beat(1, engine_ms=3_001, now=START + 3_000), 14.0)
    assert board.dead(14.0)
    assert board.age_ms(START, 14.0) == 4_000
    board.apply(beat(1, now=START + 4_500), 14.5)
    assert not board.dead(14.5)
    board.lost()
    assert board.dead(14.5)


def test_the_board_holds_the_newest_of_each_symbol() -> None:
    """Rows by name; a snapshot replaces everything."""
    board = Board()
    board.apply(snapshot(), 0.0)
    board.apply(update(2, 1, score=11.0), 0.0)
    assert board.rows["BTCUSDT"].score == 11.0
    board.apply(snapshot("two"), 0.0)
    assert board.rows["BTCUSDT"].score == 62.5
