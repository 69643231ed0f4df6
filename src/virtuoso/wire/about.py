"""Which program this is, and what day."""

import msgspec

from virtuoso.wire.messages import Status


class AboutDocument(msgspec.Struct, frozen=True):
    """`/api/about`: which program this is, and what day."""

    status: Status
    version: str
    day: str
    """In UTC, ISO 8601."""
    feast: str | None
    """Of the day; null on a day without one."""
    prayer: str
    dedication: str
