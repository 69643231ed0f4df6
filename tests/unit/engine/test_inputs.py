"""The ages of all inputs in one document."""

from types import SimpleNamespace
from typing import Any, cast

from virtuoso.domain.scores import Reason, Source, State
from virtuoso.domain.time import Millis
from virtuoso.engine.documents import Edition
from virtuoso.engine.inputs import inputs_document
from virtuoso.engine.view import Input, MarketView
from virtuoso.wire.board import RowSymbol

NOW = Millis(1_700_000_000_000)
EDITION = cast(
    "Edition",
    SimpleNamespace(
        notices=(),
        timestamp="2023-11-14T22:13:20.000Z",
        source=Source.SIMULATOR,
        cycle=SimpleNamespace(now=NOW, seq=7),
        epoch="one",
    ),
)


def view(*inputs: Input) -> MarketView:
    """A market of which only its inputs are asked for."""
    return cast("MarketView", SimpleNamespace(inputs=inputs))


def symbol(name: str) -> RowSymbol:
    """A row of the board."""
    return RowSymbol(0, name, "bybit", Source.SIMULATOR, "", None)


def test_each_symbol_has_every_kind_and_what_it_lacks_does_not_apply() -> None:
    """Columns in the order they are first met; never a nought for what is not there."""
    book = Input("book", Millis(NOW - 400), State.LIVE, None)
    funding = Input("funding", None, State.ABSENT, Reason.NO_FEED)
    found = inputs_document(
        EDITION, [symbol("AUSDT"), symbol("BUSDT")], [view(book), view(book, funding)]
    )
    assert found.kinds == ("book", "funding")
    first, second = found.symbols
    assert first.as_of == (NOW - 400, None)
    assert first.states == (State.LIVE, State.ABSENT)
    assert first.reasons == (None, Reason.NOT_APPLICABLE)
    assert second.reasons == (None, Reason.NO_FEED)
    assert (found.now, found.seq, found.status) == (NOW, 7, "success")


def test_no_market_is_no_row() -> None:
    """Before the first market there are no kinds either."""
    found: Any = inputs_document(EDITION, [], [])
    assert (found.kinds, found.symbols) == ((), ())
