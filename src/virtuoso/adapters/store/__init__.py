"""The store of history, signals and alerts: one schema on SQLite and on PostgreSQL."""
