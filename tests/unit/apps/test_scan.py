"""The board in the terminal: what was asked for is what is printed, as a table and as JSON."""

import json
import time

import msgspec
import pytest

from virtuoso.apps import scan
from virtuoso.apps.scan import ScanOptions, ordered
from virtuoso.testing.wire_messages import a_board, symbols_document
from virtuoso.wire.symbols import SymbolsDocument

ADDRESS = "http://127.0.0.1:1"


def document() -> SymbolsDocument:
    """Three symbols, of which one has no score."""
    one = symbols_document(a_board()).symbols[0]
    return msgspec.structs.replace(
        symbols_document(a_board()),
        symbols=tuple(
            msgspec.structs.replace(one, symbol=symbol, confluence_score=score)
            for symbol, score in (("AUSDT", 40.0), ("BUSDT", None), ("CUSDT", 60.0))
        ),
    )


def test_what_has_no_number_comes_last_either_way_round() -> None:
    """Absent is neither high nor low."""
    for reverse, expected in ((False, ["CUSDT", "AUSDT"]), (True, ["AUSDT", "CUSDT"])):
        found = ordered(document().symbols, "score", reverse=reverse)
        assert [each.symbol for each in found] == [*expected, "BUSDT"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (ScanOptions(ADDRESS, as_json=True), ["CUSDT", "AUSDT", "BUSDT"]),
        (ScanOptions(ADDRESS, as_json=True, limit=1), ["CUSDT"]),
        (ScanOptions(ADDRESS, as_json=True, reverse=True, limit=2), ["AUSDT", "CUSDT"]),
        (ScanOptions(ADDRESS, as_json=True, sort="symbol"), ["AUSDT", "BUSDT", "CUSDT"]),
    ],
)
def test_json_has_the_order_and_the_number_that_were_asked_for(
    options: ScanOptions,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """An argument is never ignored without a word."""
    monkeypatch.setattr(scan, "ask", lambda *_: document())
    assert scan.scan(options) == 0
    printed = json.loads(capsysbinary.readouterr().out)
    assert [each["symbol"] for each in printed["symbols"]] == expected


def test_watching_as_json_prints_a_line_each_second(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Until it is interrupted."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(scan, "ask", lambda *_: document())
    monkeypatch.setattr(time, "sleep", wait)
    with pytest.raises(KeyboardInterrupt):
        scan.scan(ScanOptions(ADDRESS, as_json=True, watch=True))
    assert waits == [1.0] * 3
    assert len(capsysbinary.readouterr().out.splitlines()) == 3
