"""Brings a database's schema to that of this version, or leaves it as it was.

All steps run in one transaction on both databases: a process killed half-way changes nothing, and
running it again is safe. Two that begin at once wait for each other.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import Connection

from virtuoso.adapters.store.database import Place, ask, open_engine, translated
from virtuoso.domain.errors import StoreRefusedError

HEAD: Final = "0003"
"""The newest step; a test holds it against the files."""

_LOCK: Final = 7_402_118_354_205_551
"""Names the migration among PostgreSQL's advisory locks."""


def migrate(place: Place) -> str | None:
    """Bring a database to HEAD; gives the step it stood at. Raises StoreError.

    A database of a newer version is refused: this one does not know what its rows mean.
    """
    engine = open_engine(place, "admin")
    try:
        with translated(place):
            before = version(engine)
            if before == HEAD:
                return before
            # few starts find an older schema, and this takes a seventh of a second to load
            from alembic import command  # noqa: PLC0415
            from alembic.config import Config  # noqa: PLC0415
            from alembic.script import ScriptDirectory  # noqa: PLC0415

            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.set_main_option("path_separator", "os")
            known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
            if before is not None and before not in known:
                msg = f"expected {place} at step {HEAD} or before, found {before}: it is newer"
                raise StoreRefusedError(msg)
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            return before
    finally:
        engine.dispose()


def version(engine: Engine) -> str | None:
    """Say at which step a database stands; None: it has no tables."""
    with engine.connect() as connection:
        return version_on(connection)


def version_on(connection: Connection) -> str | None:
    """The same on a connection that is there."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = ask(connection, "SELECT version_num FROM alembic_version")
    return None if found is None else str(found)
