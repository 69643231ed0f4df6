"""Which program this is, and what day: what the About panel of the pages says."""

from datetime import UTC, datetime

from virtuoso.domain.time import SECOND, Millis
from virtuoso.web.answers import Answer
from virtuoso.web.feasts import DEDICATION, feast_of, prayer_of
from virtuoso.web.snapshot import JSON
from virtuoso.wire.about import AboutDocument
from virtuoso.wire.documents import etag_of
from virtuoso.wire.messages import to_json


def about_answer(version: str, now: Millis) -> Answer:
    """Build `/api/about` for the day that `now` is in, UTC."""
    day = datetime.fromtimestamp(now / SECOND, UTC).date()
    body = to_json(
        AboutDocument(
            status="success",
            version=version,
            day=day.isoformat(),
            feast=feast_of(day),
            prayer=prayer_of(day),
            dedication=DEDICATION,
        )
    )
    return Answer(body, JSON, cache_control="no-cache", etag=etag_of(body))
