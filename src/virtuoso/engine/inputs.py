"""How old every input of every symbol is, in one document; pure."""

from collections.abc import Sequence
from typing import Final

from virtuoso.domain.scores import Reason, State
from virtuoso.engine.documents import Edition
from virtuoso.engine.view import Input, MarketView
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.workings import InputsDocument, SymbolInputs

NONE: Final = Input("", None, State.ABSENT, Reason.NOT_APPLICABLE)
"""What a symbol has of a kind that only others have."""


def inputs_document(
    edition: Edition, symbols: Sequence[RowSymbol], views: Sequence[MarketView]
) -> InputsDocument:
    """Build `/api/inputs`: a row a symbol, a column a kind of input.

    A kind that a symbol does not have is null in its row, and does not apply.
    """
    kinds = tuple(dict.fromkeys(each.kind for view in views for each in view.inputs))
    reasons = tuple(notice.text for notice in edition.notices)
    return InputsDocument(
        status="degraded" if reasons else "success",
        timestamp=edition.timestamp,
        source=edition.source,
        data_source="cache",
        now=edition.cycle.now,
        kinds=kinds,
        symbols=tuple(
            _row(symbol, kinds, view.inputs) for symbol, view in zip(symbols, views, strict=False)
        ),
        reasons=reasons,
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def _row(symbol: RowSymbol, kinds: Sequence[str], inputs: Sequence[Input]) -> SymbolInputs:
    by_kind = {each.kind: each for each in inputs}
    found = [by_kind.get(kind, NONE) for kind in kinds]
    return SymbolInputs(
        symbol=symbol.symbol,
        venue=symbol.venue,
        as_of=tuple([each.as_of for each in found]),
        states=tuple([each.state for each in found]),
        reasons=tuple([each.reason for each in found]),
    )
