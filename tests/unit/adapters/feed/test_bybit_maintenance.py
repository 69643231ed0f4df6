"""What Bybit announces of maintenance, out of its REST answer."""

from typing import Any

import pytest

from virtuoso.adapters.feed.bybit.rest import to_maintenance
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.maintenance import LONGEST_TITLE, Maintenance
from virtuoso.domain.time import Millis


def pause(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """One row as the venue documents it."""
    return {
        "id": "one",
        "title": "Upgrade",
        "state": "scheduled",
        "begin": "2000",
        "end": "3000",
        "href": "",
        "serviceTypes": [1],
        "product": [1, 2],
        "uidSuffix": [],
        "maintainType": "1",
        "env": "1",
    } | changes


def test_what_is_to_come_and_what_goes_on_is_given_the_nearest_first() -> None:
    """What is over, called off, of other products or of the demo service is no concern."""
    rows = [
        pause(),
        pause(state="ongoing", begin="1000", product=[]),
        pause(state="completed"),
        pause(state="canceled"),
        pause(product=[2, 3]),
        pause(env=2),
    ]
    assert to_maintenance(rows) == [
        Maintenance("Upgrade", Millis(1000), Millis(3000), ongoing=True),
        Maintenance("Upgrade", Millis(2000), Millis(3000), ongoing=False),
    ]


def test_a_title_is_cut_and_an_end_may_be_unknown() -> None:
    """The title is the venue's text: bounded, and without control characters."""
    [found] = to_maintenance([pause(title="a\u202e\n" + "b" * 200, end="0")])
    assert found.title == "a  " + "b" * (LONGEST_TITLE - 3)
    assert found.end is None


@pytest.mark.parametrize("row", [{}, pause(begin="soon"), pause(product="all"), None])
def test_a_row_that_is_none_is_refused(row: object) -> None:
    """As every other answer that is not what the venue documents."""
    with pytest.raises(UnreadableFrameError):
        to_maintenance([row])
