"""The one place where a library's decoding errors become ours."""

from types import TracebackType
from typing import Final

import msgspec

from virtuoso.domain.errors import FeedError


class UnreadableFrameError(FeedError):
    """A frame is not what the venue documents. Refuse it and recycle the connection."""


class _RefuseUnreadable:
    """A context without state, because each frame passes through it."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, _kind: object, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Raise UnreadableFrameError for what reading a frame can raise."""
        if error is None:
            return
        if isinstance(error, RecursionError):
            msg = "expected a frame of a few levels, found deep nesting"
            raise UnreadableFrameError(msg) from error
        if isinstance(error, msgspec.MsgspecError | ValueError):
            raise UnreadableFrameError(str(error)[:200]) from error


_REFUSE: Final = _RefuseUnreadable()


def refuse_unreadable() -> _RefuseUnreadable:
    """Turn whatever reading a frame can raise into UnreadableFrameError."""
    return _REFUSE
