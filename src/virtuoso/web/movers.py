"""Who moved most over one window, chosen from what the engine compared."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from virtuoso.domain.scores import Reason, State
from virtuoso.wire.lists import Mover, MoverRecord, MoversAnswer, MoversDocument
from virtuoso.wire.messages import to_json

Window: TypeAlias = Literal["5m", "15m", "1h", "4h", "24h", "observed"]
MOST: Final = 100
_document = msgspec.json.Decoder(MoversDocument)


def movers_of(body: bytes, window: Window, min_volume: float, limit: int) -> bytes:
    """The answer for one window; symbols under the volume floor are left out and counted."""
    whole = _document.decode(body)
    listed = [each for each in whole.symbols if min_volume <= 0 or (each.volume or 0) >= min_volume]
    prices = [(each, each.price_changes.get(window)) for each in listed]
    scores = [(each, each.score_changes.get(window)) for each in listed]
    gainers, losers, compared, no_price = _ends(prices, limit, of_price=True)
    risers, fallers, scores_compared, no_score = _ends(scores, limit, of_price=False)
    reasons = list(whole.reasons)
    if no_price is not None and no_score is not None:
        reasons.append(f"nothing can be compared over {window}: {no_price}, {no_score}")
    answer = MoversAnswer(
        status="degraded" if reasons else whole.status,
        timestamp=whole.timestamp,
        as_of=whole.as_of,
        source=whole.source,
        data_source=whole.data_source,
        window=window,
        min_volume=min_volume,
        gainers=gainers,
        losers=losers,
        score_risers=risers,
        score_fallers=fallers,
        compared=compared,
        scores_compared=scores_compared,
        price_reason=no_price,
        score_reason=no_score,
        below_volume=len(whole.symbols) - len(listed),
        now=whole.now,
        reasons=tuple(reasons),
        epoch=whole.epoch,
        seq=whole.seq,
    )
    return to_json(answer)


def _ends(
    changes: Sequence[tuple[MoverRecord, float | Reason | None]], limit: int, *, of_price: bool
) -> tuple[tuple[Mover, ...], tuple[Mover, ...], int, Reason | None]:
    """Largest rises, largest falls, how many were compared, and why none was."""
    moved = [(change, each) for each, change in changes if isinstance(change, int | float)]
    why: Mapping[Reason, int] = Counter(
        change for _, change in changes if isinstance(change, Reason)
    )
    reason = None if moved else max(why, key=lambda each: why[each], default=Reason.NO_FEED)
    up = sorted(
        (each for each in moved if each[0] > 0), key=lambda each: (-each[0], each[1].symbol)
    )
    down = sorted(
        (each for each in moved if each[0] < 0), key=lambda each: (each[0], each[1].symbol)
    )

    def named(found: Sequence[tuple[float, MoverRecord]]) -> tuple[Mover, ...]:
        return tuple(
            Mover(
                symbol=each.symbol,
                change=change,
                price=each.price,
                volume=each.volume,
                score=each.score,
                direction=each.direction,
                state=_state(each, of_price=of_price),
            )
            for change, each in found[:limit]
        )

    return named(up), named(down), len(moved), reason


def _state(record: MoverRecord, *, of_price: bool) -> State:
    return record.price_state if of_price else record.state
