"""The schema's history. Alembic reads it; `migrating.py` runs it."""
