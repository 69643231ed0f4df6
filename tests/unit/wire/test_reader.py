"""The board a reader holds: sequences, epochs, missed messages, the engine's clock."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.scores import Source
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_clock import START
from virtuoso.wire.board import BoardState, ScoreRow
from virtuoso.wire.pushes import Beat, BoardReplaced, RowsChanged
from virtuoso.wire.reader import BoardReader, Step

AT = 1_000


def changed(
    *rows: ScoreRow, seq: int, previous: int | None = None, epoch: str = "one", now: int = 0
) -> RowsChanged:
    """A push of changed rows."""
    before = seq - 1 if previous is None else previous
    return RowsChanged(epoch, seq, before, now or START, Source.SIMULATOR, rows, ())


def a_reader(board: BoardState | None = None) -> BoardReader:
    """A reader that was pushed a board."""
    reader = BoardReader(AT)
    reader.apply(BoardReplaced(board or make.a_board()), AT)
    return reader


def test_rows_that_follow_directly_are_merged() -> None:
    """The newest row of each number is held."""
    reader = a_reader()
    assert reader.apply(changed(make.a_row(1, 40.0), seq=2), AT) is Step.ROWS
    assert [reader.rows[number].score for number in range(3)] == [62.5, 40.0, 62.5]
    assert reader.seq == 2


def test_a_gap_in_the_sequence_is_seen_and_nothing_is_merged_before_the_board_is_read() -> None:
    """Rows between may be lost: what is held stays what it was."""
    reader = a_reader()
    assert reader.apply(changed(make.a_row(1, 40.0), seq=3), AT) is Step.MISSED
    assert (reader.seq, reader.rows[1].score) == (1, 62.5)


def test_a_beat_ahead_of_us_is_a_missed_message() -> None:
    """Also when nothing else is sent any more."""
    reader = a_reader()
    assert reader.apply(Beat("one", 1, START, Source.SIMULATOR), AT) is Step.BEAT
    assert reader.apply(Beat("one", 2, START, Source.SIMULATOR), AT) is Step.MISSED


def test_a_new_epoch_replaces_everything_and_an_old_one_never_returns() -> None:
    """The sequence may start again; what the dead engine still sends is ignored."""
    reader = a_reader(make.a_board(seq=90))
    assert reader.apply(changed(seq=5, epoch="two"), AT) is Step.MISSED
    new = make.a_board(epoch="two", seq=1, symbols=("XRPUSDT",))
    assert reader.apply(BoardReplaced(new), AT) is Step.REPLACED
    assert (reader.epoch, reader.seq, list(reader.rows)) == ("two", 1, [0])
    assert reader.take(make.a_board(seq=91)) is Step.IGNORED
    assert reader.apply(changed(make.a_row(), seq=91), AT) is Step.IGNORED
    assert reader.apply(Beat("one", 91, START + 9, Source.SIMULATOR), AT) is Step.IGNORED
    assert reader.epoch == "two"


def test_a_board_in_the_cache_proves_nothing_of_the_engine() -> None:
    """It may have been written by one that is dead: silent until a sign of life."""
    reader = BoardReader(AT)
    reader.take(make.a_board())
    assert reader.silent(AT)
    assert reader.engine_ms(AT) > reader.heartbeat_ms
    reader.hear(START, AT)
    assert not reader.silent(AT)


def test_the_engine_is_silent_past_the_limit_and_its_clock_stands_still_there() -> None:
    """Three seconds are allowed; then nobody vouches for the time."""
    reader = a_reader()
    assert not reader.silent(AT + 3_000)
    assert reader.now(AT + 2_500) == START + 2_500
    assert reader.silent(AT + 3_001)
    assert reader.now(AT + 60_000) == START + 3_000


def test_the_limit_of_silence_comes_with_the_board() -> None:
    """Readers obey the engine's setting."""
    limits = msgspec.structs.replace(make.LIMITS, heartbeat_ms=500)
    reader = a_reader(msgspec.structs.replace(make.a_board(), limits=limits))
    assert not reader.silent(AT + 500)
    assert reader.silent(AT + 501)


pushes = st.lists(
    st.tuples(
        st.sampled_from(["rows", "board", "cached", "beat"]),
        st.sampled_from(["one", "two", "three"]),
        st.integers(1, 8),
        st.integers(0, 7),
    ),
    max_size=40,
)


@given(pushes)
def test_sequences_never_go_back_and_epochs_never_return(
    steps: list[tuple[str, str, int, int]],
) -> None:
    """Whatever arrives in whatever order."""
    reader = BoardReader(AT)
    left: set[str] = set()
    for kind, epoch, seq, previous in steps:
        before = (reader.epoch, reader.seq)
        if kind == "rows":
            reader.apply(changed(make.a_row(), seq=seq, previous=previous, epoch=epoch), AT)
        elif kind == "beat":
            reader.apply(Beat(epoch, seq, START, Source.SIMULATOR), AT)
        elif kind == "board":
            reader.apply(BoardReplaced(make.a_board(epoch, seq)), AT)
        else:
            reader.take(make.a_board(epoch, seq))
        if reader.epoch == before[0]:
            assert reader.seq >= before[1]
        else:
            assert reader.epoch not in left
            left |= {before[0]} if before[0] else set()
