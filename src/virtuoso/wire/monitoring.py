"""What the monitor kept of the last day, and how it is asked for from another port."""

from typing import Final, Literal

import msgspec

from virtuoso.wire import keys
from virtuoso.wire.asking import Question, Subject
from virtuoso.wire.measures import Combined
from virtuoso.wire.messages import Status

MOST_MINUTES: Final = 1_440
SERIES_PATTERN: Final = "^[A-Za-z0-9_./@:, -]{0,1000}$"
MOST_POINTS: Final = 720
"""Of a series; more are combined."""


class HistoryRequest(Question, frozen=True, kw_only=True):
    """Ask for the last minutes of some series; of none: of all."""

    action: Literal["history"] = "history"
    minutes: int = 60
    series: tuple[str, ...] = ()


MONITORING: Final = Subject(
    "monitoring",
    keys.MONITOR_ASK,
    keys.MONITOR_ANSWER,
    HistoryRequest,
    changes=frozenset(),
    deadline_s=3.0,
)


class HistorySeries(msgspec.Struct, frozen=True):
    """One measure over time."""

    name: str
    """The measure and its labels, such as `loop_lag_seconds/engine`."""
    measure: str
    labels: dict[str, str]
    unit: str
    """Of what only grows it is how much a second."""
    text: str
    combined: Combined
    """How the values of a longer step were made one."""
    values: tuple[float | None, ...]
    """Oldest first, one each step; null where nothing is known."""


class MonitoringHistory(msgspec.Struct, frozen=True):
    """`/api/monitoring/history?minutes=&series=`: the last day in memory, with its holes."""

    status: Status
    timestamp: str
    now: int
    start: int
    """When the first step begins, milliseconds UTC; value `n` is of `start + n * step_ms`."""
    step_ms: int
    recorded_since: int | None
    """When the monitor began to look; null before its first look."""
    series: tuple[HistorySeries, ...]
    known: tuple[str, ...]
    """Every name that may be asked for."""
    reasons: tuple[str, ...] = ()
