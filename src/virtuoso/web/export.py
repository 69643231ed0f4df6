"""The same rows as JSON, CSV or Parquet; each file says where its numbers come from and how old."""

import csv
import io
from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from virtuoso.domain.scores import Source
from virtuoso.web.answers import Answer
from virtuoso.web.problems import ProblemError
from virtuoso.wire.documents import etag_of
from virtuoso.wire.records import iso


class Format(StrEnum):
    """A form in which rows are given."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


TYPES: Final = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
}
OTHER_FORMS: Final = ("text/csv", "application/vnd.apache.parquet")
_ANY: Final = frozenset({"*/*", "application/*"})

LABELS: Final = {Source.SIMULATOR.value: "SIMULATED", Source.REPLAY.value: "REPLAY"}
"""What stands beside every row that is not of a venue right now."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of itself."""

    name: str
    """Of the file, without its ending."""
    source: str
    as_of: int | None
    status: str
    times: frozenset[str] = frozenset({"time"})
    """Columns of milliseconds UTC."""
    past: bool = False
    """Rows of the store: nothing of them is the present."""

    @property
    def label(self) -> str:
        """SIMULATED, REPLAY, or for a venue LIVE, RECORDED where it is the past."""
        return LABELS.get(self.source, "RECORDED" if self.past else "LIVE")


def chosen(asked: str | None, accept: bytes) -> Format:
    """The form a request wants: the parameter, else the first offered in Accept.

    Raises ProblemError when it accepts none of them.
    """
    if asked is not None:
        return Format(asked)
    wanted = [part.split(";")[0].strip().lower() for part in accept.decode("latin-1").split(",")]
    wanted = [part for part in wanted if part]
    for each in wanted:
        if each in _ANY or each == TYPES[Format.JSON]:
            return Format.JSON
        if each in {TYPES[Format.CSV], "text/*"}:
            return Format.CSV
        if each == TYPES[Format.PARQUET]:
            return Format.PARQUET
    if wanted:
        offered = ", ".join(TYPES.values())
        raise ProblemError(406, "not_acceptable", f"Offered are: {offered}.")
    return Format.JSON


async def exported(
    form: Format, columns: Sequence[str], rows: Sequence[Row], about: About
) -> Answer:
    """Rows as a file of this form, made in a thread."""
    make = _csv if form is Format.CSV else _parquet
    body = await to_thread(make, columns, rows, about)
    name = f'attachment; filename="{about.name}-{about.label}.{form}"'
    charset = "; charset=utf-8" if form is Format.CSV else ""
    return Answer(
        body,
        TYPES[form] + charset,
        cache_control="no-cache",
        etag=etag_of(body),
        gzip_on_demand=form is Format.CSV,
        extra=[
            (b"content-disposition", name.encode("ascii", "replace")),
            (b"x-virtuoso-source", about.source.encode("ascii", "replace")),
            (b"x-virtuoso-label", about.label.encode("ascii")),
        ],
    )


def _csv(columns: Sequence[str], rows: Sequence[Row], about: About) -> bytes:
    """Every row carries source, label and as_of: a file is cut and joined by those who get it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "source", "label", "as_of"])
    as_of = "" if about.as_of is None else iso(about.as_of)
    for row in rows:
        cells = [_cell(row.get(column), column in about.times) for column in columns]
        writer.writerow([*cells, about.source, about.label, as_of])
    return text.getvalue().encode()


def _cell(value: object, is_time: bool) -> object:  # noqa: FBT001 (of one column)
    if value is None:
        return ""
    if is_time and isinstance(value, int):
        return iso(value)
    return value


def _parquet(columns: Sequence[str], rows: Sequence[Row], about: About) -> bytes:
    # half a second of import that only those pay who ask for it
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    count = len(rows)
    arrays: dict[str, Any] = {}
    for column in columns:
        values = [row.get(column) for row in rows]
        if column in about.times:
            arrays[column] = pa.array(values, pa.timestamp("ms", tz="UTC"))
        elif any(isinstance(each, str) for each in values):
            arrays[column] = pa.array(values, pa.string())
        else:
            numbers = [None if each is None else float(each) for each in values]
            arrays[column] = pa.array(numbers, pa.float64())
    arrays["source"] = pa.array([about.source] * count, pa.string())
    arrays["label"] = pa.array([about.label] * count, pa.string())
    as_of = None if about.as_of is None else datetime.fromtimestamp(about.as_of / 1000, UTC)
    arrays["as_of"] = pa.array([as_of] * count, pa.timestamp("ms", tz="UTC"))
    said = {"source": about.source, "label": about.label, "status": about.status}
    table = pa.table(arrays).replace_schema_metadata(said)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
