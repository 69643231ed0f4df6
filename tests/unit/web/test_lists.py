"""Lists, ranges and files: parts of what is published, with nothing in them changed."""

import csv
import io
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.testing import wire_messages as make
from virtuoso.web.answers import Answer
from virtuoso.web.export import About, Format, chosen, exported
from virtuoso.web.lists import SortKey, SymbolsBody, Wanted, columns_of, flat, matching, page_of
from virtuoso.web.problems import ProblemError
from virtuoso.web.series import Cut, Series, answer, time_of
from virtuoso.wire.messages import to_json

SORTS: tuple[SortKey, ...] = ("score", "-score", "pressure", "-volume", "symbol", "-symbol")


def a_body() -> SymbolsBody:
    """The published list of a few symbols."""
    board = make.a_board(symbols=make.SYMBOLS)
    return msgspec.json.decode(to_json(make.symbols_document(board)), type=SymbolsBody)


def with_values(values: list[tuple[float | None, float | None]]) -> SymbolsBody:
    """A list in which each symbol has this score and this turnover."""
    body = a_body()
    record = body.symbols[0]
    body.symbols = [
        {**record, "symbol": f"S{number}USDT", "confluence_score": score, "volume": volume}
        for number, (score, volume) in enumerate(values)
    ]
    return body


NUMBERS = st.none() | st.floats(0, 100)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30),
    st.sampled_from(SORTS),
    st.integers(1, 7),
)
def test_the_pages_together_are_the_whole_list_in_order_without_a_repetition(
    values: list[tuple[float | None, float | None]], sort: SortKey, per_page: int
) -> None:
    """Whatever the order: each symbol once, null last, the counts right."""
    body = with_values(values)
    seen: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        found = msgspec.json.decode(page_of(body, Wanted(sort=sort, page=page, per_page=per_page)))
        pages = found["page"]["pages"]
        assert found["page"]["matched"] == found["page"]["total"] == len(values)
        seen += found["symbols"]
        page += 1
    assert sorted(each["symbol"] for each in seen) == sorted(e["symbol"] for e in body.symbols)
    for record in seen:
        assert record in body.symbols
    if sort in {"score", "-score"}:
        scores = [each["confluence_score"] for each in seen]
        known = [each for each in scores if each is not None]
        assert scores == [*known, *[None] * (len(scores) - len(known))]
        assert known == sorted(known, reverse=sort.startswith("-"))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_what_is_not_known_does_not_pass_a_filter_on_it(
    values: list[tuple[float | None, float | None]], least: float, floor: float
) -> None:
    """A null score is not above anything; a null turnover is not enough."""
    body = with_values(values)
    found = matching(body.symbols, Wanted(min_score=least, min_volume=floor))
    assert len(found) == sum(
        score is not None and score >= least and volume is not None and volume >= floor
        for score, volume in values
    )


def test_fields_are_left_out_and_the_symbol_never_is() -> None:
    """A small answer for a small screen."""
    found = msgspec.json.decode(page_of(a_body(), Wanted(fields=("price",), text="btc")))
    assert [set(each) for each in found["symbols"]] == [{"symbol", "price"}]
    assert columns_of(("components", "price"))[:3] == ("symbol", "price", "components.orderbook")
    assert "quality" not in columns_of(())
    assert flat(a_body().symbols[0])["components.volume"] is not None


@pytest.mark.parametrize(
    ("asked", "accept", "form"),
    [
        (None, b"", Format.JSON),
        (None, b"*/*", Format.JSON),
        (None, b"text/html, application/json;q=0.9", Format.JSON),
        (None, b"text/csv", Format.CSV),
        (None, b"application/vnd.apache.parquet, text/csv", Format.PARQUET),
        ("csv", b"application/json", Format.CSV),
    ],
)
def test_the_form_is_that_of_the_parameter_else_the_first_accepted(
    asked: str | None, accept: bytes, form: Format
) -> None:
    """Without a word it is JSON."""
    assert chosen(asked, accept) is form


def test_nothing_acceptable_is_406() -> None:
    """And names what there is."""
    with pytest.raises(ProblemError) as refused:
        chosen(None, b"image/png")
    assert refused.value.status == 406


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "99999-01-01"])
def test_a_time_that_is_none_is_refused_without_being_repeated(text: str) -> None:
    """The sentence names the parameter."""
    with pytest.raises(ProblemError) as refused:
        time_of(text, "from")
    assert refused.value.status == 422
    assert not text or text not in refused.value.detail


POINTS = Series("points", ("time", "score"))


def published(points: list[list[float | None]]) -> Answer:
    """A series as the engine publishes it."""
    body = {"status": "success", "source": "simulator", "points": points, "reasons": []}
    return Answer(msgspec.json.encode(body), "application/json", cache_control="no-cache")


@given(
    st.lists(st.integers(0, 50), unique=True).map(sorted),
    st.none() | st.integers(0, 50),
    st.none() | st.integers(0, 50),
    st.none() | st.integers(1, 10),
)
def test_a_cut_is_every_row_of_its_range_and_the_newest_of_those(
    times: list[int], start: int | None, end: int | None, limit: int | None
) -> None:
    """From is in, to is out."""
    rows = [[at, None] for at in times]
    found = Cut(start=start, end=end, limit=limit).of(rows, POINTS.at, newest_first=False)
    low, high = start or 0, 51 if end is None else end
    wanted = [row for row in rows if row[0] is not None and low <= row[0] < high]
    assert found == wanted[-(limit or 100) :]


async def test_files_hold_the_very_numbers_and_say_what_they_are() -> None:
    """CSV and Parquet: equal values, times as times, SIMULATED in every row and in the name."""
    points: list[list[float | None]] = [[1_763_700_000_000, 51.25], [1_763_700_010_000, None]]
    text = await answer(published(points), POINTS, Cut(Format.CSV), "BTCUSDT-scores")
    rows = list(csv.DictReader(io.StringIO(text.body.decode())))
    assert rows[0] == {
        "time": "2025-11-21T04:40:00.000Z",
        "score": "51.25",
        "source": "simulator",
        "label": "SIMULATED",
        "as_of": "2025-11-21T04:40:10.000Z",
    }
    assert rows[1]["score"] == ""
    packed = await answer(published(points), POINTS, Cut(Format.PARQUET), "BTCUSDT-scores")
    table = pq.read_table(io.BytesIO(packed.body))
    assert table.column("score").to_pylist() == [51.25, None]
    assert table.column("time")[0].as_py().isoformat() == "2025-11-21T04:40:00+00:00"
    assert set(table.column("label").to_pylist()) == {"SIMULATED"}
    _, headers, _ = packed.choose(b"", b"")
    assert (b"content-disposition", b'attachment; filename="BTCUSDT-scores-SIMULATED.parquet"') in (
        headers
    )


async def test_an_empty_file_still_has_its_columns() -> None:
    """Nothing in the range is no error."""
    about = About("x", "bybit", None, "success")
    text = await exported(Format.CSV, ("time", "a"), [], about)
    assert text.body == b"time,a,source,label,as_of\n"
    packed = await exported(Format.PARQUET, ("time", "a"), [], about)
    assert pq.read_table(io.BytesIO(packed.body)).num_rows == 0
    assert about.label == "LIVE"


async def test_a_refused_document_is_handed_on_as_it_is() -> None:
    """A 503 does not become an empty file."""
    refused = Answer(b"{}", "application/json", cache_control="no-store", status=503)
    assert await answer(refused, POINTS, Cut(Format.CSV), "x") is refused
