"""When something that ended is started again, and what systemd is told."""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.apps.crashes import MOST, WITHIN_MS, Crashes
from virtuoso.apps.service_manager import keep_telling, tell


def test_pauses_grow_and_the_fifth_end_within_a_minute_is_the_last() -> None:
    """Never thousands of silent restarts. fault: F40."""
    crashes = Crashes()
    pauses = [crashes.note(1_000 * number) for number in range(MOST)]
    assert pauses == [500, 1_000, 2_000, 4_000, None]
    assert crashes.total == MOST


def test_what_ends_once_an_hour_is_always_started_again_at_once() -> None:
    """Old ends are forgotten."""
    crashes = Crashes()
    assert {crashes.note(3_600_000 * number) for number in range(100)} == {500}


@settings(deadline=None)
@given(gaps=st.lists(st.integers(0, 90_000), min_size=1, max_size=40))
def test_it_stops_exactly_when_five_ends_lie_within_a_minute(gaps: list[int]) -> None:
    """Wherever they lie."""
    crashes, at = Crashes(), [0]
    for gap in gaps:
        at.append(at[-1] + gap)
    said = [crashes.note(each) for each in at]
    for place, pause in enumerate(said):
        fifth = place >= MOST - 1 and at[place] - at[place - MOST + 1] < WITHIN_MS
        assert (pause is None) == fifth


async def test_systemd_hears_that_the_loop_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready once, then signs of life thrice within what is allowed; without systemd nothing."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell("READY=1")
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "30000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(5)
        tell("READY=1")
        telling = asyncio.create_task(keep_telling())
        heard = [await asyncio.to_thread(manager.recv, 100) for _ in range(4)]
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
    assert heard == [b"READY=1", *[b"WATCHDOG=1"] * 3]
    tell("WATCHDOG=1")
