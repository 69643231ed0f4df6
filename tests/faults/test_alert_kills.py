"""F38 for alerts: killed at any instruction, nothing that was committed stays untold."""

from pathlib import Path

import pytest

from support.alert_kills import kill_again_and_again


@pytest.mark.timeout(180)
async def test_no_alert_is_lost_and_at_most_one_message_a_kill_is_told_twice(
    tmp_path: Path,
) -> None:
    """Twenty kills; `python -m support.alert_kills` does a thousand."""
    toll = await kill_again_and_again(tmp_path, 20)
    assert toll.committed >= 20
    assert toll.lost == 0
    assert toll.repeated <= toll.kills
    assert toll.out_of_order == 0
