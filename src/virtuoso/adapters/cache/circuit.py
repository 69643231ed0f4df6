"""Leaves a tier alone that does not answer, and finds out by itself when it does again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from virtuoso.domain.errors import CacheError

log = structlog.get_logger()

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 2.0
SLOW_MS: Final = 50
"""An answer later than this is slow."""
SLOW_IN_A_ROW: Final = 3
"""Slow answers after which a tier is left alone as if it had given none."""


class Circuit:
    """Opens at the first failure; a probe in the background closes it, and no caller waits for one.

    A caller thus pays for a dead tier once. Probes go on for as long as it is open, two seconds
    apart at most.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[None]],
        on_close: Callable[[], None] = lambda: None,
        slow_ms: int = SLOW_MS,
    ) -> None:
        self._name = name
        self._probe = probe
        self._on_close = on_close
        self._slow_ms = slow_ms
        self._healing: asyncio.Task[None] | None = None
        self._slow = 0
        self.opened = 0
        """How often so far."""
        self.reason = ""
        """Why it is open, or was last."""

    @property
    def closed(self) -> bool:
        """Whether the tier may be asked."""
        return self._healing is None

    def succeeded(self, elapsed_ms: float) -> None:
        """Note an answer and what it took; the third slow one in a row opens."""
        self._slow = self._slow + 1 if elapsed_ms > self._slow_ms else 0
        if self._slow >= SLOW_IN_A_ROW:
            self.failed(f"{self._slow} answers in a row took more than {self._slow_ms} ms")

    def failed(self, reason: str) -> None:
        """Open, unless it is."""
        if self._healing is not None:
            return
        self._slow = 0
        self.opened += 1
        self.reason = reason
        log.warning("cache_tier_lost", tier=self._name, error=reason)
        self._healing = asyncio.create_task(self._heal(), name=f"healing {self._name}")

    async def _heal(self) -> None:
        time = asyncio.get_running_loop().time
        opened = time()
        pause = FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
            asked = time()
            try:
                await self._probe()
            except CacheError as error:
                self.reason = str(error)
                continue
            if 1e3 * (time() - asked) <= self._slow_ms:
                break
        self._healing = None
        log.warning("cache_tier_back", tier=self._name, after_ms=round(1e3 * (time() - opened)))
        self._on_close()

    async def close(self) -> None:
        """Stop probing."""
        healing, self._healing = self._healing, None
        if healing is not None:
            healing.cancel()
            await asyncio.gather(healing, return_exceptions=True)
