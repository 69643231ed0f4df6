"""One connection as the socket sees it: frames go out, something waits, it ends.

A frame is made once and the same bytes are written to every client. So there is one copy, no
header per client, and no coroutine per message.
"""

import struct
from typing import Final, Protocol

LINE: Final = "virtuoso.line"
"""The scope extension under which `web.server` hands over the line of an accepted socket."""

_FIN_TEXT: Final = 0x81


class Line(Protocol):
    """What can be done with a connection without waiting."""

    def write(self, frames: bytes) -> None:
        """Send whole frames; what the network does not take at once waits. Lost after the end."""
        ...

    def waiting(self) -> int:
        """How many bytes wait, beside those in the kernel's buffer."""
        ...

    def abort(self) -> None:
        """Drop the connection with whatever waits in it."""
        ...


def frame(text: bytes) -> bytes:
    """A whole text message of a server: RFC 6455, section 5.2, unmasked and in one piece."""
    size = len(text)
    if size < 126:
        return bytes((_FIN_TEXT, size)) + text
    if size < 1 << 16:
        return struct.pack("!BBH", _FIN_TEXT, 126, size) + text
    return struct.pack("!BBQ", _FIN_TEXT, 127, size) + text
