"""A published series cut to what was asked for: a range of time, the newest rows, another form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from virtuoso.web.answers import Answer, json_answer
from virtuoso.web.export import About, Format, Row, exported
from virtuoso.web.problems import ProblemError
from virtuoso.wire.records import millis_of


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a series is wanted."""

    form: Format = Format.JSON
    start: int | None = None
    """Milliseconds UTC, inclusive."""
    end: int | None = None
    """Exclusive."""
    limit: int | None = None
    """The newest so many."""

    @property
    def is_whole(self) -> bool:
        """Whether the published bytes are the answer."""
        return self == Cut()

    def of(self, rows: Sequence[Any], at: Callable[[Any], int], *, newest_first: bool) -> list[Any]:
        """The rows of this range, in their order."""
        found = [
            row
            for row in rows
            if (self.start is None or at(row) >= self.start)
            and (self.end is None or at(row) < self.end)
        ]
        if self.limit is None:
            return found
        return found[: self.limit] if newest_first else found[-self.limit :]


@dataclass(frozen=True, slots=True)
class Series:
    """Where the rows of a document are, and what their parts are called in a file."""

    field: str
    columns: tuple[str, ...]
    """Of rows that are arrays in this order; the first is the time."""
    is_array: bool = True
    """False: rows are objects; `at` is their time."""
    newest_first: bool = False
    name: str = ""

    def at(self, row: Any) -> int:  # noqa: ANN401 (JSON)
        """Time of a row."""
        return int(row[0] if self.is_array else row["at"])

    def flat(self, row: Any) -> Row:  # noqa: ANN401 (JSON)
        """A row as a file has it."""
        if self.is_array:
            return dict(zip(self.columns, row, strict=False))
        return {**row, "time": row["at"]}


def time_of(text: str | None, name: str) -> int | None:
    """Read a time range's end. Raises ProblemError, which does not repeat it."""
    if text is None:
        return None
    try:
        return millis_of(text)
    except (ValueError, OverflowError) as error:
        sentence = f"Expected `{name}` as a time in ISO 8601 UTC, such as 2026-07-19T12:00:00Z."
        raise ProblemError(422, "invalid", sentence) from error


def span_of(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Read a time range, either end of which may be open. Raises ProblemError."""
    first, last = time_of(start, "from"), time_of(end, "to")
    if first is not None and last is not None and first >= last:
        raise ProblemError(400, "impossible_span", "Expected `from` before `to`.")
    return first, last


async def answer(whole: Answer, series: Series, cut: Cut, file: str) -> Answer:
    """Give what was asked for of a document; a refusal of it is given as it is."""
    if whole.status != 200 or cut.is_whole:
        return whole
    document: dict[str, Any] = msgspec.json.decode(whole.body, type=dict[str, Any])
    rows = cut.of(document[series.field], series.at, newest_first=series.newest_first)
    if cut.form is Format.JSON:
        if document[series.field] and not rows:
            document["reasons"] = [*document["reasons"], "nothing is kept of this range"]
        document[series.field] = rows
        return json_answer(msgspec.json.encode(document))
    newest = max((series.at(row) for row in rows), default=None)
    about = About(
        name=file,
        source=document["source"],
        as_of=document.get("as_of") or newest,
        status=document["status"],
    )
    return await exported(cut.form, series.columns, [series.flat(row) for row in rows], about)
