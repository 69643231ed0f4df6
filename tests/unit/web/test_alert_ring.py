"""The ring of alert messages and the history of changes: bounded, and exact where they say so."""

from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.domain.scores import Source
from virtuoso.testing import wire_messages as make
from virtuoso.web.socket.alerts import ALERTS_KEPT, MESSAGES_KEPT, Alerts
from virtuoso.web.socket.changes import Changes
from virtuoso.web.socket.line import frame
from virtuoso.wire.pushes import Alert, AlertsChanged, RowsChanged
from virtuoso.wire.reader import BoardReader

SOURCE = Source.SIMULATOR


def push(number: int, *names: str) -> AlertsChanged:
    """Alerts up to a number."""
    alerts = tuple(
        Alert(each, "info", None, "rule", "text", "", "active", SOURCE) for each in names
    )
    return AlertsChanged("one", 1, 0, SOURCE, number, alerts)


@settings(deadline=None)
@given(st.integers(0, MESSAGES_KEPT + 50), st.integers(-5, 400))
def test_the_ring_gives_exactly_what_came_after_or_says_that_it_cannot(
    raised: int, held: int
) -> None:
    """Never a part of it."""
    alerts = Alerts()
    alerts.begin("one", 0)
    for number in range(1, raised + 1):
        assert alerts.take(push(number, f"a{number}"))
    frames = alerts.after(held)
    if held > raised or raised - held > MESSAGES_KEPT or held < 0:
        assert frames is None
    else:
        assert frames is not None
        assert frames.count(b'"type":"alert"') == raised - held


def test_alerts_are_bounded_and_a_hole_is_told() -> None:
    """Of too many the resolved go first; a repeated push changes nothing."""
    alerts = Alerts()
    alerts.begin("one", 0)
    for number in range(1, 2 * ALERTS_KEPT):
        alerts.take(push(number, f"a{number}"))
    assert len(alerts._held) == ALERTS_KEPT
    assert alerts.take(push(5, "a5"))
    assert not alerts.take(push(2 * ALERTS_KEPT + 7, "late"))
    assert list(alerts._held) == ["late"]


@given(st.lists(st.frozensets(st.integers(0, 9), min_size=1), max_size=30), st.integers(0, 30))
def test_what_a_client_missed_is_the_union_of_what_changed_since(
    cycles: list[frozenset[int]], held: int
) -> None:
    """One number a row is enough to know it, however long ago."""
    reader = BoardReader(0)
    reader.take(make.a_board(symbols=[f"S{number}USDT" for number in range(10)]))
    changes = Changes(reader)
    changes.begin()
    for at, numbers in enumerate(cycles):
        rows = tuple(make.a_row(number, score=float(at)) for number in numbers)
        reader.apply(RowsChanged("one", at + 2, at + 1, at + 2, SOURCE, rows, ()), 0)
        changes.note(numbers)
    missed = {number for number, seq in changes.rows.items() if seq > held}
    expected = frozenset().union(*cycles[max(0, held - 1) :])
    if held >= 1:
        assert missed == expected
    assert changes.known_since("one", held) == (1 <= held <= len(cycles) + 1)


@given(st.binary(max_size=70_000))
def test_a_frame_is_what_rfc_6455_says(text: bytes) -> None:
    """Read back by the rules of section 5.2."""
    made = frame(text)
    assert made[0] == 0x81
    size, start = made[1], 2
    if size == 126:
        size, start = int.from_bytes(made[2:4], "big"), 4
    elif size == 127:
        size, start = int.from_bytes(made[2:10], "big"), 10
    assert size == len(text)
    assert made[start:] == text
