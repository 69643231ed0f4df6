"""The dashboards' types follow the structs."""

from pathlib import Path

import msgspec
import msgspec.inspect as shape
import pytest

from virtuoso.wire import schema
from virtuoso.wire.board import ScoreRow
from virtuoso.wire.overview import MarketOverview

TYPES = Path(__file__).parents[3] / "web" / "src" / "wire" / "types.ts"


def test_the_types_of_the_dashboards_are_those_of_the_wire() -> None:
    """Whoever changes a message runs `make schema`."""
    assert TYPES.read_text("utf-8") == schema.typescript()


def test_every_column_of_a_row_has_its_place() -> None:
    """Labels and constants agree with the order on the wire."""
    text = schema.typescript()
    for place, field in enumerate(ScoreRow.__struct_fields__):
        assert f"  {field}: {place},\n" in text
    assert "  score: number | null,\n" in text
    assert "  components: readonly (number | null)[],\n" in text


def test_messages_are_told_apart_by_a_literal_type_and_requests_may_leave_fields_out() -> None:
    """The unions discriminate on `type`."""
    text = schema.typescript()
    assert 'export interface Subscribe {\n  type: "subscribe"\n' in text
    assert "  symbols?: readonly string[] | null\n" in text
    assert '  type: "heartbeat"\n' in text
    assert (
        "export type ServerMessage = Snapshot | Update | MarketUpdate | Heartbeat | Pong | Refused"
        in text
    )
    assert 'export type State = "live" | "delayed" | "stale" | "absent"' in text


def test_a_type_without_a_word_in_typescript_is_an_error_that_names_it() -> None:
    """Nothing becomes `any` in silence."""

    class Odd(msgspec.Struct):
        value: bytes

    [kind] = shape.multi_type_info([Odd])
    assert isinstance(kind, shape.StructType)
    with pytest.raises(TypeError, match="Bytes"):
        schema._type(kind.fields[0].type)


UNITS = (
    "Label:",
    "0..100:",
    "Percent a year:",
    "Percent:",
    "Quote currency (USDT):",
    "Share, 0..1:",
)


def test_every_field_of_the_overview_names_its_unit_and_its_formula() -> None:
    """Whoever reads the generated types knows what a number is and how it was made."""
    notes = schema.field_notes(MarketOverview)
    text = schema.typescript()
    assert set(notes) == set(MarketOverview.__struct_fields__)
    for field in set(notes) - {"quality"}:
        unit = next((each for each in (*UNITS, "Points:") if notes[field].startswith(each)), None)
        assert unit is not None, f"{field}: {notes[field]}"
        formula = notes[field].removeprefix(unit).strip()
        assert len(formula) > 20, field
        assert f"  /** {notes[field]} */\n  {field}: " in text
