"""F38 for signals: killed at any instruction, each is kept once and judged by the whole past."""

from pathlib import Path

import pytest

from support.signal_kills import SYMBOLS, kill_again_and_again


@pytest.mark.timeout(240)
async def test_no_signal_is_lost_or_judged_otherwise_because_of_a_kill(tmp_path: Path) -> None:
    """Six kills; `python -m support.signal_kills` does as many as asked."""
    toll = await kill_again_and_again(tmp_path, 6)
    assert toll.wrong == []
    assert (toll.kept, toll.ended) == (SYMBOLS, SYMBOLS)
