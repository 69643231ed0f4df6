"""A result that is there whole or not at all."""

from pathlib import Path

import pytest

from virtuoso.apps.whole_file import whole_file
from virtuoso.domain.errors import RecordingError, SettingsError

DAMAGED = "the recording is damaged"


def _break_off(path: Path) -> None:
    with whole_file(path) as out:
        out.write(b"half")
        raise RecordingError(DAMAGED)


def test_what_broke_off_leaves_what_was_there_before(tmp_path: Path) -> None:
    """Neither half a result nor an empty one, and nothing beside it."""
    path = tmp_path / "scores.jsonl"
    path.write_bytes(b"before")
    with pytest.raises(RecordingError):
        _break_off(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    with whole_file(path) as out:
        out.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    """With the reason; a device is written to as it is."""
    with (
        pytest.raises(SettingsError, match=r"No such file.*nowhere"),
        whole_file(tmp_path / "nowhere" / "scores.jsonl"),
    ):
        pass
    with whole_file(Path("/dev/null")) as out:
        out.write(b"gone")
    assert Path("/dev/null").is_char_device()
