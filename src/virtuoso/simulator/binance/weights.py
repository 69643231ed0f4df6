"""What a REST request costs, and how much one address may spend."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Query: TypeAlias = Mapping[str, str]

WEIGHT_LIMIT = 2_400
"""A minute and address."""
FORGIVEN_REFUSALS = 100
"""Refused requests in a minute after which the address is banned."""
_MINUTE_MS = 60_000


def _steps(*steps: tuple[int, int], beyond: int, usual: int) -> Callable[[Query], int]:
    """Weigh by the limit: the weight of the first (limit, weight) that is not exceeded."""

    def weigh(query: Query) -> int:
        text = query.get("limit", "")
        limit = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else usual
        return next((weight for largest, weight in steps if limit <= largest), beyond)

    return weigh


def _one_or_all(one: int, every: int) -> Callable[[Query], int]:
    return lambda query: one if query.get("symbol") else every


_CANDLES = _steps((99, 1), (499, 2), (1_000, 5), beyond=10, usual=500)
_WEIGHTS: Final[Mapping[str, Callable[[Query], int]]] = {
    "depth": _steps((50, 2), (100, 5), (500, 10), beyond=20, usual=500),
    "klines": _CANDLES,
    "markPriceKlines": _CANDLES,
    "indexPriceKlines": _CANDLES,
    "premiumIndex": _one_or_all(1, 10),
    "ticker/24hr": _one_or_all(1, 40),
    "aggTrades": lambda _: 20,
    "trades": lambda _: 5,
    "fundingRate": lambda _: 0,
    "fundingInfo": lambda _: 0,
}


def weight_of(name: str, query: Query) -> int:
    """Return the documented weight of a request to /fapi/v1/<name>."""
    weigh = _WEIGHTS.get(name)
    return 1 if weigh is None else weigh(query)


class Budget:
    """What one address has spent in the present minute."""

    def __init__(self) -> None:
        self.used = 0
        self.refused = 0
        self._minute = 0
        self._banned_until = 0

    def spend(self, weight: int, now_ms: int) -> int | None:
        """Count a request; return the seconds to wait if it is refused, negative for a ban."""
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute, self.used, self.refused = minute, 0, 0
        if now_ms < self._banned_until:
            return -((self._banned_until - now_ms) // 1_000 + 1)
        self.used += weight
        if self.used <= WEIGHT_LIMIT:
            return None
        self.refused += 1
        if self.refused > FORGIVEN_REFUSALS:
            self._banned_until = now_ms + 2 * _MINUTE_MS
            return -120
        return (_MINUTE_MS - now_ms % _MINUTE_MS) // 1_000 + 1
