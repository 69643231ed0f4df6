"""`virtuoso warm`: what any tier holds, brought to all of them; nothing is made up."""

import os
import sys
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from virtuoso.adapters.cache.shared import Lived, SharedCache
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.settings import Settings
from virtuoso.apps.sharing import backend_of, cache_of
from virtuoso.apps.tiers import open_codec, open_plans
from virtuoso.domain.errors import CacheError, ValueRefusedError
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState
from virtuoso.wire.codec import Codec, Stamp

AT_ONCE: Final = 200
WHOLE: Final = (
    keys.BOARD,
    keys.ENGINE,
    keys.SYMBOLS,
    keys.DASHBOARD,
    keys.MOBILE,
    keys.REFUSALS,
    keys.BITCOIN_BETA,
    keys.BITCOIN_BETA_MATRIX,
    keys.CYCLES,
)


class Warmed(msgspec.Struct, frozen=True):
    """What came of it."""

    status: Literal["success", "degraded", "error"]
    attempted: int
    """Documents, times the servers they belong on."""
    held: int
    """Were there already."""
    warmed: int
    """Were given back from another server."""
    missing: int
    """Are on no server: the engine writes them within half a minute, or does not run."""
    failed: int
    """Could not be read or written."""
    reasons: tuple[str, ...]


async def warm(settings: Settings, *, as_json: bool) -> int:
    """Warm and say what came of it: 0 when every document is everywhere, else 1."""
    clock = SystemClock()
    cache = cache_of(settings, backend_of(settings, alone=False))
    codec = open_codec(cache, os.environ)
    plans = open_plans(cache, clock, os.environ)
    servers = tuple(each.tier for each in plans)
    lives = {each.tier.name: each.life.most_ms for each in plans}
    try:
        found = await _Warming(servers, codec, lives).all()
    finally:
        for server in servers:
            await server.close()
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        lines = [f"{name:>10}  {getattr(found, name)}" for name in found.__struct_fields__[:-1]]
        sys.stdout.write("\n".join((*lines, *found.reasons)) + "\n")
    return 0 if found.status == "success" else 1


class _Warming:
    """One round over all keys."""

    def __init__(
        self, servers: tuple[SharedCache, ...], codec: Codec, lives: dict[str, int]
    ) -> None:
        self._servers = servers
        self._codec = codec
        self._lives = lives
        self._held = self._warmed = self._missing = self._failed = self._attempted = 0
        self._reasons: dict[str, None] = {}

    async def all(self) -> Warmed:
        """Warm what belongs to the whole, then what belongs to each symbol of the board."""
        board = await self._some(WHOLE)
        if board is not None:
            names = [Symbol(each.symbol) for each in board.symbols]
            wanted = tuple(_of_symbols(names))
            for first in range(0, len(wanted), AT_ONCE):
                await self._some(wanted[first : first + AT_ONCE])
        else:
            self._reasons["there is no board on any server: does `virtuoso engine` run?"] = None
        good = not self._missing and not self._failed
        return Warmed(
            "success" if good and board is not None else "degraded" if board else "error",
            self._attempted,
            self._held,
            self._warmed,
            self._missing,
            self._failed,
            tuple(self._reasons),
        )

    async def _some(self, wanted: tuple[str, ...]) -> BoardState | None:
        """Bring these to every server; the newest of each wins."""
        best: dict[str, tuple[Stamp, Lived]] = {}
        answers: dict[str, dict[str, Stamp]] = {}
        for server in self._servers:
            self._attempted += len(wanted)
            try:
                found = await server.fetch(wanted)
            except CacheError as error:
                self._failed += len(wanted)
                self._reasons[f"{server.name}: {error}"] = None
                continue
            stamps = answers[server.name] = {}
            for key, held in found.items():
                try:
                    stamp = self._codec.inspect(key, held.value)
                except ValueRefusedError as error:
                    self._reasons[f"{server.name}: {error}"] = None
                    continue
                if stamp is None:
                    continue
                stamps[key] = stamp
                if key not in best or best[key][0].made < stamp.made:
                    best[key] = (stamp, Lived(held.value, held.left_ms))
        for server in self._servers:
            if server.name in answers:
                await self._give(server, wanted, answers[server.name], best)
        board = best.get(keys.BOARD)
        return self._codec.decode(keys.BOARD, board[1].value, BoardState) if board else None

    async def _give(
        self,
        server: SharedCache,
        wanted: tuple[str, ...],
        has: dict[str, Stamp],
        best: dict[str, tuple[Stamp, Lived]],
    ) -> None:
        gaps: dict[str, Lived] = {}
        for key in wanted:
            if key in has:
                self._held += 1
            elif key not in best:
                self._missing += 1
            else:
                lived = best[key][1]
                life_ms = min(lived.life_ms, self._lives[server.name])
                gaps[key] = Lived(lived.value, life_ms)
        try:
            # what the engine wrote meanwhile is newer, and stays
            await server.refill(gaps)
        except CacheError as error:
            self._failed += len(gaps)
            self._reasons[f"{server.name}: {error}"] = None
        else:
            self._warmed += len(gaps)


def _of_symbols(names: Iterable[Symbol]) -> Iterable[str]:
    for name in names:
        yield keys.symbol_detail(name)
        yield keys.score_history(name)
        yield from (keys.candles(name, each) for each in Timeframe)
