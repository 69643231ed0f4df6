"""The one place where a library's decoding errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from virtuoso.domain.errors import FeedError


class UnreadableFrameError(FeedError):
    """A frame is not what the venue documents. Refuse it and recycle the connection."""


@contextmanager
def refuse_unreadable() -> Iterator[None]:
    """Turn whatever reading a frame can raise into UnreadableFrameError."""
    try:
        yield
    except RecursionError as error:
        msg = "expected a frame of a few levels, found deep nesting"
        raise UnreadableFrameError(msg) from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableFrameError(str(error)[:200]) from error
