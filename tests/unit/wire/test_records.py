"""Rows as records: every null has its reason."""

import pytest

from virtuoso.domain.scores import Reason, State
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_clock import START
from virtuoso.wire.board import ScoreRow
from virtuoso.wire.records import iso, record_of

SYMBOL = make.row_symbols()[0]


@pytest.mark.parametrize(
    "row",
    [
        make.a_row(),
        make.a_row(score=None),
        make.a_row(change_24h=None, volume_24h=None),
        make.a_row(
            price=None,
            change_24h=None,
            volume_24h=None,
            price_as_of=None,
            price_state=State.ABSENT,
            price_reason=Reason.STALE,
        ),
        make.a_row(score=None, components=(None,) * 6, reasons=(Reason.GAP,) * 6),
    ],
)
def test_every_null_of_a_record_has_a_reason_and_every_number_a_time(row: ScoreRow) -> None:
    """I1 and I2, for each field the quality speaks of."""
    record = record_of(row, SYMBOL)
    for field in ("confluence_score", "confidence", "price", "change_24h", "volume"):
        quality = record.quality[field]
        if getattr(record, field) is None:
            assert quality.reason is not None, field
            assert quality.state is State.ABSENT, field
        else:
            assert quality.as_of is not None, field
            assert quality.state is not State.ABSENT, field
    for name in make.missing_components(record):
        assert record.quality[f"components.{name}"].reason is not None
    assert record.quality["dimensions"].reason is Reason.NOT_APPLICABLE
    assert record.quality["outlook"].reason is Reason.UNPROVEN
    assert record.dimensions is None
    assert record.outlook is None


def test_the_values_of_a_row_reach_the_record_unchanged() -> None:
    """The record is another shape of the same statement."""
    row = make.a_row()
    record = record_of(row, SYMBOL)
    assert (record.symbol, record.venue, record.source) == ("BTCUSDT", "bybit", "simulator")
    assert record.confluence_score == row.score
    assert record.components.orderflow == row.components[1]
    assert record.components.sentiment is None
    assert (record.volume, record.coverage) == (row.volume_24h, row.coverage)
    assert (record.state, record.as_of) == (row.state, row.as_of)


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    """One spelling everywhere."""
    assert iso(START + 7) == "2026-07-19T12:00:00.007Z"
