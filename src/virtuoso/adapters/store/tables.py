"""Every table of the store. The migrations make them; a test holds the two together.

Times are integer milliseconds UTC. History is clustered by series and time, so that a month of one
symbol lies side by side.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from virtuoso.domain.scores import ComponentName

metadata: Final = MetaData()

Number = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up itself; SQLite does that for INTEGER alone."""


def score_of(name: ComponentName) -> str:
    """Name the column of a component's score."""
    return f"{name}_score"


def points_of(name: ComponentName) -> str:
    """Name the column of what a component added."""
    return f"{name}_points"


series: Final = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", String(16), nullable=False),
    Column("venue", String(40), nullable=False),
    Column("symbol", String(64), nullable=False),
    UniqueConstraint("symbol", "source", "venue", name="series_are_one"),
)

definitions: Final = Table(
    "definitions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("text", Text, nullable=False),
)


def _series_key() -> Column[int]:
    return Column("series_id", Integer, ForeignKey("series.id"), primary_key=True)


def _at_key(name: str = "at") -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


scores: Final = Table(
    "scores",
    metadata,
    _series_key(),
    _at_key(),
    Column("score", Double),
    Column("reason", String(32)),
    Column("definition", String(64), nullable=False),
    Column("z", Double),
    Column("coverage", Double, nullable=False),
    Column("confidence", Double),
    Column("direction", String(16)),
    Column("state", String(16), nullable=False),
    Column("as_of", BigInteger),
    Column("mid", Double),
    Column("spread_bp", Double),
    Column("price", Double),
    Column("change_24h", Double),
    Column("turnover_24h", Double),
    Column("funding_8h", Double),
    Column("open_interest_change_1h", Double),
    *(
        Column(name_of(component), Double)
        for component in ComponentName
        for name_of in (score_of, points_of)
    ),
    Column("absent", Text),  # JSON: why a component has no score, by its name
    Column("backfilled", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("scores_by_time", scores.c.series_id, scores.c.at, scores.c.score, scores.c.definition)

overview: Final = Table(
    "overview",
    metadata,
    Column("source", String(16), primary_key=True),
    _at_key(),
    Column("symbols", Integer, nullable=False),
    Column("scored", Integer, nullable=False),
    Column("regime", String(32)),
    Column("trend_strength", Double),
    Column("volatility", Double),
    Column("volatility_percentile", Double),
    Column("dispersion", Double),
    Column("breadth", Double),
    Column("btc_dominance", Double),
    Column("turnover_24h", Double),
    Column("definition", String(64), nullable=False),
    sqlite_with_rowid=False,
)

derivatives: Final = Table(
    "derivatives",
    metadata,
    _series_key(),
    _at_key(),
    Column("funding_8h", Double),
    Column("settled_rate", Double),
    Column("settled_at", BigInteger),
    Column("open_interest", Double),
    Column("open_interest_as_of", BigInteger),
    Column("long_share", Double),
    Column("ratio_as_of", BigInteger),
    Column("mark_price", Double),
    Column("index_price", Double),
    sqlite_with_rowid=False,
)

candles: Final = Table(
    "candles",
    metadata,
    _series_key(),
    Column("minutes", SmallInteger, primary_key=True, autoincrement=False),
    _at_key("open_time"),
    Column("open", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("low", Double, nullable=False),
    Column("close", Double, nullable=False),
    Column("volume", Double, nullable=False),
    Column("taker_buy_volume", Double),
    Column("backfilled", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

gaps: Final = Table(
    "gaps",
    metadata,
    _series_key(),
    Column("kind", String(16), primary_key=True),
    _at_key("start_at"),
    Column("reason", String(16), primary_key=True),
    Column("end_at", BigInteger),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

snapshots: Final = Table(
    "snapshots",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("value", LargeBinary, nullable=False),
)

signals: Final = Table(
    "signals",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", String(160), nullable=False, unique=True),
    Column("source", String(16), nullable=False),
    Column("venue", String(40), nullable=False),
    Column("symbol", String(64), nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("outcome", String(32)),
    Column("r", Double),
    Column("body", Text, nullable=False),  # JSON: the whole signal
    Column("horizon_ms", BigInteger),
    Column("method", String(100)),
    Column("definition", String(64)),
    Column("has_stop", Boolean),
    Column("targets_hit", SmallInteger),
    Column("best_excursion", Double),
    Column("worst_excursion", Double),
    Column("atr", Double),
    sqlite_autoincrement=True,
)
Index("signals_by_symbol", signals.c.symbol, signals.c.number)
Index("signals_by_state", signals.c.state, signals.c.number)
Index("signals_by_time", signals.c.opened_at)

signal_events: Final = Table(
    "signal_events",
    metadata,
    Column("number", Number, primary_key=True),
    Column("signal", String(160), ForeignKey("signals.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("what", String(32), nullable=False),
    Column("price", Double),
    sqlite_autoincrement=True,
)
Index("signal_events_by_signal", signal_events.c.signal, signal_events.c.number)

alerts: Final = Table(
    "alerts",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("at", BigInteger, nullable=False),
    Column("level", String(16), nullable=False),
    Column("rule", String(200), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("symbol", String(64)),
    Column("message", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Column("state", String(16), nullable=False),
    Column("changed_at", BigInteger),
    Column("signal", String(160)),
    sqlite_autoincrement=True,
)
Index("alerts_by_state", alerts.c.state, alerts.c.number)
Index("alerts_by_symbol", alerts.c.symbol, alerts.c.number)
Index("alerts_by_time", alerts.c.at)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("number", Number, primary_key=True),
    Column("id", String(200), nullable=False, unique=True),
    Column("alert", String(64), ForeignKey("alerts.id"), nullable=False),
    Column("channel", String(100), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger),
    Column("error", Text),
    Column("remote", String(200)),
    sqlite_autoincrement=True,
)
Index("deliveries_to_do", deliveries.c.ended, deliveries.c.channel, deliveries.c.number)
Index("deliveries_by_alert", deliveries.c.alert, deliveries.c.number)

acknowledgements: Final = Table(
    "acknowledgements",
    metadata,
    Column("number", Number, primary_key=True),
    Column("alert", String(64), ForeignKey("alerts.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("note", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("acknowledgements_by_alert", acknowledgements.c.alert, acknowledgements.c.number)

settings_versions: Final = Table(
    "settings_versions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("by", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("undoes", Integer),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String(200), nullable=False),
    Column("action", String(100), nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
