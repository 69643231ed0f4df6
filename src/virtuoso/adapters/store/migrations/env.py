"""Where Alembic begins: on the connection it is handed, all steps in one transaction."""

from alembic import context

from virtuoso.adapters.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
