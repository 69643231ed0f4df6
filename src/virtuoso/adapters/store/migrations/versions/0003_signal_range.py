"""The range that a signal's stop was made from, as a column: statistics take costs off with it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column, and fill it from what was kept of each signal."""
    op.add_column("signals", sa.Column("atr", sa.Double(), nullable=True))
    kept = (
        "json_extract(body, '$.atr')"
        if op.get_bind().dialect.name == "sqlite"
        else "(body::json ->> 'atr')::double precision"
    )
    op.execute(sa.text(f"UPDATE signals SET atr = {kept}"))  # noqa: S608 - two constants
