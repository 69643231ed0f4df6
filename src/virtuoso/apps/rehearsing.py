"""Rules over what is stored: the rows of history as the moments that a rehearsal looks at."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from virtuoso.alerting.numbers import Reading
from virtuoso.alerting.rehearsal import Moment, Rehearsal, rehearse
from virtuoso.alerting.rules import Rule
from virtuoso.domain.errors import RuleError
from virtuoso.domain.history import KeptScore
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis
from virtuoso.ports import Archive

MOST_ROWS: Final = 40_000
MOST_SYMBOLS: Final = 30
STEPS: Final = (30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR)
LONGEST_MS: Final = 31 * 24 * HOUR


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal, and over what."""

    rehearsal: Rehearsal
    step_ms: int
    symbols: int


async def rehearse_stored(
    archive: Archive, rule: Rule, sources: Collection[Source], start: int, end: int
) -> Rehearsed:
    """Hold a rule against what is stored. Raises RuleError, StoreError."""
    if not 0 < end - start <= LONGEST_MS:
        msg = f"expected a time of at most {LONGEST_MS // (24 * HOUR)} days"
        raise RuleError(msg)
    if not rule.is_of_symbols:
        msg = f"rule {rule.id} cannot be rehearsed: it looks at no number of a symbol"
        raise RuleError(msg)
    known = {str(each.symbol) for each in await archive.series(sources)}
    wanted = [each for each in rule.symbols or sorted(known) if each in known][:MOST_SYMBOLS]
    step = next(
        (each for each in STEPS if (end - start) // each * max(1, len(wanted)) <= MOST_ROWS),
        STEPS[-1],
    )
    moments: dict[Millis, dict[str, dict[str, Reading]]] = {}
    for symbol in wanted:
        rows = await archive.scores(
            Symbol(symbol), sources, start, end, step_ms=step, components=True, limit=MOST_ROWS
        )
        for row in rows:
            # rows of one step belong together, whatever second of it they are of
            moments.setdefault(Millis(row.at - row.at % step), {})[symbol] = readings_of(row)
    found = await asyncio.to_thread(_rehearse, rule, moments)
    return Rehearsed(found, step, len(wanted))


def _rehearse(rule: Rule, moments: dict[Millis, dict[str, dict[str, Reading]]]) -> Rehearsal:
    ordered: Sequence[Moment] = [Moment(at, {}, _ranked(moments[at])) for at in sorted(moments)]
    return rehearse(rule, ordered)


def _ranked(symbols: dict[str, dict[str, Reading]]) -> dict[str, dict[str, Reading]]:
    """Put the most traded first, as on the board: groups go by that."""

    def turnover(symbol: str) -> float:
        value = symbols[symbol].get("turnover_24h")
        return value if isinstance(value, float) else 0.0

    return {symbol: symbols[symbol] for symbol in sorted(symbols, key=turnover, reverse=True)}


def readings_of(row: KeptScore) -> dict[str, Reading]:
    """Give the recorded numbers of one row; what was not live then is not known."""
    found: dict[str, Reading] = {
        "price": row.price,
        "spread_bp": row.spread_bp,
        "turnover_24h": row.turnover_24h,
        "funding": None if row.funding_8h is None else 100.0 * row.funding_8h,
    }
    if row.state == "live":
        found["score"] = row.score
        found["coverage"] = row.coverage
        found["confidence"] = None if row.confidence is None else 100.0 * row.confidence
        found["direction"] = None if row.direction is None else row.direction.value
        for name, part in (row.components or {}).items():
            found[f"component.{name}"] = part.score
    return found
