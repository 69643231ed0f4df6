"""What statistics read of signals, the steps of their lives, and room for their names."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Widen names, add columns and the table of steps."""
    for table, name in (("signals", "id"), ("alerts", "signal")):
        # SQLite keeps any length, and to change the type there copies the whole table
        if op.get_bind().dialect.name != "sqlite":
            op.alter_column(
                table,
                name,
                existing_type=sa.String(length=64),
                type_=sa.String(length=160),
            )
    for column in (
        sa.Column("horizon_ms", sa.BigInteger(), nullable=True),
        sa.Column("method", sa.String(length=100), nullable=True),
        sa.Column("definition", sa.String(length=64), nullable=True),
        sa.Column("has_stop", sa.Boolean(), nullable=True),
        sa.Column("targets_hit", sa.SmallInteger(), nullable=True),
        sa.Column("best_excursion", sa.Double(), nullable=True),
        sa.Column("worst_excursion", sa.Double(), nullable=True),
    ):
        op.add_column("signals", column)
    op.create_table(
        "signal_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("signal", sa.String(length=160), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("price", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["signal"], ["signals.id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("signal_events_by_signal", "signal_events", ["signal", "number"], unique=False)
