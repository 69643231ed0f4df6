"""What systemd is told: that we are ready, that the loop turns, that we are going."""

import asyncio
import os
import socket
from typing import Final

LONGEST_S: Final = 5.0
"""Between two signs of life."""


def tell(words: str) -> None:
    """Say it where the service manager listens; without one nobody is told."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    # a name that begins with @ is no file but one of the kernel's
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(0)
        try:
            manager.sendto(words.encode(), address)
        except OSError:
            return


async def keep_telling() -> None:
    """Say that the loop turns, thrice within what is allowed; ends only by cancellation."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    pause_s = min(LONGEST_S, int(allowed) / 3e6) if allowed.isdigit() else LONGEST_S
    while True:
        tell("WATCHDOG=1")
        await asyncio.sleep(pause_s)
