"""What a person asks of a store as a whole: what is in it, is it whole, bring it up to date."""

from dataclasses import dataclass

from sqlalchemy import func, select

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.backup import verify_file
from virtuoso.adapters.store.database import Place, ask, open_engine, translated
from virtuoso.adapters.store.migrating import HEAD, version_on
from virtuoso.adapters.store.records import entry_from
from virtuoso.domain.deeds import FIRST_LINK, first_break
from virtuoso.domain.errors import StoreError, StoreUnavailableError
from virtuoso.domain.time import Millis

AUDIT_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Contents:
    """How much of what there is."""

    where: str
    step: str | None
    """Of the schema; None: it has no tables."""
    newest_step: str
    bytes: int
    rows: dict[str, int]
    series: int
    first: Millis | None
    """Of the score rows."""
    last: Millis | None


def contents(place: Place) -> Contents:
    """Count what is in a store. Raises StoreError."""
    _be_there(place)
    engine = open_engine(place, "read")
    try:
        with translated(place), engine.connect() as link, link.begin():
            step = version_on(link)
            size = (
                ask(link, "SELECT pg_database_size(current_database())")
                if place.path is None
                else sum(
                    each.stat().st_size
                    for end in ("", "-wal")
                    if (each := place.path.with_name(place.path.name + end)).exists()
                )
            )
            rows = {}
            first = last = None
            if step is not None:
                for table in tables.metadata.sorted_tables:
                    counted = link.execute(select(func.count()).select_from(table)).scalar()
                    rows[table.name] = int(counted or 0)
                span = select(func.min(tables.scores.c.at), func.max(tables.scores.c.at))
                first, last = link.execute(span).one()
    finally:
        engine.dispose()
    return Contents(
        str(place), step, HEAD, int(size or 0), rows, rows.pop("series", 0), first, last
    )


def check(place: Place) -> list[str]:
    """Read everything and say what is wrong; an empty list: nothing is. Raises StoreError."""
    _be_there(place)
    found: list[str] = []
    if place.path is not None:
        try:
            verify_file(place.path)
        except StoreError as error:
            return [str(error)]
    engine = open_engine(place, "admin")
    try:
        with translated(place), engine.connect() as link, link.begin():
            step = version_on(link)
            if step != HEAD:
                return [f"the schema stands at {step}, expected {HEAD}: `virtuoso store migrate`"]
            number, previous = 0, FIRST_LINK
            audit = tables.audit
            while True:
                page = select(audit).where(audit.c.number > number)
                rows = link.execute(page.order_by(audit.c.number).limit(AUDIT_PAGE)).all()
                if not rows:
                    break
                entries = [entry_from(row) for row in rows]
                broken = first_break(entries, number, previous)
                if broken is not None:
                    found.append(f"the audit is broken at entry {broken}: a row was changed")
                    break
                number, previous = entries[-1].number, entries[-1].hash
            orphans = select(func.count()).select_from(tables.deliveries)
            alerts = select(tables.alerts.c.id)
            lost = link.execute(orphans.where(tables.deliveries.c.alert.not_in(alerts))).scalar()
            if lost:
                found.append(f"{lost} deliveries are of alerts that are not there")
    finally:
        engine.dispose()
    return found


def _be_there(place: Place) -> None:
    if place.path is not None and not place.path.exists():
        msg = f"there is no {place.path} yet: an engine, or `virtuoso store migrate`, makes it"
        raise StoreUnavailableError(msg)
