"""`virtuoso recording info`: what is in a recording, and whether it is as it was written."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.tapes import BTC, ETH, bybit_book, bybit_trade, recorded
from virtuoso.adapters.feed.recording.reader import open_tape
from virtuoso.apps.recording import NOT_WHOLE, WHOLE, show_recording
from virtuoso.domain.errors import RecordingError
from virtuoso.domain.instruments import BYBIT
from virtuoso.domain.market_data import Connected, Disconnected
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START

CONNECTED = Connected(BYBIT, frozenset({BTC, ETH}), Millis(START))


def shown(capsys: pytest.CaptureFixture[str], path: object, code: int) -> str:
    """What is printed of a recording."""
    capsys.readouterr()
    assert show_recording(str(path), as_json=False) == code
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], path: object, code: int) -> dict[str, Any]:
    """The same as JSON."""
    capsys.readouterr()
    assert show_recording(str(path), as_json=True) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_whole_recording_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Venue, source, span, symbols, frames by topic, and where something is missing."""
    gone = Disconnected(BYBIT, frozenset({BTC, ETH}), "cut", Millis(START + 50))
    (path,) = recorded(
        tmp_path,
        [
            [CONNECTED],
            bybit_book(START + 1, 1, snapshot=True),
            bybit_book(START + 2, 2, snapshot=False),
            bybit_trade(START + 3, 1, "ETHUSDT"),
            [gone],
            bybit_trade(START + 20_000, 2, "ETHUSDT"),
        ],
        source=Source.SIMULATOR,
    )
    text = shown(capsys, path, WHOLE)
    assert f"{path.name}: whole" in text
    assert "venue    bybit (SIMULATED)" in text
    assert "2026-07-19T12:00:00.000Z to 2026-07-19T12:00:20.000Z, 20.0 s" in text
    assert "symbols  2: BTCUSDT ETHUSDT" in text
    assert "disconnected: cut" in text
    (file,) = told(capsys, path, WHOLE)["files"]
    assert file["frames_by_topic"] == {"orderbook.200.BTCUSDT": 2, "publicTrade.ETHUSDT": 2}
    assert file["events_by_kind"] == {"Connected": 1, "Disconnected": 1}
    assert [hole["reason"] for hole in file["holes"]] == [
        "disconnected: cut",
        "silence: nothing was received",
    ]


def test_what_is_not_whole_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unfinished file, a damaged one, a part that is missing, one that is something else."""
    pad = ("", START, json.dumps({"topic": "x", "pad": "p" * 2_000_000}))
    first, second, third = recorded(tmp_path, [[CONNECTED], pad, pad, [CONNECTED]], part_bytes=1)
    assert "3 files: whole" in shown(capsys, tmp_path, WHOLE)
    whole = second.read_bytes()
    second.unlink()
    assert "part 2 of 3 is missing" in shown(capsys, tmp_path, NOT_WHOLE)
    second.write_bytes(whole)
    last = third.read_bytes()
    third.unlink()
    assert "part 3 is missing, it follows part 2" in shown(capsys, tmp_path, NOT_WHOLE)
    third.write_bytes(last[: open_tape_end(last, tmp_path)])
    assert f"{third.name}: unfinished" in shown(capsys, tmp_path, NOT_WHOLE)
    third.write_bytes(last)
    data = bytearray(first.read_bytes())
    data[-300] ^= 1
    first.write_bytes(data)
    text = shown(capsys, tmp_path, NOT_WHOLE)
    assert f"{first.name}: damaged" in text
    first.write_bytes(b"something else")
    text = shown(capsys, tmp_path, NOT_WHOLE)
    assert f"{first.name}: unreadable" in text
    assert "expected lines of a receive time" in text
    assert not told(capsys, tmp_path, NOT_WHOLE)["whole"]
    with pytest.raises(RecordingError, match="found nothing"):
        show_recording(str(tmp_path / "nowhere"), as_json=False)


def open_tape_end(data: bytes, folder: Path) -> int:
    """Where the chunks of a file end."""
    copy = folder / "copy"
    copy.write_bytes(data)
    end = open_tape(copy).end
    copy.unlink()
    return end


def test_a_recording_of_others_has_no_checksum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read through, and that is said."""
    frame = {"stream": "btcusdt@trade", "data": {"e": "trade", "s": "BTCUSDT"}}
    path = tmp_path / "btcusdt.txt"
    path.write_text(f"{START * 1_000} {json.dumps(frame)}\n")
    text = shown(capsys, path, WHOLE)
    assert "btcusdt.txt: unchecked" in text
    assert "venue    binance, source unknown" in text
