"""What a few symbols would score by another definition, computed by what scores them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.scores import ConfluenceScore, Direction
from virtuoso.engine.breath import Breath
from virtuoso.engine.lane import Lane
from virtuoso.engine.pipeline import Pipeline
from virtuoso.scoring.definition import Definition
from virtuoso.scoring.direction import propose

MOST_SYMBOLS: Final = 5


class Trial(NamedTuple):
    """One symbol's newest second by the definition that runs and by the one that is tried."""

    symbol: str
    venue: str
    before: ConfluenceScore | None
    after: ConfluenceScore | None
    """Both None where it cannot be told without waiting for more data."""
    before_direction: Direction | None
    """What the score alone proposes to a symbol that is Neutral."""
    after_direction: Direction | None


async def try_definition(
    pipelines: Sequence[Pipeline], definition: Definition, symbols: Sequence[str]
) -> Sequence[Trial]:
    """Try five symbols at most. Raises UnknownSymbolError for one that nobody watches."""
    lanes = _lanes(pipelines, symbols[:MOST_SYMBOLS])
    breath = Breath()
    breath.begin()
    found = []
    for lane in lanes:
        found.append(await _try(lane, definition, breath))
        await breath.take()
    return found


def _lanes(pipelines: Sequence[Pipeline], symbols: Sequence[str]) -> list[Lane]:
    if not symbols:
        first = pipelines[0]
        every = [lane for each in first.instruments if (lane := first.lane(each)) is not None]
        return [lane for lane in every if lane.loaded][:MOST_SYMBOLS]
    found = []
    for symbol in symbols:
        lane = next(
            (
                lane
                for pipeline in pipelines
                for each in pipeline.instruments
                if each.symbol == symbol and (lane := pipeline.lane(each)) is not None
            ),
            None,
        )
        if lane is None:
            msg = f"expected a symbol that is watched, found {symbol[:40]!r}"
            raise UnknownSymbolError(msg)
        found.append(lane)
    return found


async def _try(lane: Lane, definition: Definition, breath: Breath) -> Trial:
    instrument, running = lane.instrument, lane.definition
    own = definition.of(instrument.symbol)
    trying = lane.trying(own)
    while True:
        try:
            next(trying)
        except StopIteration as end:
            scored: tuple[ConfluenceScore, ConfluenceScore] | None = end.value
            break
        await breath.take()
    if scored is None:
        return Trial(instrument.symbol, instrument.venue, None, None, None, None)
    before, after = scored
    return Trial(
        instrument.symbol,
        instrument.venue,
        before,
        after,
        _proposed(before, running),
        _proposed(after, own),
    )


def _proposed(score: ConfluenceScore, definition: Definition) -> Direction | None:
    if score.score is None:
        return None
    return propose(Direction.NEUTRAL, score.score, definition.direction)
