"""The REST side of each venue in words, for the health of the engine and for the doctor."""

from collections.abc import Iterable

from virtuoso.adapters.feed.breaker import BreakerState
from virtuoso.adapters.feed.limits import BudgetStatus
from virtuoso.wire.processes import PartHealth
from virtuoso.wire.records import iso


def rest_parts(statuses: Iterable[BudgetStatus]) -> tuple[PartHealth, ...]:
    """Give the health of each venue's REST side."""
    return tuple(rest_part(each) for each in statuses)


def rest_part(status: BudgetStatus) -> PartHealth:
    """Say whether a venue may be asked, how much of the budget is used, and what went wrong."""
    name = f"rest_{status.venue}"
    if status.banned_until is not None:
        text = f"{status.venue} is not asked until {iso(status.banned_until)}: {status.ban_reason}"
        if not status.ban_kept:
            text += " (not kept on disk: a restart would ask at once)"
        return PartHealth(name, "fail", text, last_good=None)
    text = (
        f"{status.used:.0f} of {status.amount:.0f} in {status.window_seconds:g} s used"
        f", {status.waiting} requests wait"
    )
    if status.breaker is not BreakerState.CLOSED:
        text = (
            f"{status.venue} is asked only now and then, after {status.failures} failures in a row"
            f", the last one: {status.last_error}"
        )
        return PartHealth(name, "fail", text)
    if status.share < 1:
        text += f"; the budget is at {status.share:.0%} after {status.last_error}"
        return PartHealth(name, "warn", text)
    return PartHealth(name, "pass", text)
