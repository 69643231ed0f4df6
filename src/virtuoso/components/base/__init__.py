"""What all components share: the contract, the pool, and the one on candles."""

from virtuoso.components.base.component import (
    COMPLETENESS_FLOOR,
    DUE_BOOK,
    DUE_FUNDING,
    DUE_OPEN_INTEREST,
    DUE_RATIO,
    DUE_TICKER,
    DUE_TRADES,
    Component,
    Due,
    Member,
    Reading,
    component_of,
    due_candle,
    pool,
    pool_scores,
)

__all__ = [
    "COMPLETENESS_FLOOR",
    "DUE_BOOK",
    "DUE_FUNDING",
    "DUE_OPEN_INTEREST",
    "DUE_RATIO",
    "DUE_TICKER",
    "DUE_TRADES",
    "Component",
    "Due",
    "Member",
    "Reading",
    "component_of",
    "due_candle",
    "pool",
    "pool_scores",
]
